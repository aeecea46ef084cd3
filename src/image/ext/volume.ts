import { TbuildError } from "../../errors.ts";
import { crc16, crc32c } from "../../io/crc.ts";
import type { Writable } from "../change/draft.ts";
import { damaged, Unfit } from "./faults.ts";
import { bitsOf, namedFeatures } from "./features.ts";
import { blocksUninit, type Counted, descriptor, Group, inodesUninit } from "./group.ts";
import { at } from "./inode-fields.ts";
import { Superblock } from "./superblock.ts";

/** Changes the superblock, groups, bitmaps and inodes of an ext file system, with all counts and checksums. */
export class ExtVolume {
  readonly blockBytes: number;
  readonly inodeBytes: number;
  readonly hasExtents: boolean;
  readonly hasChecksums: boolean;
  /** The used size of a new inode beyond its first 128 bytes. */
  readonly extraBytes: number;
  readonly #disk: Writable;
  readonly #sb: Superblock;
  readonly #groups = new Map<number, Group>();
  readonly #seed: number;
  readonly #descriptorBytes: number;
  /** The sorted block runs of bitmaps and inode tables. */
  #own: (readonly [start: number, count: number])[] = [];

  private constructor(disk: Writable, sb: Superblock) {
    this.#disk = disk;
    this.#sb = sb;
    this.blockBytes = sb.blockBytes;
    this.inodeBytes = sb.inodeBytes;
    this.extraBytes =
      this.inodeBytes > 128 ? Math.min(Math.max(sb.wantedExtraBytes, 28), this.inodeBytes - 128) : 0;
    this.hasExtents = sb.has("incompatible", "extent");
    this.hasChecksums = sb.has("readOnly", "metadata_csum");
    this.#descriptorBytes = sb.descriptorBytes;
    this.#seed = sb.checksumSeed;
  }

  /** Throws `Unfit` if the file system has unsupported features or is not clean. */
  static async open(disk: Writable): Promise<ExtVolume> {
    const sb = new Superblock(Buffer.from(await disk.read(Superblock.offset, Superblock.bytes)));
    if (!sb.isExt) throw new TbuildError("integrity", "no ext file system in it", { subject: "volume" });
    const strange = strangeFeature(sb);
    if (strange !== undefined) throw new Unfit(strange);
    const volume = new ExtVolume(disk, sb);
    if (volume.hasChecksums && !sb.hasRightChecksum) throw damaged("the checksum of its superblock");
    if (volume.blocks * volume.blockBytes > disk.bytes) throw damaged("it is larger than its volume");
    await volume.#checkDescriptors();
    return volume;
  }

