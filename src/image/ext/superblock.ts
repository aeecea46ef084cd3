import { crc32c } from "../../io/crc.ts";
import type { Reader } from "../../io/reader.ts";
import { bitsOf, type Feature, type features } from "./features.ts";

/** Offsets in struct ext4_super_block, as in Linux (Documentation/filesystems/ext4/super.rst); ext2 and ext3 have the same. */
const at = {
  inodes: 0x00,
  blocks: 0x04,
  freeBlocks: 0x0c,
  freeInodes: 0x10,
  firstBlock: 0x14,
  logBlockSize: 0x18,
  blocksPerGroup: 0x20,
  inodesPerGroup: 0x28,
  writtenAt: 0x30,
  magic: 0x38,
  state: 0x3a,
  revision: 0x4c,
  inodeSize: 0x58,
  compatible: 0x5c,
  incompatible: 0x60,
  readOnly: 0x64,
  uuid: 0x68,
  label: 0x78,
  reservedDescriptorBlocks: 0xce,
  journalInode: 0xe0,
  lastOrphan: 0xe8,
  descriptorSize: 0xfe,
  blocksHigh: 0x150,
  freeBlocksHigh: 0x158,
  wantedExtraSize: 0x15e,
  checksumSeed: 0x270,
  checksum: 0x3fc,
} as const;

const magic = 0xef53;
const state = { clean: 0x1, errors: 0x2 } as const;

/** The superblock of ext2, ext3 or ext4, unverified: 1024 bytes, 1024 bytes into the volume. */
export class Superblock {
  static readonly offset = 1024;
  static readonly bytes = 1024;
  /** The largest block that ext4 knows: 64 KiB. */
  static readonly mostBlockLog = 6;
  readonly data: Buffer;

  /** Works on `data` itself. */
  constructor(data: Uint8Array) {
    this.data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }

  static async of(volume: Reader): Promise<Superblock> {
    return new Superblock(await volume.read(Superblock.offset, Superblock.bytes));
  }

  get isExt(): boolean {
    return this.data.readUInt16LE(at.magic) === magic;
  }
  get inodes(): number {
    return this.#word(at.inodes);
  }
  get blocks(): number {
    return this.#word(at.blocks) + (this.#is64 ? this.#word(at.blocksHigh) * 2 ** 32 : 0);
  }
  get freeBlocks(): number {
    return this.#word(at.freeBlocks) + (this.#is64 ? this.#word(at.freeBlocksHigh) * 2 ** 32 : 0);
  }
  set freeBlocks(count: number) {
    this.data.writeUInt32LE(count % 2 ** 32, at.freeBlocks);
    if (this.#is64) this.data.writeUInt32LE(Math.floor(count / 2 ** 32), at.freeBlocksHigh);
  }
  get freeInodes(): number {
    return this.#word(at.freeInodes);
  }
  set freeInodes(count: number) {
    this.data.writeUInt32LE(count, at.freeInodes);
  }
  get firstBlock(): number {
    return this.#word(at.firstBlock);
  }
  /** Blocks after the descriptors that are kept for more of them. */
  get reservedDescriptorBlocks(): number {
    return this.data.readUInt16LE(at.reservedDescriptorBlocks);
  }
  /** A block has 1024 × 2^this bytes. */
  get blockLog(): number {
    return this.#word(at.logBlockSize);
  }
  get blockBytes(): number {
    return 1024 * 2 ** this.blockLog;
  }
  get blocksPerGroup(): number {
    return this.#word(at.blocksPerGroup);
  }
  get inodesPerGroup(): number {
    return this.#word(at.inodesPerGroup);
  }
  get inodeBytes(): number {
    return this.#word(at.revision) === 0 ? 128 : this.data.readUInt16LE(at.inodeSize);
  }
  /** The size of an inode's fields beyond its first 128 bytes, as new inodes have it. */
  get wantedExtraBytes(): number {
    return this.data.readUInt16LE(at.wantedExtraSize);
  }
  get descriptorBytes(): number {
    return this.#is64 ? Math.max(32, this.data.readUInt16LE(at.descriptorSize)) : 32;
  }
  get incompatible(): number {
    return this.#word(at.incompatible);
  }
  get readOnly(): number {
    return this.#word(at.readOnly);
  }
  has<K extends keyof typeof features>(kind: K, feature: Feature<K>): boolean {
    return (this.#word(at[kind]) & bitsOf(kind, feature)) !== 0;
  }
  get uuid(): Buffer {
    return this.data.subarray(at.uuid, at.uuid + 16);
  }
  get label(): Buffer {
    return this.data.subarray(at.label, at.label + 16);
  }
  /** 0 if the journal is on another device. */
  get journalInode(): number {
    return this.#word(at.journalInode);
  }
  /** The inode that heads the list of files that were deleted while open, or 0 (`s_last_orphan`). */
  get lastOrphan(): number {
    return this.#word(at.lastOrphan);
  }
  get hasErrors(): boolean {
    return (this.data.readUInt16LE(at.state) & state.errors) !== 0;
  }
  /** It was unmounted, or has a journal instead, and recorded no errors. */
  get isClean(): boolean {
    return (this.data.readUInt16LE(at.state) & (state.clean | state.errors)) === state.clean;
  }
  /** The start of all checksums in the file system. */
  get checksumSeed(): number {
    return this.has("incompatible", "metadata_csum_seed")
      ? this.#word(at.checksumSeed)
      : crc32c(0xffffffff, this.uuid);
  }
  get hasRightChecksum(): boolean {
    return this.#word(at.checksum) === this.#sum();
  }

  /** Stamps the time of the write, and the checksum if there is one. */
  stamp(seconds: number): void {
    this.data.writeUInt32LE(seconds, at.writtenAt);
    if (this.has("readOnly", "metadata_csum")) this.data.writeUInt32LE(this.#sum(), at.checksum);
  }

  get #is64(): boolean {
    return this.has("incompatible", "64bit");
  }
  #word(offset: number): number {
    return this.data.readUInt32LE(offset);
  }
  #sum(): number {
    return crc32c(0xffffffff, this.data.subarray(0, at.checksum));
  }
}
