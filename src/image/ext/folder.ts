import { at, flag, folderSum, mapBlocks, ownedBlocks, sizeOf } from "./inode.ts";
import { damaged, type ExtVolume, Unfit } from "./volume.ts";

export type EntryKind = "file" | "dir" | "link";

/** The number of the inode that `name` stands for in the folder `dir`. */
export async function findEntry(volume: ExtVolume, dir: number, name: Buffer): Promise<number | undefined> {
  const { data } = await ownedBlocks(volume, await volume.inode(dir));
  for (const block of data)
    for (const entry of entriesOf(await volume.block(block)))
      if (entry.inode !== 0 && entry.name.equals(name)) return entry.inode;
  return undefined;
}

export async function isEmptyFolder(volume: ExtVolume, inode: Buffer): Promise<boolean> {
  const { data } = await ownedBlocks(volume, inode);
  for (const block of data)
    for (const entry of entriesOf(await volume.block(block)))
      if (entry.inode !== 0 && !isDots(entry.name)) return false;
  return true;
}

/** Takes an entry out, and its name with it: what is not used of a block stays readable otherwise. */
export async function removeEntry(volume: ExtVolume, dir: number, name: Buffer): Promise<void> {
  const inode = await volume.inode(dir);
  const { data } = await ownedBlocks(volume, inode);
  for (const number of data) {
    const block = await volume.block(number);
    let before: Entry | undefined;
    for (const entry of entriesOf(block)) {
      if (entry.inode === 0 || !entry.name.equals(name)) {
        before = entry;
        continue;
      }
      if (before) {
        block.writeUInt16LE(before.length + entry.length, before.at + 4);
        block.fill(0, entry.at, entry.at + 8 + padded(name.length));
      } else {
        block.writeUInt32LE(0, entry.at);
        block.fill(0, entry.at + 6, entry.at + 8 + padded(name.length));
      }
      return putFolderBlock(volume, dir, inode, number, block);
    }
  }
  throw damaged(`no entry ${name.toString()}`);
}

export async function addEntry(
  volume: ExtVolume,
  dir: number,
  name: Buffer,
  inode: number,
  kind: EntryKind,
): Promise<void> {
  const folder = await volume.inode(dir);
  if (name.length === 0 || name.length > 255) throw new Unfit(`a name of ${name.length} bytes`);
  const { data } = await ownedBlocks(volume, folder);
  if (folder.readUInt32LE(at.flags) & flag.indexed && data.length > 1)
    throw new Unfit("a new name in a large, indexed folder");
  const needed = 8 + padded(name.length);
  for (const number of data) {
    const block = await volume.block(number);
    for (const entry of entriesOf(block)) {
      if (isTail(entry)) continue;
      const used = entry.inode === 0 ? 0 : 8 + padded(entry.name.length);
      if (entry.length - used < needed) continue;
      if (used > 0) block.writeUInt16LE(used, entry.at + 4);
      putEntry(block, entry.at + used, entry.length - used, name, inode, kind);
      return putFolderBlock(volume, dir, folder, number, block);
    }
  }
  const [number = 0] = await volume.takeBlocks(1, dir);
  const block = emptyFolderBlock(volume);
  putEntry(block, 0, block.length - tailBytes(volume), name, inode, kind);
  await mapBlocks(volume, dir, folder, [...data, number]);
  folder.writeUInt32LE(sizeOf(folder) + volume.blockBytes, at.size);
  await volume.putInode(dir, folder);
  await putFolderBlock(volume, dir, folder, number, block);
}

/** The first block of a new folder. */
export async function startFolder(
  volume: ExtVolume,
  { number, inode, parent, block: at }: { number: number; inode: Buffer; parent: number; block: number },
): Promise<void> {
  const block = emptyFolderBlock(volume);
  putEntry(block, 0, 12, Buffer.from("."), number, "dir");
  putEntry(block, 12, block.length - tailBytes(volume) - 12, Buffer.from(".."), parent, "dir");
  await putFolderBlock(volume, number, inode, at, block);
}

interface Entry {
  readonly at: number;
  readonly inode: number;
  readonly length: number;
  readonly name: Buffer;
  readonly type: number;
}

const types: Readonly<Record<EntryKind, number>> = { file: 1, dir: 2, link: 7 };
const tailType = 0xde;

function* entriesOf(block: Buffer): Generator<Entry> {
  for (let place = 0; place + 8 <= block.length; ) {
    const length = block.readUInt16LE(place + 4);
    const nameLength = block.readUInt8(place + 6);
    if (length < 8 || length % 4 !== 0 || place + length > block.length || nameLength + 8 > length)
      throw damaged("a folder");
    yield {
      at: place,
      inode: block.readUInt32LE(place),
      length,
      name: block.subarray(place + 8, place + 8 + nameLength),
      type: block.readUInt8(place + 7),
    };
    place += length;
  }
}

function putEntry(
  block: Buffer,
  place: number,
  length: number,
  name: Buffer,
  inode: number,
  kind: EntryKind,
): void {
  block.writeUInt32LE(inode, place);
  block.writeUInt16LE(length, place + 4);
  block.writeUInt8(name.length, place + 6);
  block.writeUInt8(types[kind], place + 7);
  name.copy(block, place + 8);
}

async function putFolderBlock(
  volume: ExtVolume,
  dir: number,
  inode: Buffer,
  number: number,
  block: Buffer,
): Promise<void> {
  if (volume.hasChecksums) block.writeUInt32LE(folderSum(volume, dir, inode, block), block.length - 4);
  await volume.putBlock(number, block);
}

function emptyFolderBlock(volume: ExtVolume): Buffer {
  const block = Buffer.alloc(volume.blockBytes);
  if (!volume.hasChecksums) return block;
  block.writeUInt16LE(12, block.length - 8);
  block.writeUInt8(tailType, block.length - 5);
  return block;
}

function tailBytes(volume: ExtVolume): number {
  return volume.hasChecksums ? 12 : 0;
}
function isTail({ inode, length, type }: Entry): boolean {
  return inode === 0 && length === 12 && type === tailType;
}
function isDots(name: Buffer): boolean {
  return name.equals(Buffer.from(".")) || name.equals(Buffer.from(".."));
}
function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
