import { crc32c } from "../../io/crc.ts";
import { damaged, Unfit } from "./faults.ts";
import {
  at,
  attributesMagic,
  extentMagic,
  flag,
  kindOf,
  mapBytes,
  mostWritten,
  oldInodeBytes,
  sizeOf,
} from "./inode-fields.ts";
import type { ExtVolume } from "./volume.ts";

/** The blocks of an inode: its content in order, and its mapping blocks. */
export interface Owned {
  readonly data: readonly number[];
  readonly maps: readonly number[];
  /** The end of the last written block, in blocks of the content. */
  readonly end: number;
}

type Collected = { -readonly [Key in keyof Owned]: Owned[Key] extends number ? number : number[] };

export function attributeBlockOf(inode: Buffer): number {
  return inode.readUInt32LE(at.attributes) + inode.readUInt16LE(at.attributesHigh) * 2 ** 32;
}

export async function ownedBlocks(volume: ExtVolume, inode: Buffer): Promise<Owned> {
  const flags = inode.readUInt32LE(at.flags);
  if (flags & (flag.inline | flag.encrypted | flag.verity))
    throw new Unfit("inline, encrypted or sealed files");
  const kind = kindOf(inode);
  // A short link stores its target in place of the block map, and a device its numbers.
  const isFast = kind === "link" && sizeOf(inode) < mapBytes && !(flags & flag.extents);
  const owned: Collected = { data: [], maps: [], end: 0 };
  if (kind === "other" || isFast) return owned;
  if (flags & flag.extents)
    await extentBlocks(volume, inode.subarray(at.block, at.block + mapBytes), 5, owned);
  else await mappedBlocks(volume, inode, owned);
  return owned;
}

/** Checks that an inode to be changed agrees with its blocks, as e2fsck does. */
export function checkInodeBlocks(volume: ExtVolume, number: number, inode: Buffer, owned: Owned): void {
  const kind = kindOf(inode);
  const flags = inode.readUInt32LE(at.flags);
  const attributes = attributeBlockOf(inode) === 0 ? 0 : 1;
  const blocks = owned.data.length + owned.maps.length + attributes;
  const sectors = inode.readUInt32LE(at.sectors) + inode.readUInt16LE(at.sectorsHigh) * 2 ** 32;
  const unit = flags & flag.huge ? volume.blockBytes : 512;
  if (sectors * unit !== blocks * volume.blockBytes)
    throw damaged(`inode ${number} has ${blocks} blocks, but another count`);
  const [size, written] = [sizeOf(inode), owned.end * volume.blockBytes];
  const isShort = size < written - volume.blockBytes;
  const isWrong = kind === "dir" ? size !== written : kind === "file" && isShort;
  if (isWrong) throw damaged(`inode ${number} has a size of ${size} bytes, but ${written} bytes of content`);
}

/** Makes `data` the inode's content, with new maps. The caller frees the old maps' blocks. */
export async function mapBlocks(
  volume: ExtVolume,
  number: number,
  inode: Buffer,
  data: readonly number[],
): Promise<void> {
  const map = inode.subarray(at.block, at.block + mapBytes);
  map.fill(0);
  const maps =
    inode.readUInt32LE(at.flags) & flag.extents
      ? mapExtents(map, data)
      : await mapDirect(volume, number, map, data);
  const own = attributeBlockOf(inode) === 0 ? 0 : 1;
  const sectors = ((data.length + maps + own) * volume.blockBytes) / 512;
  inode.writeUInt32LE(sectors % 2 ** 32, at.sectors);
  inode.writeUInt16LE(Math.floor(sectors / 2 ** 32), at.sectorsHigh);
  inode.writeUInt32LE((inode.readUInt32LE(at.flags) & ~(flag.huge | flag.pastEnd)) >>> 0, at.flags);
}

async function extentBlocks(
  volume: ExtVolume,
  node: Buffer,
  deepest: number,
  into: Collected,
): Promise<void> {
  const [magic, count, depth] = [node.readUInt16LE(0), node.readUInt16LE(2), node.readUInt16LE(6)];
  if (magic !== extentMagic || depth > deepest || 12 + count * 12 > node.length)
    throw damaged("an extent tree");
  for (let entry = 12; entry < 12 + count * 12; entry += 12)
    if (depth > 0) {
      const child = node.readUInt32LE(entry + 4) + node.readUInt16LE(entry + 8) * 2 ** 32;
      into.maps.push(child);
      refuseMore(volume, into, 0);
      await extentBlocks(volume, await volume.block(child), depth - 1, into);
    } else {
      const length = node.readUInt16LE(entry + 4);
      const first = node.readUInt32LE(entry + 8) + node.readUInt16LE(entry + 6) * 2 ** 32;
      const blocks = length > mostWritten ? length - mostWritten : length;
      refuseMore(volume, into, blocks);
      for (let step = 0; step < blocks; step++) into.data.push(first + step);
      if (length <= mostWritten) into.end = Math.max(into.end, node.readUInt32LE(entry) + blocks);
    }
}

// A cyclic map names more blocks than exist.
function refuseMore(volume: ExtVolume, { data, maps }: Owned, more: number): void {
  if (data.length + maps.length + more > volume.blocks)
    throw damaged("a file has more blocks than there are");
}

