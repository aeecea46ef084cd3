import { crc32c } from "../../io/crc.ts";
import { shown } from "../../io/escape.ts";
import { stringOf } from "../names.ts";
import { damaged, Unfit } from "./faults.ts";
import { folderSum, mapBlocks, ownedBlocks } from "./inode.ts";
import { at, flag, sizeOf } from "./inode-fields.ts";
import { NameIndex } from "./name-index.ts";
import type { ExtVolume } from "./volume.ts";

export type EntryKind = "file" | "dir" | "link";

/**
 * A folder whose entries are changed. Its blocks stay in memory with an index of their names, so the cost of an entry does
 * not depend on the folder's size. `flush` writes the changes.
 */
export class ExtFolder {
  readonly #volume: ExtVolume;
  readonly #number: number;
  readonly #blocks: FolderBlock[];
  readonly #places = new NameIndex((place) => {
    const [data, at] = [this.#blockAt(place).data, this.#atIn(place)];
    return data.subarray(at + 8, at + 8 + data.readUInt8(at + 6));
  });
  // No earlier block has room for a name of usual length.
  #roomFrom = 0;

  private constructor(volume: ExtVolume, number: number, blocks: FolderBlock[]) {
    this.#volume = volume;
    this.#number = number;
    this.#blocks = blocks;
    for (const [index, { data }] of blocks.entries())
      for (const { at, inode, name } of entriesOf(data))
        if (inode !== 0) this.#places.set(name, this.#placeOf(index, at));
  }

  static async open(volume: ExtVolume, number: number): Promise<ExtFolder> {
    const blocks: FolderBlock[] = [];
    const inode = await volume.inode(number);
    for (const block of (await ownedBlocks(volume, inode)).data)
      blocks.push({ number: block, data: await volume.block(block), isChanged: false });
    if (volume.hasChecksums) for (const { data } of blocks) checkSum(volume, number, inode, data);
    return new ExtFolder(volume, number, blocks);
  }

  /** The inode number of `name`. */
  find(name: Buffer): number | undefined {
    const place = this.#places.get(name);
    return place === undefined ? undefined : this.#blockAt(place).data.readUInt32LE(this.#atIn(place));
  }

  /** Whether the type in an entry matches its inode. Folders of old file systems have none. */
  isOfKind(name: Buffer, inode: Buffer): boolean {
    const place = this.#places.get(name);
    const type = place === undefined ? 0 : this.#blockAt(place).data.readUInt8(this.#atIn(place) + 7);
    return type === 0 || type === typesOfModes[inode.readUInt16LE(at.mode) >> 12];
  }

  get isEmpty(): boolean {
    for (const { data } of this.#blocks)
      for (const { inode, name } of entriesOf(data))
        if (inode !== 0 && ![".", ".."].includes(name.toString("latin1"))) return false;
    return true;
  }

  /** Removes an entry and overwrites its name, because unused parts of a block stay readable. */
  remove(name: Buffer): void {
    const place = this.#places.get(name);
    if (place === undefined) throw damaged(`no entry ${shown(stringOf(name))}`);
    const block = this.#blockAt(place);
    const { data } = block;
    const at = this.#atIn(place);
    this.#places.delete(name);
    const length = data.readUInt16LE(at + 4);
    const before = entryBefore(data, at);
    if (before === undefined) {
      data.writeUInt32LE(0, at);
      data.fill(0, at + 6, at + 8 + padded(name.length));
    } else {
      data.writeUInt16LE(data.readUInt16LE(before + 4) + length, before + 4);
      data.fill(0, at, at + 8 + padded(name.length));
    }
    block.isChanged = true;
    this.#roomFrom = Math.min(this.#roomFrom, this.#indexIn(place));
  }

  async add(name: Buffer, inode: number, kind: EntryKind): Promise<void> {
    if (name.length === 0 || name.length > 255) throw new Unfit(`a name of ${name.length} bytes`);
    const folder = await this.#volume.inode(this.#number);
    if (folder.readUInt32LE(at.flags) & flag.indexed && this.#blocks.length > 1)
      throw new Unfit("a new name in a large, indexed folder");
    for (let index = this.#roomFrom; index < this.#blocks.length; index++) {
      const place = this.#roomIn(index, 8 + padded(name.length));
      if (place === undefined) continue;
      this.#put(index, place, name, inode, kind);
      this.#roomFrom = index;
      return;
    }
    const [number = 0] = await this.#volume.takeBlocks(1, this.#number);
    const data = emptyFolderBlock(this.#volume);
    this.#blocks.push({ number, data, isChanged: true });
    const numbers = this.#blocks.map((block) => block.number);
    await mapBlocks(this.#volume, this.#number, folder, numbers);
    folder.writeUInt32LE(sizeOf(folder) + this.#volume.blockBytes, at.size);
    await this.#volume.putInode(this.#number, folder);
    data.writeUInt16LE(data.length - tailBytes(this.#volume), 4);
    this.#put(this.#blocks.length - 1, { at: 0, used: 0 }, name, inode, kind);
  }

  async flush(): Promise<void> {
    const changed = this.#blocks.filter(({ isChanged }) => isChanged);
    if (changed.length === 0) return;
    const inode = await this.#volume.inode(this.#number);
    for (const block of changed) {
      await putFolderBlock(this.#volume, this.#number, inode, block.number, block.data);
      block.isChanged = false;
    }
  }

  #roomIn(index: number, needed: number): Room | undefined {
    const { data } = this.#blocks[index] ?? { data: Buffer.alloc(0) };
    for (const entry of entriesOf(data)) {
      if (isTail(entry)) continue;
      const used = entry.inode === 0 ? 0 : 8 + padded(entry.name.length);
      if (entry.length - used >= needed) return { at: entry.at, used };
    }
    return undefined;
  }

  // After the used part of the entry at `room`.
  #put(index: number, room: Room, name: Buffer, inode: number, kind: EntryKind): void {
    const block = this.#blocks[index];
    if (!block) return;
    const length = block.data.readUInt16LE(room.at + 4);
    if (room.used > 0) block.data.writeUInt16LE(room.used, room.at + 4);
    putEntry(block.data, room.at + room.used, length - room.used, name, inode, kind);
    block.isChanged = true;
    this.#places.set(name, this.#placeOf(index, room.at + room.used));
  }

  // A place is one number: its block's, and where in the block.
  #placeOf(index: number, at: number): number {
    return index * this.#volume.blockBytes + at;
  }

  #atIn(place: number): number {
    return place % this.#volume.blockBytes;
  }

  #blockAt(place: number): FolderBlock {
    const block = this.#blocks[this.#indexIn(place)];
    if (!block) throw new Error(`a place outside of folder ${this.#number}`);
    return block;
  }

  #indexIn(place: number): number {
    return Math.floor(place / this.#volume.blockBytes);
  }
}

interface FolderBlock {
  readonly number: number;
  readonly data: Buffer;
  isChanged: boolean;
}

interface Room {
  readonly at: number;
  readonly used: number;
}

// Leaves have their sum in a last entry, which is unused. The blocks of an index have it behind their room for entries
// (struct dx_tail of the kernel's fs/ext4/namei.c). A root that was a leaf before still has that last entry.
function checkSum(volume: ExtVolume, number: number, inode: Buffer, block: Buffer): void {
  const wrong = () => damaged(`the checksum of a block of folder inode ${number}`);
  const index = indexAt(inode, block);
  if (index === undefined) {
    const hasTail =
      block.readUInt16LE(block.length - 8) === 12 && block.readUInt8(block.length - 5) === tailType;
    if (!hasTail || block.readUInt32LE(block.length - 4) !== folderSum(volume, number, inode, block))
      throw wrong();
    return;
  }
  const [limit, count] = [block.readUInt16LE(index), block.readUInt16LE(index + 2)];
  const tail = index + limit * 8;
  if (count > limit || tail + 8 > block.length) throw wrong();
  const summed = Buffer.concat([
    block.subarray(0, index + count * 8),
    block.subarray(tail, tail + 4),
    Buffer.alloc(4),
  ]);
  if (crc32c(volume.seedOf(number, inode), summed) !== block.readUInt32LE(tail + 4)) throw wrong();
}

// The start of the entries of an index: after `..` and the header of the index in its root, after an empty
// entry elsewhere.
function indexAt(inode: Buffer, block: Buffer): number | undefined {
  if (!(inode.readUInt32LE(at.flags) & flag.indexed)) return undefined;
  const length = block.readUInt16LE(4);
  if (length === block.length) return 8;
  return length === 12 && block.readUInt16LE(16) === block.length - 12 ? 32 : undefined;
}

// `entriesOf` has looked at the block before.
function entryBefore(data: Buffer, place: number): number | undefined {
  let before: number | undefined;
  for (let at = 0; at < place; at += data.readUInt16LE(at + 4)) before = at;
  return before;
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
/** By the upper four bits of an inode's mode. */
const typesOfModes: Readonly<Record<number, number>> = { 1: 5, 2: 3, 4: 2, 6: 4, 8: 1, 10: 7, 12: 6 };
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
function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
