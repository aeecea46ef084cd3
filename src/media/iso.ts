import { createWriteStream } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { TbuildError } from "../errors.ts";
import { printable } from "../io/escape.ts";
import { fileFault } from "../io/file-fault.ts";
import { type BootImage, bootImages } from "./el-torito.ts";
import {
  type Extent,
  entriesOf,
  extentOf,
  type IsoEntry,
  type Naming,
  rockRidgeOf,
  sector,
} from "./iso-directory.ts";

/** An ISO 9660 image, read without mounting it. No path leads out of it, whatever the image says. */
export interface Iso extends AsyncDisposable {
  readonly volumeId: string;
  /** The size in the volume descriptor. The file may be longer, but not shorter. */
  readonly bytes: number;
  /** True if there is a Joliet tree, with names for Windows. */
  readonly joliet: boolean;
  readonly boot: readonly BootImage[];
  find(path: string): Promise<IsoEntry | undefined>;
  /** The entries of a folder; empty if it does not exist. */
  list(path: string): Promise<readonly IsoEntry[]>;
  /** A small file. More than `atMost` bytes are an `integrity` fault. */
  read(path: string, atMost?: number): Promise<Uint8Array | undefined>;
  /** The first bytes of a file; empty if it does not exist. */
  head(path: string, bytes: number): Promise<Buffer>;
  extract(path: string, to: string): Promise<void>;
}

// A folder of 10 000 packages takes 1.5 MB; text files take less than a tenth of their limit.
const mostOfFolder = 16 << 20;
const mostOfText = 1 << 20;
const mostLinks = 16;

/**
 * Offsets in a volume descriptor (ECMA-119, 8.4 and 8.5). Each number is stored in both byte orders,
 * little-endian first.
 */
const field = { volumeId: 40, sectors: 80, escapes: 88, sectorBytes: 128, root: 156 } as const;

/** Opens an image. Throws an `integrity` fault if it is not ISO 9660, or shorter than it states. */
export async function openIso(file: string): Promise<Iso> {
  const unreadable = (error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR")
      throw new TbuildError("usage", "no such file", { subject: file });
    throw fileFault(error, file);
  };
  const found = await stat(file).catch(unreadable);
  // Opening a fifo would block until another process writes to it.
  if (!found.isFile() && !found.isBlockDevice())
    throw new TbuildError("usage", "is neither a file nor a device", { subject: file });
  const handle = await open(file, "r").catch(unreadable);
  try {
    return await opened(file, handle);
  } catch (error) {
    await handle.close();
    throw explained(file, error);
  }
}