  get firstBlock(): number {
    return this.#sb.firstBlock;
  }
  get blocks(): number {
    return this.#sb.blocks;
  }
  get inodes(): number {
    return this.groups * this.#inodesPerGroup;
  }
  get groups(): number {
    return Math.ceil((this.blocks - this.firstBlock) / this.#blocksPerGroup);
  }
  get #blocksPerGroup(): number {
    return this.#sb.blocksPerGroup;
  }
  get #inodesPerGroup(): number {
    return this.#sb.inodesPerGroup;
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
      const places = this.#hasHighSum(inode) ? [at.sum, at.sumHigh] : [at.sum];
      if (places.some((place) => said.readUInt16LE(place) !== inode.readUInt16LE(place)))
        throw damaged(`the checksum of inode ${number}`);
    }
    return inode;
  }

  /** Checks that an inode to be changed is in use. */
  async checkInode(number: number): Promise<void> {
    const group = await this.#group(Math.floor((number - 1) / this.#inodesPerGroup));
    if (!bitOf(group.inodes, (number - 1) % this.#inodesPerGroup))
      throw damaged(`inode ${number} is in use, but marked as free`);
  }

  /** Checks that blocks to be changed are in use, and are not metadata of the file system. */
  async checkBlocks(numbers: readonly number[]): Promise<void> {
    for (const number of numbers) {
      this.#checkBlock(number);
      if (await this.isFree(number)) throw damaged(`block ${number} is in use, but marked as free`);
      if (this.#isOwn(number)) throw damaged(`block ${number} belongs to a file and to the file system`);
    }
  }

  #isOwn(number: number): boolean {
    return (this.#own[this.#ownFrom(number)]?.[0] ?? Number.POSITIVE_INFINITY) <= number;
  }

  /** The index of the first of the file system's own ranges that ends after a block. */
  #ownFrom(number: number): number {
    let [low, high] = [0, this.#own.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const [start, count] = this.#own[middle] ?? [0, 0];
      if (start + count <= number) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #isUsedInode(inode: Buffer): boolean {
    return inode.readUInt16LE(at.mode) !== 0;
  }
  #hasHighSum(inode: Buffer): boolean {
    return this.inodeBytes > 128 && inode.readUInt16LE(at.extra) >= at.sumHigh + 2 - at.extra;
  }

  #sumInode(number: number, inode: Buffer): void {
    const hasHigh = this.#hasHighSum(inode);
    inode.writeUInt16LE(0, at.sum);
    if (hasHigh) inode.writeUInt16LE(0, at.sumHigh);
    const sum = crc32c(this.seedOf(number, inode), inode);
    inode.writeUInt16LE(sum & 0xffff, at.sum);
    if (hasHigh) inode.writeUInt16LE(sum >>> 16, at.sumHigh);
  }

  async putInode(number: number, inode: Buffer): Promise<void> {
    if (this.hasChecksums) this.#sumInode(number, inode);
    await this.#disk.write(await this.#inodeAt(number), inode);
  }

  /** Zeros a free inode, like one that was never used. Otherwise, its old contents would stay readable. */
  async clearInode(number: number): Promise<void> {
    await this.#disk.write(await this.#inodeAt(number), Buffer.alloc(this.inodeBytes));
  }

  /** The seed of the checksums of an inode's blocks. */
  seedOf(number: number, inode: Buffer): number {
    return crc32c(crc32c(this.#seed, le32(number)), inode.subarray(at.generation, at.generation + 4));
  }

  /** The checksum of a block of extended attributes, which includes its location. */
  attributeSum(block: number, data: Buffer): number {
    const clean = Buffer.from(data);
    clean.writeUInt32LE(0, 16);
    return crc32c(crc32c(this.#seed, Buffer.concat([le32(block), le32(Math.floor(block / 2 ** 32))])), clean);
  }

  async freeBlock(number: number): Promise<void> {
    this.#checkBlock(number);
    const index = number - this.firstBlock;
    const group = await this.#group(Math.floor(index / this.#blocksPerGroup));
    const bit = index % this.#blocksPerGroup;
    if (!bitOf(group.blocks, bit)) throw damaged(`block ${number} is in use, but marked as free`);
    clearBit(group.blocks, bit);
    group.blocksFrom = Math.min(group.blocksFrom, bit);
    this.#count(group, "blocks", 1);
  }

  async isFree(number: number): Promise<boolean> {
    const index = number - this.firstBlock;
    const group = await this.#group(Math.floor(index / this.#blocksPerGroup));
    return !bitOf(group.blocks, index % this.#blocksPerGroup);
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
    if (!bitOf(group.inodes, bit)) throw damaged(`inode ${number} is in use, but marked as free`);
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
    this.#sb.stamp(Math.floor(Date.now() / 1000));
    await this.#disk.write(Superblock.offset, this.#sb.data);
  }

  /** The runs of free blocks in groups that have ever been used. */
  async *freeRuns(): AsyncGenerator<{ readonly block: number; readonly count: number }> {
    for (let number = 0; number < this.groups; number++) {
      const group = await this.#group(number);
      const start = this.firstBlock + number * this.#blocksPerGroup;
      const length = Math.min(this.#blocksPerGroup, this.blocks - start);
      if (group.flags & blocksUninit) {
        yield* this.#unusedGroup(group, start, start + length);
        continue;
      }
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

  /**
   * The free blocks of a group with an unused bitmap. e2fsck marks it as unused when the group has no files
   * any more, but data of removed files is still there. The count of free blocks shows whether the group has
   * copies of the superblock and the descriptors. If the count matches no layout, nothing counts as free.
   */
  #unusedGroup(group: Group, start: number, end: number): readonly { block: number; count: number }[] {
    const table = Math.ceil((this.groups * this.#descriptorBytes) / this.blockBytes);
    for (const copies of [0, 1 + table + this.#sb.reservedDescriptorBlocks]) {
      const runs: { block: number; count: number }[] = [];
      let block = start + copies;
      for (let index = this.#ownFrom(start); block < end; index++) {
        const [own, count] = this.#own[index] ?? [end, 0];
        const before = Math.min(own, end);
        if (block < before) runs.push({ block, count: before - block });
        block = Math.max(block, own + count);
        if (own >= end) break;
      }
      if (runs.reduce((sum, { count }) => sum + count, 0) === group.free("blocks")) return runs;
    }
    return [];
  }

  get #hasGroupSums(): boolean {
    return this.hasChecksums || this.#sb.has("readOnly", "uninit_bg");
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
    const isFlexible = this.#sb.has("incompatible", "flex_bg");
    for (let number = 0; number < this.groups; number++) {
      const from = number * this.#descriptorBytes;
      const group = new Group(table.subarray(from, from + this.#descriptorBytes), this.#hasGroupSums);
      const start = isFlexible ? this.firstBlock : this.firstBlock + number * this.#blocksPerGroup;
      const end = isFlexible ? this.blocks : Math.min(start + this.#blocksPerGroup, this.blocks);
      for (const place of [group.blocksAt, group.inodesAt, group.tableAt])
        if (place < start || place >= end) throw damaged(`the descriptor of group ${number}`);
      this.#checkGroupSum(number, group);
      this.#own.push([group.blocksAt, 1], [group.inodesAt, 1], [group.tableAt, tableBlocks]);
    }
    this.#own.sort(([one], [other]) => one - other);
  }

  #checkGroupSum(number: number, group: Group): void {
    const sum = this.#groupSum(number, group.data);
    if (sum !== undefined && sum !== group.sum)
      throw damaged(`the checksum of the descriptor of group ${number}`);
  }

  #groupSum(number: number, data: Buffer): number | undefined {
    if (this.hasChecksums) {
      const clean = Buffer.from(data);
      clean.writeUInt16LE(0, descriptor.sumAt);
      return crc32c(crc32c(this.#seed, le32(number)), clean) & 0xffff;
    }
    if (!this.#hasGroupSums) return undefined;
    const head = Buffer.concat([this.#sb.uuid, le32(number), data.subarray(0, descriptor.sumAt)]);
    return crc16(crc16(0xffff, head), data.subarray(descriptor.highAt));
  }

  #bitmapSums({ blocks, inodes }: Group) {
    return [
      ["blocks", blocksUninit, crc32c(this.#seed, blocks.subarray(0, this.#blocksPerGroup / 8))],
      ["inodes", inodesUninit, crc32c(this.#seed, inodes.subarray(0, this.#inodesPerGroup / 8))],
    ] as const;
  }

  #checkBitmapSums(number: number, group: Group): void {
    for (const [what, uninit, sum] of this.#bitmapSums(group)) {
      if (group.flags & uninit) continue;
      if (group.bitmapSum(what) !== (group.isWide ? sum : sum & 0xffff))
        throw damaged(`the checksum of the bitmap of ${what} of group ${number}`);
    }
  }

  // A wrong descriptor or bitmap would make us overwrite data in use.
  #checkCounts(number: number, group: Group): void {
    const start = this.firstBlock + number * this.#blocksPerGroup;
    const length = Math.min(this.#blocksPerGroup, this.blocks - start);
    if (!(group.flags & blocksUninit) && zerosIn(group.blocks, length) !== group.free("blocks"))
      throw damaged(`group ${number} has a wrong count of free blocks`);
    if (!(group.flags & inodesUninit) && zerosIn(group.inodes, this.#inodesPerGroup) !== group.free("inodes"))
      throw damaged(`group ${number} has a wrong count of free inodes`);
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
      const free = this.#sb.freeInodes + by;
      if (free < 0 || free >= 2 ** 32) throw damaged("the superblock's count of free inodes is wrong");
      this.#sb.freeInodes = free;
    }
    if (what !== "blocks") return;
    const free = this.#sb.freeBlocks + by;
    if (free < 0 || free >= 2 ** 48) throw damaged("the superblock's count of free blocks is wrong");
    this.#sb.freeBlocks = free;
  }

  #sumGroup(number: number, group: Group): void {
    if (this.hasChecksums) for (const [what, , sum] of this.#bitmapSums(group)) group.setBitmapSum(what, sum);
    const sum = this.#groupSum(number, group.data);
    if (sum !== undefined) group.sum = sum;
  }
}

// The features that this writer maintains.
const knownIncompatible = bitsOf(
  "incompatible",
  ...(["filetype", "extent", "64bit", "flex_bg", "metadata_csum_seed", "large_dir"] as const),
);
const knownReadOnly = bitsOf(
  "readOnly",
  ...(["sparse_super", "large_file", "btree_dir", "huge_file", "uninit_bg", "dir_nlink"] as const),
  ...(["extra_isize", "metadata_csum"] as const),
);

function strangeFeature(sb: Superblock): string | undefined {
  const incompatible = sb.incompatible & ~knownIncompatible;
  const readOnly = sb.readOnly & ~knownReadOnly;
  if (sb.has("incompatible", "needs_recovery")) return "the journal must be replayed";
  if (incompatible !== 0) return notWritten(namedFeatures(incompatible, "incompatible"));
  if (readOnly !== 0) return notWritten(namedFeatures(readOnly, "readOnly"));
  if (!sb.isClean) return "not cleanly unmounted";
  if (sb.lastOrphan !== 0) return "removed files are not yet deleted";
  if (sb.blockLog > Superblock.mostBlockLog) return "a strange superblock";
  const { blockBytes, inodeBytes } = sb;
  const isSane =
    sb.firstBlock === (blockBytes === 1024 ? 1 : 0) &&
    [sb.blocksPerGroup, sb.inodesPerGroup].every((count) => count > 0 && count <= blockBytes * 8) &&
    (sb.blocksPerGroup >= 256 || sb.blocks < 1 << 20);
  const isPower = inodeBytes >= 128 && inodeBytes <= blockBytes && (inodeBytes & (inodeBytes - 1)) === 0;
  if (!isSane || !isPower) return "a strange superblock";
  if (!sb.has("incompatible", "filetype")) return "folders without file types";
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
