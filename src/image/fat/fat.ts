import { TbuildError } from "../../errors.ts";
import { type Reader, windowOf } from "../../io/reader.ts";
import type { FreeRun } from "../disk/free-run.ts";
import { stringOf } from "../names.ts";
import type { Stat } from "../tree.ts";
import { attribute, entryAt, entryBytes, longAt, lowerCase, marks, shortNameBytes } from "./entry.ts";
import { damaged, FatVolume } from "./volume.ts";

/** The files of a FAT file system, from which a UEFI guest boots. Names are case-insensitive, as in Linux's vfat. */
export interface Fat {
  stat(path: string): Promise<Stat | undefined>;
  list(dir: string): Promise<string[]>;
  readFile(path: string): Promise<Uint8Array>;
}

export async function openFat(reader: Reader): Promise<Fat> {
  const volume = await FatVolume.open(reader);
  const find = (path: string) => lookUp(volume, path);
  return {
    async stat(path) {
      const found = await find(path);
      if (found === undefined) return undefined;
      return {
        kind: found.isDir ? "dir" : "file",
        mode: found.isDir ? 0o700 : 0o600,
        uid: 0,
        gid: 0,
        size: found.size,
      };
    },
    async list(dir) {
      const found = await find(dir);
      return found?.isDir ? (await entriesOf(volume, found)).map(({ name }) => name) : [];
    },
    async readFile(path) {
      const found = await find(path);
      if (found === undefined || found.isDir)
        throw new TbuildError("guest", "is not a file", { subject: path });
      return contentOf(volume, found);
    },
  };
}

/** Runs of free clusters. */
export async function* freeRunsOfFat(reader: Reader): AsyncGenerator<FreeRun> {
  const volume = await FatVolume.open(reader);
  const blockBytes = volume.clusterBytes;
  let start: number | undefined;
  for (let cluster = 2; cluster <= volume.clusters + 2; cluster++) {
    const isFree = cluster < volume.clusters + 2 && volume.isFree(cluster);
    if (isFree) start ??= cluster;
    else if (start !== undefined) {
      yield { offset: volume.placeOf(start), bytes: (cluster - start) * blockBytes, blockBytes };
      start = undefined;
    }
  }
}

/** An entry of a folder. */
export interface FatEntry {
  readonly name: string;
  readonly isDir: boolean;
  readonly size: number;
  readonly first: number;
  /** The eleven bytes of its short name, as Latin-1. */
  readonly short: string;
  /** The offsets of its 32-byte entries, those of the long name first. The root has none. */
  readonly places?: readonly number[];
}

export async function lookUp(volume: FatVolume, path: string): Promise<FatEntry | undefined> {
  let found: FatEntry | undefined = {
    name: "",
    isDir: true,
    size: 0,
    first: volume.rootCluster ?? 0,
    short: "",
  };
  for (const name of path.split("/").filter((part) => part !== "")) {
    if (!found?.isDir) return undefined;
    const wanted = name.toLowerCase();
    const entries: FatEntry[] = await entriesOf(volume, found);
    found = entries.find((one) => one.name.toLowerCase() === wanted);
  }
  return found;
}

