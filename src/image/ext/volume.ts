import { TbuildError } from "../../errors.ts";
import type { Writable } from "../change/draft.ts";
import { crc16, crc32c } from "./crc.ts";
import { namedFeatures } from "./features.ts";

/** Thrown for changes that tbuild's ext writer does not support. Another access method may. */
export class Unfit extends TbuildError {
  constructor(what: string) {
    super("environment", `ext: ${what}`, { hint: "Try another access method with --via." });
  }
}

/** Changes the superblock, groups, bitmaps and inodes of an ext file system, with all counts and checksums. */
export class ExtVolume {
  readonly blockBytes: number;
  readonly inodeBytes: number;
  readonly hasExtents: boolean;
  readonly hasChecksums: boolean;
  /** The used size of a new inode beyond its first 128 bytes. */
  readonly extraBytes: number;
  readonly #disk: Writable;
  readonly #sb: Buffer;
  readonly #groups = new Map<number, Group>();
  readonly #seed: number;
  readonly #descriptorBytes: number;
  /** The sorted block runs of bitmaps and inode tables. */
  #own: (readonly [start: number, count: number])[] = [];

  private constructor(disk: Writable, sb: Buffer) {
    this.#disk = disk;
    this.#sb = sb;
    const incompatible = sb.readUInt32LE(96);
    this.blockBytes = 1024 << sb.readUInt32LE(24);
    this.inodeBytes = sb.readUInt32LE(76) === 0 ? 128 : sb.readUInt16LE(88);
    this.extraBytes =
      this.inodeBytes > 128 ? Math.min(Math.max(sb.readUInt16LE(350), 28), this.inodeBytes - 128) : 0;
    this.hasExtents = (incompatible & 0x40) !== 0;
    this.hasChecksums = (sb.readUInt32LE(100) & 0x400) !== 0;
    this.#descriptorBytes = incompatible & 0x80 ? Math.max(32, sb.readUInt16LE(254)) : 32;
    this.#seed = incompatible & 0x2000 ? sb.readUInt32LE(624) : crc32c(0xffffffff, sb.subarray(104, 120));
  }

  /** Throws `Unfit` if the file system has unsupported features or is not clean. */
  static async open(disk: Writable): Promise<ExtVolume> {
    const sb = Buffer.from(await disk.read(1024, 1024));
    if (sb.readUInt16LE(56) !== 0xef53)
      throw new TbuildError("integrity", "no ext file system in it", { subject: "volume" });
    const strange = strangeFeature(sb);
    if (strange !== undefined) throw new Unfit(strange);
    const volume = new ExtVolume(disk, sb);
    if (volume.hasChecksums && crc32c(0xffffffff, sb.subarray(0, 1020)) !== sb.readUInt32LE(1020))
      throw damaged("the checksum of its superblock");
    if (volume.blocks * volume.blockBytes > disk.bytes) throw damaged("it is larger than its volume");
    await volume.#checkDescriptors();
    return volume;
  }

