import type { Change } from "../change/change.ts";
import type { Writable } from "../change/draft.ts";
import { attribute, entryAt, entryBytes, firstDay, longAt, longTextBytes, marks } from "./entry.ts";
import { blocksOf, entriesOf, type FatEntry, lookUp, shortSum } from "./fat.ts";
import { damaged, FatVolume } from "./volume.ts";

/**
 * Changes the files of a FAT file system in process: removes, overwrites, and creates files in existing folders.
 * FAT has no owners or modes to keep. `cannot` makes an error for changes that need a kernel.
 */
export async function changeFat(
  disk: Writable,
  changes: readonly Change[],
  cannot: (what: string) => Error,
): Promise<void> {
  const volume = await FatVolume.open(disk);
  for (const change of changes) {
    const found = await lookUp(volume, change.path);
    if (change.kind === "remove" && found?.places) await remove(disk, volume, found);
    else if (change.kind === "write" && !found?.isDir) await write(disk, volume, change, found, cannot);
    else throw cannot(`FAT: ${change.path}: a ${change.kind} cannot be made in process`);
  }
}

async function remove(disk: Writable, volume: FatVolume, entry: FatEntry): Promise<void> {
  if (entry.isDir && (await entriesOf(volume, entry)).length > 0)
    throw damaged(`the folder ${entry.name} is not empty`);
  for (const place of entry.places ?? []) await disk.write(place, Buffer.from([marks.free]));
  await free(disk, volume, entry.first);
}

async function write(
  disk: Writable,
  volume: FatVolume,
  { path, data }: Extract<Change, { kind: "write" }>,
  found: FatEntry | undefined,
  cannot: (what: string) => Error,
): Promise<void> {
  const parent = await lookUp(volume, path.slice(0, path.lastIndexOf("/")));
  if (!parent?.isDir) throw cannot(`FAT: ${path}: its folder does not exist`);
  const name = path.slice(path.lastIndexOf("/") + 1);
  const places = found?.places ?? (await newPlaces(disk, volume, parent, name, cannot));
  if (found) await free(disk, volume, found.first);
  const clusters = volume.freeClusters(Math.ceil(data.length / volume.clusterBytes));
  if (clusters === undefined) throw cannot(`FAT: ${path}: there are too few free clusters`);
  for (const [index, cluster] of clusters.entries()) {
    const block = Buffer.alloc(volume.clusterBytes);
    block.set(data.subarray(index * volume.clusterBytes, (index + 1) * volume.clusterBytes));
    await disk.write(volume.placeOf(cluster), block);
    await volume.setEntry(disk, cluster, clusters[index + 1] ?? volume.end);
  }
  await volume.countFree(disk, -clusters.length);
  await point(disk, volume, places.at(-1) ?? 0, clusters[0] ?? 0, data.length);
}

async function free(disk: Writable, volume: FatVolume, first: number): Promise<void> {
  const chain = first === 0 ? [] : volume.chain(first);
  for (const cluster of chain) await volume.setEntry(disk, cluster, 0);
  await volume.countFree(disk, chain.length);
}

// Bits 16 to 31 of the cluster are FAT32's; there the others keep something else.
async function point(disk: Writable, volume: FatVolume, place: number, first: number, size: number) {
  const entry = Buffer.from(await disk.read(place, entryBytes));
  if (volume.bits === 32) entry.writeUInt16LE(first >>> 16, entryAt.firstHigh);
  entry.writeUInt16LE(first & 0xffff, entryAt.first);
  entry.writeUInt32LE(size, entryAt.size);
  await disk.write(place, entry);
}