async function opened(file: string, handle: FileHandle): Promise<Iso> {
  const read = (offset: number, bytes: number) => bytesAt(handle, offset, bytes);
  const { primary, second, bootRecord } = await descriptors(file, read);
  const volumeId = primary.toString("latin1", field.volumeId, field.volumeId + 32).replace(/[\0 ]+$/, "");
  const bytes = primary.readUInt32LE(field.sectors) * sector;
  const size = await sizeOf(handle);
  if (size < bytes)
    throw new TbuildError(
      "integrity",
      `is truncated: it has ${size} bytes, and its volume (${printable(volumeId)}) has ${bytes}`,
      { subject: file, hint: "Copy or download it again." },
    );
  const inside = ({ offset, bytes: length }: Extent, what: string) => {
    if (offset + length > size)
      throw new TbuildError("integrity", `${what} is outside the image`, {
        hint: "Copy or download it again.",
      });
  };
  const tree = await folderTree({ primary, second }, read, inside);
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw explained(file, error);
    }
  };
  const find = (path: string) => guarded(() => walk(tree, path));

  return {
    volumeId,
    bytes,
    joliet: second !== undefined,
    boot: await bootImages(bootRecord, read),
    find,
    async list(path) {
      const folder = await find(path);
      return folder ? guarded(() => tree.children(folder)) : [];
    },
    async read(path, atMost = mostOfText) {
      const entry = await find(path);
      if (entry?.kind !== "file") return undefined;
      if (entry.bytes > atMost)
        throw new TbuildError("integrity", `${path}: has ${entry.bytes} bytes, far more than expected`, {
          subject: file,
        });
      const parts: Buffer[] = [];
      for (const extent of entry.extents) {
        await guarded(async () => inside(extent, path));
        parts.push(await read(extent.offset, extent.bytes));
      }
      return Buffer.concat(parts);
    },
    async head(path, length) {
      const entry = await find(path);
      const [extent] = entry?.kind === "file" ? entry.extents : [];
      return extent ? read(extent.offset, Math.min(length, extent.bytes)) : Buffer.alloc(0);
    },
    async extract(path, to) {
      const entry = await find(path);
      if (entry?.kind !== "file")
        throw new TbuildError("integrity", `has no ${printable(path)}`, { subject: file });
      await guarded(async () => {
        for (const extent of entry.extents) inside(extent, path);
        // A file with overlapping pieces could be larger than its image.
        if (entry.bytes > size) throw new TbuildError("integrity", `${path} is larger than the image`);
        await pipeline(pieces(handle, entry.extents), createWriteStream(to)).catch((error) => {
          throw error.syscall === "write" ? fileFault(error, to) : error;
        });
      });
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

type Read = (offset: number, bytes: number) => Promise<Buffer>;

/** The folders of an image, with Rock Ridge's names, else Joliet's, else those of ISO 9660. */
interface FolderTree {
  readonly root: IsoEntry;
  children(folder: IsoEntry): Promise<IsoEntry[]>;
}

/** `inside` throws if an extent is outside the image. */
async function folderTree(
  { primary, second }: Pick<Descriptors, "primary" | "second">,
  read: Read,
  inside: (extent: Extent, what: string) => void,
): Promise<FolderTree> {
  const folderData = async (extent: Extent, what: string): Promise<Buffer> => {
    inside(extent, what);
    if (extent.bytes > mostOfFolder) throw new TbuildError("integrity", `${what} is not a folder`);
    return read(extent.offset, extent.bytes);
  };
  const rockRidge = rockRidgeOf(await folderData(extentOf(primary.subarray(field.root)), "the root"));
  const naming: Naming = { joliet: !rockRidge && second !== undefined, skip: rockRidge?.skip ?? 0 };
  const rootExtent = extentOf((naming.joliet && second ? second : primary).subarray(field.root));
  // By location, because every path starts with a search of the root.
  const known = new Map<number, Promise<IsoEntry[]>>();
  return {
    root: { name: "", kind: "folder", extents: [rootExtent], bytes: rootExtent.bytes },
    async children(folder) {
      const [extent] = folder.extents;
      if (folder.kind !== "folder" || !extent) return [];
      const entries =
        known.get(extent.offset) ??
        folderData(extent, `the folder ${printable(folder.name)}`).then((data) =>
          entriesOf(data, naming, read),
        );
      known.set(extent.offset, entries);
      return entries;
    },
  };
}

/** Walks from the root. ".." in a link's target goes up, but never above the root. */
async function walk(tree: FolderTree, path: string, links = 0): Promise<IsoEntry | undefined> {
  let trail: IsoEntry[] = [tree.root];
  const parts = partsOf(path);
  for (const [i, name] of parts.entries()) {
    if (name === "..") {
      trail = trail.length > 1 ? trail.slice(0, -1) : trail;
      continue;
    }
    const entries = await tree.children(trail.at(-1) ?? tree.root);
    const found =
      entries.find((entry) => entry.name === name) ??
      entries.find((entry) => entry.name.toLowerCase() === name.toLowerCase());
    if (found?.kind !== "link") {
      if (!found) return undefined;
      trail.push(found);
      continue;
    }
    if (links >= mostLinks)
      throw new TbuildError("integrity", "too many links", { subject: printable(path) });
    const target = found.target ?? "";
    const from = target.startsWith("/") ? [] : trail.slice(1).map((entry) => entry.name);
    return walk(tree, [...from, target, ...parts.slice(i + 1)].join("/"), links + 1);
  }
  return trail.at(-1);
}

interface Descriptors {
  readonly primary: Buffer;
  /** The Joliet descriptor, if there is one. */
  readonly second: Buffer | undefined;
  readonly bootRecord: Buffer | undefined;
}

async function descriptors(file: string, read: Read): Promise<Descriptors> {
  const found: { primary?: Buffer; second?: Buffer; bootRecord?: Buffer } = {};
  // The list ends with a terminator of type 255. No disc has 64 descriptors.
  for (let number = 16; number < 80; number++) {
    const one = await read(number * sector, sector);
    if (one.length < sector || one.toString("latin1", 1, 6) !== "CD001" || one[0] === 255) break;
    if (one[0] === 1) found.primary ??= one;
    if (one[0] === 2 && /^%\/[@CE]/.test(one.toString("latin1", field.escapes, field.escapes + 3)))
      found.second ??= one;
    if (one[0] === 0) found.bootRecord ??= one;
  }
  const { primary } = found;
  if (!primary || primary.readUInt16LE(field.sectorBytes) !== sector)
    throw new TbuildError("integrity", "is not an ISO 9660 image", {
      subject: file,
      hint: whatItIs(await read(0, 512)),
    });
  return { primary, second: found.second, bootRecord: found.bootRecord };
}

// What people often have instead of a disc: the page of a download that requires a login, or an archive with
// the disc in it.
function whatItIs(head: Buffer): string {
  const text = head.toString("latin1");
  if (head.length === 0) return "It is empty.";
  if (/^\s*<(!doctype|html|\?xml)/i.test(text))
    return "It is a web page: the server sent it instead of the file. Sign in, and download again.";
  if (text.startsWith("PK\x03\x04")) return "It is a zip archive: unpack it, the disc may be in it.";
  if (text.startsWith("\x1f\x8b")) return "It is gzip'd: unpack it with gunzip.";
  return "To see what it is, run: file";
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

async function* pieces(handle: FileHandle, extents: readonly Extent[]): AsyncGenerator<Buffer> {
  for (const { offset, bytes } of extents)
    for (let at = 0; at < bytes; at += 1 << 20)
      yield await bytesAt(handle, offset + at, Math.min(1 << 20, bytes - at));
}

async function bytesAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let got = 0;
  while (got < length) {
    const { bytesRead } = await handle.read(buffer, got, length - got, offset + got);
    if (bytesRead === 0) break;
    got += bytesRead;
  }
  return buffer.subarray(0, got);
}

// A drive reports a size of 0. Its length is what can be read from it.
async function sizeOf(handle: FileHandle): Promise<number> {
  const { size } = await handle.stat();
  return size > 0 ? size : Number.POSITIVE_INFINITY;
}

/** Adds the image's name to an error about its contents. */
function explained(file: string, error: unknown): unknown {
  if (!(error instanceof TbuildError) || error.subject === file) return error;
  return error.within(file);
}