async function mappedBlocks(volume: ExtVolume, inode: Buffer, into: Collected): Promise<void> {
  const inMap = volume.blockBytes / 4;
  async function below(block: number, level: number, start: number): Promise<void> {
    if (block === 0) return;
    refuseMore(volume, into, 1);
    if (level === 0) {
      into.data.push(block);
      into.end = Math.max(into.end, start + 1);
      return;
    }
    into.maps.push(block);
    const map = await volume.block(block);
    const each = inMap ** (level - 1);
    for (let entry = 0; entry < inMap; entry++)
      await below(map.readUInt32LE(entry * 4), level - 1, start + entry * each);
  }
  for (let entry = 0; entry < 12; entry++) await below(inode.readUInt32LE(at.block + entry * 4), 0, entry);
  let start = 12;
  for (const level of [1, 2, 3]) {
    await below(inode.readUInt32LE(at.block + (11 + level) * 4), level, start);
    start += inMap ** level;
  }
}

function mapExtents(map: Buffer, data: readonly number[]): number {
  const runs: { logical: number; first: number; count: number }[] = [];
  for (const [logical, block] of data.entries()) {
    const last = runs.at(-1);
    if (last && last.first + last.count === block && last.count < mostWritten) last.count++;
    else runs.push({ logical, first: block, count: 1 });
  }
  if (runs.length > 4) throw new Unfit("a file in more than four pieces");
  map.writeUInt16LE(extentMagic, 0);
  map.writeUInt16LE(runs.length, 2);
  map.writeUInt16LE(4, 4);
  for (const [index, { logical, first, count }] of runs.entries()) {
    const entry = 12 + index * 12;
    map.writeUInt32LE(logical, entry);
    map.writeUInt16LE(count, entry + 4);
    map.writeUInt16LE(Math.floor(first / 2 ** 32), entry + 6);
    map.writeUInt32LE(first % 2 ** 32, entry + 8);
  }
  return 0;
}

async function mapDirect(
  volume: ExtVolume,
  number: number,
  map: Buffer,
  data: readonly number[],
): Promise<number> {
  const indirect = data.slice(12);
  if (indirect.length > volume.blockBytes / 4) throw new Unfit("a long file with block maps");
  for (const [entry, block] of data.slice(0, 12).entries()) map.writeUInt32LE(block, entry * 4);
  if (indirect.length === 0) return 0;
  const [block = 0] = await volume.takeBlocks(1, number);
  const entries = Buffer.alloc(volume.blockBytes);
  for (const [entry, one] of indirect.entries()) entries.writeUInt32LE(one, entry * 4);
  await volume.putBlock(block, entries);
  map.writeUInt32LE(block, 48);
  return 1;
}

/** Stores a security label in a new inode, or in a separate block if the inode has no room. */
export async function setLabel(
  volume: ExtVolume,
  number: number,
  inode: Buffer,
  label: string,
): Promise<void> {
  // The kernel stores a label with a terminating zero byte.
  const value = Buffer.from(`${label}\0`);
  const start = volume.inodeBytes > oldInodeBytes ? at.extra + inode.readUInt16LE(at.extra) : inode.length;
  const padded = Math.ceil(value.length / 4) * 4;
  if (start + 4 + 24 + 4 + padded <= inode.length) {
    inode.writeUInt32LE(attributesMagic, start);
    const table = inode.subarray(start + 4);
    labelEntry(table, value, table.length - padded, 0);
    return;
  }
  const [block = 0] = await volume.takeBlocks(1, number);
  const data = Buffer.alloc(volume.blockBytes);
  data.writeUInt32LE(attributesMagic, 0);
  data.writeUInt32LE(1, 4);
  data.writeUInt32LE(1, 8);
  const hash = hashOf("selinux", value);
  data.writeUInt32LE(hash, 12);
  const place = data.length - padded;
  value.copy(data, place);
  labelEntry(data.subarray(32), value, place, hash, data);
  if (volume.hasChecksums) data.writeUInt32LE(volume.attributeSum(block, data), 16);
  await volume.putBlock(block, data);
  inode.writeUInt32LE(block % 2 ** 32, at.attributes);
  inode.writeUInt16LE(Math.floor(block / 2 ** 32), at.attributesHigh);
  inode.writeUInt32LE(inode.readUInt32LE(at.sectors) + volume.blockBytes / 512, at.sectors);
}

/** Releases the block of extended attributes, which several inodes may share. */
export async function dropAttributes(volume: ExtVolume, inode: Buffer): Promise<void> {
  const block = attributeBlockOf(inode);
  if (block === 0) return;
  const data = await volume.block(block);
  if (data.readUInt32LE(0) !== attributesMagic) throw damaged("a block of attributes");
  const users = data.readUInt32LE(4);
  if (users <= 1) return volume.freeBlock(block);
  data.writeUInt32LE(users - 1, 4);
  if (volume.hasChecksums) data.writeUInt32LE(volume.attributeSum(block, data), 16);
  await volume.putBlock(block, data);
}

function labelEntry(table: Buffer, value: Buffer, place: number, hash: number, values: Buffer = table): void {
  table.writeUInt8(7, 0);
  table.writeUInt8(6, 1);
  table.writeUInt16LE(place, 2);
  table.writeUInt32LE(value.length, 8);
  table.writeUInt32LE(hash, 12);
  table.write("selinux", 16, "latin1");
  value.copy(values, place);
}

function hashOf(name: string, value: Buffer): number {
  let hash = 0;
  for (const byte of Buffer.from(name)) hash = (hash << 5) ^ (hash >>> 27) ^ byte;
  const words = Buffer.alloc(Math.ceil(value.length / 4) * 4);
  value.copy(words);
  for (let word = 0; word < words.length; word += 4)
    hash = (hash << 16) ^ (hash >>> 16) ^ words.readUInt32LE(word);
  return hash >>> 0;
}

/** The checksum at the end of a folder's block. */
export function folderSum(volume: ExtVolume, number: number, inode: Buffer, block: Buffer): number {
  return crc32c(volume.seedOf(number, inode), block.subarray(0, block.length - 12));
}