  get firstBlock(): number {
    return this.#sb.readUInt32LE(20);
  }
  get blocks(): number {
    return this.#sb.readUInt32LE(4) + (this.#is64 ? this.#sb.readUInt32LE(336) * 2 ** 32 : 0);
  }
  get groups(): number {
    return Math.ceil((this.blocks - this.firstBlock) / this.#blocksPerGroup);
  }
  get #blocksPerGroup(): number {
    return this.#sb.readUInt32LE(32);
  }
  get #inodesPerGroup(): number {
    return this.#sb.readUInt32LE(40);
  }
  get #is64(): boolean {
    return this.#descriptorBytes >= 64;
  }

  async block(number: number): Promise<Buffer> {
    this.#checkBlock(number);
    return Buffer.from(await this.#disk.read(number * this.blockBytes, this.blockBytes));
  }

  async putBlock(number: number, data: Uint8Array): Promise<void> {
    this.#checkBlock(number);
    await this.#disk.write(number * this.blockBytes, data);
  }

  async inode(number: number): Promise<Buffer> {
    const inode = Buffer.from(await this.#disk.read(await this.#inodeAt(number), this.inodeBytes));
    if (this.hasChecksums && this.#isUsedInode(inode)) {
      const said = Buffer.from(inode);
      this.#sumInode(number, said);
      const places = this.#hasHighSum(inode) ? [124, 130] : [124];
      if (places.some((at) => said.readUInt16LE(at) !== inode.readUInt16LE(at)))
        throw damaged(`the checksum of inode ${number}`);
    }
    return inode;
  }

  /** Checks that an inode to be changed is in use. */
  async checkInode(number: number): Promise<void> {
    const group = await this.#group(Math.floor((number - 1) / this.#inodesPerGroup));
    if (!bitOf(group.inodes, (number - 1) % this.#inodesPerGroup))
      throw damaged(`inode ${number} is used and said to be free`);
  }

  /** Checks that blocks to be changed are in use, and are not metadata of the file system. */
  async checkBlocks(numbers: readonly number[]): Promise<void> {
    for (const number of numbers) {
      this.#checkBlock(number);
      if (await this.isFree(number)) throw damaged(`block ${number} is used and said to be free`);
      if (this.#isOwn(number)) throw damaged(`block ${number} is a file's and the file system's own`);
    }
  }

  #isOwn(number: number): boolean {
    let [low, high] = [0, this.#own.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const [start, count] = this.#own[middle] ?? [0, 0];
      if (start + count <= number) low = middle + 1;
      else high = middle;
    }
    return (this.#own[low]?.[0] ?? Number.POSITIVE_INFINITY) <= number;
  }

  #isUsedInode(inode: Buffer): boolean {
    return inode.readUInt16LE(0) !== 0;
  }
  #hasHighSum(inode: Buffer): boolean {
    return this.inodeBytes > 128 && inode.readUInt16LE(128) >= 4;
  }

  #sumInode(number: number, inode: Buffer): void {
    const hasHigh = this.#hasHighSum(inode);
    inode.writeUInt16LE(0, 124);
    if (hasHigh) inode.writeUInt16LE(0, 130);
    const sum = crc32c(this.seedOf(number, inode), inode);
    inode.writeUInt16LE(sum & 0xffff, 124);
    if (hasHigh) inode.writeUInt16LE(sum >>> 16, 130);
  }

  async putInode(number: number, inode: Buffer): Promise<void> {
    if (this.hasChecksums) this.#sumInode(number, inode);
    await this.#disk.write(await this.#inodeAt(number), inode);
  }

  /** Zeros a free inode, as one that was never used: everything else in it would stay readable. */
  async clearInode(number: number): Promise<void> {
    await this.#disk.write(await this.#inodeAt(number), Buffer.alloc(this.inodeBytes));
  }

  /** The seed of the checksums of an inode's blocks. */
  seedOf(number: number, inode: Buffer): number {
    return crc32c(crc32c(this.#seed, le32(number)), inode.subarray(100, 104));
  }

  /** The checksum of a block of extended attributes, which includes its location. */
  attributeSum(block: number, data: Buffer): number {
    const clean = Buffer.from(data);
    clean.writeUInt32LE(0, 16);
    return crc32c(crc32c(this.#seed, Buffer.concat([le32(block), le32(Math.floor(block / 2 ** 32))])), clean);
  }

  async freeBlock(number: number): Promise<void> {
    this.#checkBlock(number);
    const at = number - this.firstBlock;
    const group = await this.#group(Math.floor(at / this.#blocksPerGroup));
    const bit = at % this.#blocksPerGroup;
    if (!bitOf(group.blocks, bit)) throw damaged(`block ${number} is used and said to be free`);
    clearBit(group.blocks, bit);
    group.blocksFrom = Math.min(group.blocksFrom, bit);
    this.#count(group, "blocks", 1);
  }

  async isFree(number: number): Promise<boolean> {
    const at = number - this.firstBlock;
    const group = await this.#group(Math.floor(at / this.#blocksPerGroup));
    return !bitOf(group.blocks, at % this.#blocksPerGroup);
  }

  /** Finds free blocks, starting at the group of `inode`. */
  async takeBlocks(count: number, inode: number): Promise<number[]> {
    const found: number[] = [];
    for (const number of this.#groupsFrom(inode)) {
      const group = await this.#group(number);
      // The bitmap of such a group has not been written yet.
      if (found.length === count) break;
      if (group.flags & blocksUninit || group.free("blocks") === 0) continue;
      const start = this.firstBlock + number * this.#blocksPerGroup;
      const length = Math.min(this.#blocksPerGroup, this.blocks - start);
      for (let bit = group.blocksFrom; bit < length && found.length < count; bit++) {
        group.blocksFrom = bit + 1;
        if (bitOf(group.blocks, bit)) continue;
        setBit(group.blocks, bit);
        this.#count(group, "blocks", -1);
        found.push(start + bit);
      }
    }
    if (found.length < count) throw new TbuildError("guest", "the file system is full", { subject: "ext" });
    return found;
  }

  async takeInode(near: number, kind: "dir" | "other"): Promise<number> {
    for (const number of this.#groupsFrom(near)) {
      const group = await this.#group(number);
      if (group.flags & inodesUninit || group.free("inodes") === 0) continue;
      for (let bit = group.inodesFrom; bit < this.#inodesPerGroup; bit++) {
        group.inodesFrom = bit + 1;
        if (bitOf(group.inodes, bit)) continue;
        setBit(group.inodes, bit);
        this.#count(group, "inodes", -1);
        if (kind === "dir") this.#count(group, "dirs", 1);
        const used = bit + 1;
        if (this.#hasGroupSums && group.unused > this.#inodesPerGroup - used)
          group.unused = this.#inodesPerGroup - used;
        return number * this.#inodesPerGroup + used;
      }
    }
    throw new TbuildError("guest", "the file system has no free inode", { subject: "ext" });
  }

  async freeInode(number: number, kind: "dir" | "other"): Promise<void> {
    const group = await this.#group(Math.floor((number - 1) / this.#inodesPerGroup));
    const bit = (number - 1) % this.#inodesPerGroup;
    if (!bitOf(group.inodes, bit)) throw damaged(`inode ${number} is used and said to be free`);
    clearBit(group.inodes, bit);
    group.inodesFrom = Math.min(group.inodesFrom, bit);
    this.#count(group, "inodes", 1);
    if (kind === "dir") this.#count(group, "dirs", -1);
  }

  /** Writes changed bitmaps, descriptors and the superblock. */
  async flush(): Promise<void> {
    const changed = [...this.#groups].filter(([, group]) => group.isChanged);
    if (changed.length === 0) return;
    for (const [number, group] of changed) {
      await this.putBlock(group.blocksAt, group.blocks);
      await this.putBlock(group.inodesAt, group.inodes);
      this.#sumGroup(number, group);
      await this.#disk.write(this.#descriptorAt(number), group.data);
      group.isChanged = false;
    }
    this.#sb.writeUInt32LE(Math.floor(Date.now() / 1000), 48);
    if (this.hasChecksums) this.#sb.writeUInt32LE(crc32c(0xffffffff, this.#sb.subarray(0, 1020)), 1020);
    await this.#disk.write(1024, this.#sb);
  }

  /** The runs of free blocks in groups that have ever been used. */
  async *freeRuns(): AsyncGenerator<{ readonly block: number; readonly count: number }> {
    for (let number = 0; number < this.groups; number++) {
      const group = await this.#group(number);
      if (group.flags & blocksUninit) continue;
      const start = this.firstBlock + number * this.#blocksPerGroup;
      const length = Math.min(this.#blocksPerGroup, this.blocks - start);
      for (let bit = 0; bit < length; ) {
        if (bitOf(group.blocks, bit)) {
          bit++;
          continue;
        }
        const first = bit;
        while (bit < length && !bitOf(group.blocks, bit)) bit++;
        yield { block: start + first, count: bit - first };
      }
    }
  }

  get #hasGroupSums(): boolean {
    return (this.#sb.readUInt32LE(100) & 0x410) !== 0;
  }

  #checkBlock(number: number): void {
    if (number <= 0 || number >= this.blocks) throw damaged(`block ${number} is outside of it`);
  }

  #descriptorAt(group: number): number {
    return (this.firstBlock + 1) * this.blockBytes + group * this.#descriptorBytes;
  }

  async #group(number: number): Promise<Group> {
    const kept = this.#groups.get(number);
    if (kept) return kept;
    if (number < 0 || number >= this.groups) throw damaged(`group ${number} is outside of it`);
    const data = Buffer.from(await this.#disk.read(this.#descriptorAt(number), this.#descriptorBytes));
    const group = new Group(data, this.#hasGroupSums);
    group.blocks = await this.block(group.blocksAt);
    group.inodes = await this.block(group.inodesAt);
    this.#checkCounts(number, group);
    if (this.hasChecksums) this.#checkBitmapSums(number, group);
    this.#groups.set(number, group);
    return group;
  }

  // For all groups: if one descriptor is bad, e2fsck uses the backup descriptors with their old counts.
  async #checkDescriptors(): Promise<void> {
    const bytes = this.groups * this.#descriptorBytes;
    const table = Buffer.from(await this.#disk.read(this.#descriptorAt(0), bytes));
    const tableBlocks = Math.ceil((this.#inodesPerGroup * this.inodeBytes) / this.blockBytes);
    // The superblock and the descriptors after it.
    this.#own.push([this.firstBlock, 1 + Math.ceil(bytes / this.blockBytes)]);
    const isFlexible = (this.#sb.readUInt32LE(96) & 0x200) !== 0;
    for (let number = 0; number < this.groups; number++) {
      const at = number * this.#descriptorBytes;
      const group = new Group(table.subarray(at, at + this.#descriptorBytes), this.#hasGroupSums);
      const start = isFlexible ? this.firstBlock : this.firstBlock + number * this.#blocksPerGroup;
      const end = isFlexible ? this.blocks : Math.min(start + this.#blocksPerGroup, this.blocks);
      for (const place of [group.blocksAt, group.inodesAt, group.tableAt])
        if (place < start || place >= end) throw damaged(`the descriptor of group ${number}`);
      this.#checkGroupSum(number, group);
      this.#own.push([group.blocksAt, 1], [group.inodesAt, 1], [group.tableAt, tableBlocks]);
    }
    this.#own.sort(([one], [other]) => one - other);
  }

  #checkGroupSum(number: number, { data }: Group): void {
    const sum = this.#groupSum(number, data);
    if (sum !== undefined && sum !== data.readUInt16LE(30))
      throw damaged(`the checksum of the descriptor of group ${number}`);
  }

  #groupSum(number: number, data: Buffer): number | undefined {
    if (this.hasChecksums) {
      const clean = Buffer.from(data);
      clean.writeUInt16LE(0, 30);
      return crc32c(crc32c(this.#seed, le32(number)), clean) & 0xffff;
    }
    if (!this.#hasGroupSums) return undefined;
    const head = Buffer.concat([this.#sb.subarray(104, 120), le32(number), data.subarray(0, 30)]);
    return crc16(crc16(0xffff, head), data.subarray(32));
  }

  #bitmapSums({ blocks, inodes }: Group) {
    return [
      [24, 56, blocksUninit, crc32c(this.#seed, blocks.subarray(0, this.#blocksPerGroup / 8)), "blocks"],
      [26, 58, inodesUninit, crc32c(this.#seed, inodes.subarray(0, this.#inodesPerGroup / 8)), "inodes"],
    ] as const;
  }

  #checkBitmapSums(number: number, group: Group): void {
    for (const [low, high, uninit, sum, what] of this.#bitmapSums(group)) {
      if (group.flags & uninit) continue;
      const isWide = group.data.length >= 64;
      const said = group.data.readUInt16LE(low) + (isWide ? group.data.readUInt16LE(high) * 65536 : 0);
      if (said !== (isWide ? sum : sum & 0xffff))
        throw damaged(`the checksum of the bitmap of ${what} of group ${number}`);
    }
  }

  // A wrong descriptor or bitmap would make us overwrite data in use.
  #checkCounts(number: number, group: Group): void {
    const start = this.firstBlock + number * this.#blocksPerGroup;
    const length = Math.min(this.#blocksPerGroup, this.blocks - start);
    if (!(group.flags & blocksUninit) && zerosIn(group.blocks, length) !== group.free("blocks"))
      throw damaged(`group ${number} counts its blocks wrong`);
    if (!(group.flags & inodesUninit) && zerosIn(group.inodes, this.#inodesPerGroup) !== group.free("inodes"))
      throw damaged(`group ${number} counts its inodes wrong`);
  }

  async #inodeAt(number: number): Promise<number> {
    const index = Math.floor((number - 1) / this.#inodesPerGroup);
    const group = await this.#group(index);
    return group.tableAt * this.blockBytes + ((number - 1) % this.#inodesPerGroup) * this.inodeBytes;
  }

  // All groups, starting with that of `inode`.
  *#groupsFrom(inode: number): Generator<number> {
    const first = Math.floor((inode - 1) / this.#inodesPerGroup);
    for (let step = 0; step < this.groups; step++) yield (first + step) % this.groups;
  }

  #count(group: Group, what: Counted, by: number): void {
    group.add(what, by);
    group.isChanged = true;
    if (what === "inodes") {
      const free = this.#sb.readUInt32LE(16) + by;
      if (free < 0 || free >= 2 ** 32) throw damaged("the superblock's count of free inodes is wrong");
      this.#sb.writeUInt32LE(free, 16);
    }
    if (what !== "blocks") return;
    const free = this.#sb.readUInt32LE(12) + (this.#is64 ? this.#sb.readUInt32LE(344) * 2 ** 32 : 0) + by;
    if (free < 0 || free >= 2 ** 48) throw damaged("the superblock's count of free blocks is wrong");
    this.#sb.writeUInt32LE(free % 2 ** 32, 12);
    if (this.#is64) this.#sb.writeUInt32LE(Math.floor(free / 2 ** 32), 344);
  }

  #sumGroup(number: number, group: Group): void {
    const { data } = group;
    if (this.hasChecksums)
      for (const [low, high, , sum] of this.#bitmapSums(group)) {
        data.writeUInt16LE(sum & 0xffff, low);
        if (data.length >= 64) data.writeUInt16LE(sum >>> 16, high);
      }
    const sum = this.#groupSum(number, data);
    if (sum !== undefined) data.writeUInt16LE(sum, 30);
  }
}

type Counted = "blocks" | "inodes" | "dirs";

const places: Readonly<Record<Counted | "unused", readonly [low: number, high: number]>> = {
  blocks: [12, 44],
  inodes: [14, 46],
  dirs: [16, 48],
  unused: [28, 50],
};

const inodesUninit = 1;
const blocksUninit = 2;

/** A group descriptor and the two bitmaps of the group. */
class Group {
  readonly data: Buffer;
  readonly #hasFlags: boolean;
  blocks: Buffer = Buffer.alloc(0);
  inodes: Buffer = Buffer.alloc(0);
  isChanged = false;
  /** No block or inode before these is free, so searches need not start from the beginning. */
  blocksFrom = 0;
  inodesFrom = 0;

  constructor(data: Buffer, hasFlags: boolean) {
    this.data = data;
    this.#hasFlags = hasFlags;
  }

  get blocksAt(): number {
    return this.#place(0, 32);
  }
  get inodesAt(): number {
    return this.#place(4, 36);
  }
  get tableAt(): number {
    return this.#place(8, 40);
  }
  get flags(): number {
    return this.#hasFlags ? this.data.readUInt16LE(18) : 0;
  }
  get unused(): number {
    return this.#get("unused");
  }
  set unused(value: number) {
    this.#set("unused", value);
  }
  free(what: Counted): number {
    return this.#get(what);
  }
  add(what: Counted, by: number): void {
    this.#set(what, this.#get(what) + by);
  }

  #place(low: number, high: number): number {
    return (
      this.data.readUInt32LE(low) + (this.data.length >= 64 ? this.data.readUInt32LE(high) * 2 ** 32 : 0)
    );
  }
  #get(what: keyof typeof places): number {
    const [low, high] = places[what];
    return this.data.readUInt16LE(low) + (this.data.length >= 64 ? this.data.readUInt16LE(high) * 65536 : 0);
  }
  #set(what: keyof typeof places, value: number): void {
    const [low, high] = places[what];
    if (value < 0) throw damaged(`a group has fewer than no ${what}`);
    this.data.writeUInt16LE(value % 65536, low);
    if (this.data.length >= 64) this.data.writeUInt16LE(Math.floor(value / 65536), high);
  }
}

/** The error for a file system that contradicts itself. */
export function damaged(what: string): TbuildError {
  return new TbuildError("integrity", `ext file system: damaged, ${what}`, {
    hint: "Nothing was changed. Check a copy with e2fsck.",
  });
}

// What may be there beside the features that this writer keeps right.
const knownIncompatible = 0x2 | 0x40 | 0x80 | 0x200 | 0x2000 | 0x4000;
const knownReadOnly = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x400;

function strangeFeature(sb: Buffer): string | undefined {
  const incompatible = sb.readUInt32LE(96) & ~knownIncompatible;
  const readOnly = sb.readUInt32LE(100) & ~knownReadOnly;
  if (incompatible & 0x4) return "the journal waits to be replayed";
  if (incompatible !== 0) return notWritten(namedFeatures(incompatible, "incompatible"));
  if (readOnly !== 0) return notWritten(namedFeatures(readOnly, "readOnly"));
  if ((sb.readUInt16LE(58) & 0x3) !== 1) return "not cleanly unmounted";
  if (sb.readUInt32LE(232) !== 0) return "files wait to be removed";
  if (sb.readUInt32LE(24) > 6) return "a strange superblock";
  const blockBytes = 1024 << sb.readUInt32LE(24);
  const isSane =
    sb.readUInt32LE(20) === (blockBytes === 1024 ? 1 : 0) &&
    [32, 40].every((at) => sb.readUInt32LE(at) > 0 && sb.readUInt32LE(at) <= blockBytes * 8) &&
    (sb.readUInt32LE(32) >= 256 || sb.readUInt32LE(4) < 1 << 20);
  const inodeBytes = sb.readUInt32LE(76) === 0 ? 128 : sb.readUInt16LE(88);
  const isPower = inodeBytes >= 128 && inodeBytes <= blockBytes && (inodeBytes & (inodeBytes - 1)) === 0;
  if (!isSane || !isPower) return "a strange superblock";
  if (!(incompatible & 0x2) && !(sb.readUInt32LE(96) & 0x2)) return "folders without file types";
  return undefined;
}

function notWritten(features: string): string {
  return `has the ${features}, which is not changed directly`;
}

function le32(value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32LE(value % 2 ** 32);
  return data;
}
function bitOf(bitmap: Buffer, bit: number): boolean {
  return ((bitmap[bit >> 3] ?? 0xff) & (1 << (bit & 7))) !== 0;
}
function zerosIn(bitmap: Buffer, bits: number): number {
  let zeros = 0;
  for (let byte = 0; byte < bits >> 3; byte++) zeros += zeroBits[bitmap[byte] ?? 0] ?? 0;
  for (let bit = bits & ~7; bit < bits; bit++) if (!bitOf(bitmap, bit)) zeros++;
  return zeros;
}

const zeroBits = Uint8Array.from(
  { length: 256 },
  (_, byte) => 8 - byte.toString(2).replaceAll("0", "").length,
);

function setBit(bitmap: Buffer, bit: number): void {
  bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (1 << (bit & 7));
}
function clearBit(bitmap: Buffer, bit: number): void {
  bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) & ~(1 << (bit & 7));
}