// The entries of a new name: its long one, last part first, and the short one that every file has (fatgen103, section 7).
async function newPlaces(
  disk: Writable,
  volume: FatVolume,
  parent: FatEntry,
  name: string,
  cannot: (what: string) => Error,
): Promise<number[]> {
  // A lone surrogate stands for a byte that is not UTF-8.
  const isPlain = [...name].every(
    (letter) => letter > "\x1f" && !'"*:<>?|\\'.includes(letter) && !/^[\ud800-\udfff]$/.test(letter),
  );
  if (!isPlain || name.length > 255 || /[ .]$/.test(name))
    throw cannot(`FAT: ${name} is not a valid name on FAT`);
  const short = shortName(name, new Set((await entriesOf(volume, parent)).map((entry) => entry.short)));
  if (short === undefined) throw cannot(`FAT: ${name}: its folder has too many similar names`);
  const entries = [...longParts(name, shortSum(short)), short];
  const places = await freeSlots(disk, volume, parent, entries.length);
  if (places === undefined) throw cannot(`FAT: ${name}: its folder is full`);
  for (const [index, place] of places.entries())
    await disk.write(place, entries[index] ?? Buffer.alloc(entryBytes));
  return places;
}

// NAME~1.EXT, always with the same date: the same name gives the same bytes.
function shortName(name: string, taken: ReadonlySet<string>): Buffer | undefined {
  const plain = (text: string) => text.toUpperCase().replaceAll(/[^A-Z0-9_-]/g, "");
  const dot = name.lastIndexOf(".");
  const [base, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot + 1)] : [name, ""];
  for (let number = 1; number < 10_000; number++) {
    const tail = `~${number}`;
    const short =
      `${plain(base).slice(0, 8 - tail.length)}${tail}`.padEnd(8) + plain(extension).slice(0, 3).padEnd(3);
    if (taken.has(short)) continue;
    const entry = Buffer.alloc(entryBytes);
    entry.write(short, entryAt.name, "latin1");
    entry[entryAt.attributes] = attribute.archive;
    for (const at of [entryAt.created, entryAt.accessed, entryAt.modified]) entry.writeUInt16LE(firstDay, at);
    return entry;
  }
  return undefined;
}

function longParts(name: string, sum: number): Buffer[] {
  const units = Buffer.from(name, "utf16le");
  const count = Math.ceil(units.length / longTextBytes);
  return Array.from({ length: count }, (_, index) => {
    const part = count - index;
    // A zero after the name if there is room, then ones.
    const text = Buffer.alloc(longTextBytes, 0xff);
    const own = units.subarray((part - 1) * longTextBytes, part * longTextBytes);
    text.set(own);
    if (own.length < longTextBytes) text.writeUInt16LE(0, own.length);
    const entry = Buffer.alloc(entryBytes);
    entry[longAt.order] = part | (index === 0 ? marks.lastPart : 0);
    entry[entryAt.attributes] = attribute.long;
    entry[longAt.checksum] = sum;
    let done = 0;
    for (const [from, to] of longAt.text) {
      entry.set(text.subarray(done, done + to - from), from);
      done += to - from;
    }
    return entry;
  });
}

/** Locations of consecutive free entries in a folder. If there are none, the folder gets another cluster. */
async function freeSlots(
  disk: Writable,
  volume: FatVolume,
  parent: FatEntry,
  count: number,
): Promise<number[] | undefined> {
  let run: number[] = [];
  let isEnd = false;
  for (const { offset, data } of await blocksOf(volume, parent))
    for (let at = 0; at < data.length; at += entryBytes) {
      // Data after the end marker of a folder is never an entry.
      isEnd ||= data[at] === marks.end;
      const place = offset + at;
      if (run.length === count) {
        if (isEnd) await disk.write(place, Buffer.from([marks.end]));
        return run;
      }
      if (isEnd || data[at] === marks.free) run.push(place);
      else run = [];
    }
  if (run.length === count) return run;
  const [more] = parent.first === 0 ? [] : (volume.freeClusters(1) ?? []);
  const last = parent.first === 0 ? undefined : volume.chain(parent.first).at(-1);
  if (more === undefined || last === undefined) return undefined;
  await disk.write(volume.placeOf(more), new Uint8Array(volume.clusterBytes));
  await volume.setEntry(disk, more, volume.end);
  await volume.setEntry(disk, last, more);
  await volume.countFree(disk, -1);
  return freeSlots(disk, volume, parent, count);
}