export async function entriesOf(volume: FatVolume, dir: FatEntry): Promise<FatEntry[]> {
  const found: FatEntry[] = [];
  let long: { readonly text: string; readonly sum: number; readonly place: number }[] = [];
  for (const { offset, data } of await blocksOf(volume, dir))
    for (let at = 0; at < data.length; at += entryBytes) {
      const entry = data.subarray(at, at + entryBytes);
      const [mark, attributes] = [entry[0], entry[entryAt.attributes] ?? 0];
      if (mark === undefined || mark === marks.end) return found;
      const place = offset + at;
      if (mark === marks.free) long = [];
      else if ((attributes & attribute.all) === attribute.long) {
        // The last part of a long name comes first, and is marked as the last.
        if (mark & marks.lastPart) long = [];
        long.push({ text: longPart(entry), sum: entry[longAt.checksum] ?? 0, place });
      } else {
        const isNamed = long.length > 0 && long.every(({ sum }) => sum === shortSum(entry));
        const name = isNamed
          ? [...long]
              .reverse()
              .map(({ text }) => text)
              .join("")
          : shortName(entry);
        const places = [...(isNamed ? long.map((part) => part.place) : []), place];
        long = [];
        if (attributes & attribute.label || name === "." || name === ".." || name.includes("/")) continue;
        const high = volume.bits === 32 ? entry.readUInt16LE(entryAt.firstHigh) : 0;
        const isDir = (attributes & attribute.folder) !== 0;
        const first = high * 2 ** 16 + entry.readUInt16LE(entryAt.first);
        const short = entry.toString("latin1", entryAt.name, shortNameBytes);
        found.push({ name, isDir, size: isDir ? 0 : entry.readUInt32LE(entryAt.size), first, short, places });
      }
    }
  return found;
}

// Of a folder (fatgen103, section 6.2). A longer chain is damage.
const mostEntries = 65536;

export async function blocksOf(
  volume: FatVolume,
  dir: FatEntry,
): Promise<{ offset: number; data: Buffer }[]> {
  const read = async (offset: number, bytes: number) => ({
    offset,
    data: Buffer.from(await volume.reader.read(offset, bytes)),
  });
  if (dir.first === 0) return [await read(volume.rootPlace.offset, volume.rootPlace.bytes)];
  const chain = volume.chain(dir.first);
  if (chain.length * volume.clusterBytes > mostEntries * entryBytes + volume.clusterBytes)
    throw damaged("a folder is too long");
  return Promise.all(chain.map((cluster) => read(volume.placeOf(cluster), volume.clusterBytes)));
}

async function contentOf(volume: FatVolume, { size, first, name }: FatEntry): Promise<Uint8Array> {
  if (size === 0) return new Uint8Array();
  if (size > largestFile)
    throw new TbuildError("guest", `${size} bytes are too many to read at once`, { subject: name });
  const chain = volume.chain(first);
  if (chain.length * volume.clusterBytes < size)
    throw damaged(`${name} has fewer clusters than its size needs`);
  const data = Buffer.alloc(size);
  for (const [index, cluster] of chain.slice(0, Math.ceil(size / volume.clusterBytes)).entries()) {
    const at = index * volume.clusterBytes;
    data.set(
      await windowOf(volume.reader, volume.placeOf(cluster), volume.clusterBytes).read(
        0,
        Math.min(volume.clusterBytes, size - at),
      ),
      at,
    );
  }
  return data;
}

const largestFile = 512 * 1024 * 1024;

// A zero ends the name.
function longPart(entry: Buffer): string {
  const parts = longAt.text.map(([from, to]) => entry.subarray(from, to));
  const text = Buffer.concat(parts).toString("utf16le");
  return text.replace(/\0.*$/s, "").replaceAll("\uffff", "");
}

export function shortSum(entry: Buffer): number {
  let sum = 0;
  for (const byte of entry.subarray(0, shortNameBytes)) sum = (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff;
  return sum;
}

// A name that starts with the byte of a free entry has 5 in its place.
function shortName(entry: Buffer): string {
  const bytes = Buffer.from(entry.subarray(0, shortNameBytes));
  if (bytes[0] === 5) bytes[0] = marks.free;
  const flags = entry[entryAt.lowerCase] ?? 0;
  const part = (from: number, to: number, isLower: boolean) => {
    const text = stringOf(bytes.subarray(from, to)).trimEnd();
    return isLower ? text.toLowerCase() : text;
  };
  const [base, extension] = [
    part(0, 8, (flags & lowerCase.base) !== 0),
    part(8, shortNameBytes, (flags & lowerCase.extension) !== 0),
  ];
  return extension === "" ? base : `${base}.${extension}`;
}
