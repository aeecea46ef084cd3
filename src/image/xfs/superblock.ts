/** Offsets in struct xfs_dsb (Linux, fs/xfs/libxfs/xfs_format.h). All numbers are big-endian. */
const at = {
  magic: 0,
  blockBytes: 4,
  blocks: 8,
  uuid: 32,
  logStart: 48,
  rootInode: 56,
  groupBlocks: 84,
  groups: 88,
  logBlocks: 96,
  version: 100,
  sectorBytes: 102,
  inodeBytes: 104,
  label: 108,
  inodeShift: 123,
  groupShift: 124,
  folderShift: 192,
  features2: 200,
  incompatible: 216,
  metaUuid: 248,
} as const;

/** Of the features: file types are in folders (version 5, and version 4), inodes name another UUID. */
const [fileTypes, fileTypes4, otherUuid] = [1, 0x200, 4];

/** The superblock of an XFS, unverified: the first sector of the volume, 512 bytes or more of it. */
export class XfsSuperblock {
  readonly #data: Buffer;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get isXfs(): boolean {
    return this.#data.toString("latin1", at.magic, at.magic + 4) === "XFSB";
  }
  get blockBytes(): number {
    return this.#data.readUInt32BE(at.blockBytes);
  }
  get bytes(): number {
    return Number(this.#data.readBigUInt64BE(at.blocks)) * this.blockBytes;
  }
  get uuid(): Buffer {
    return this.#data.subarray(at.uuid, at.uuid + 16);
  }
  get label(): Buffer {
    return this.#data.subarray(at.label, at.label + 12);
  }
  /** The blocks of an allocation group; the last group may have fewer. */
  get groupBlocks(): number {
    return this.#data.readUInt32BE(at.groupBlocks);
  }
  get groups(): number {
    return this.#data.readUInt32BE(at.groups);
  }
  get sectorBytes(): number {
    return this.#data.readUInt16BE(at.sectorBytes);
  }
  /** Version 5 has checksums, and longer heads of its blocks. */
  get isFifth(): boolean {
    return (this.#data.readUInt16BE(at.version) & 0xf) === 5;
  }
  /** The first block of the log and their number; `undefined` if the log is on another device. */
  get log(): { readonly block: number; readonly blocks: number } | undefined {
    const start = this.#data.readBigUInt64BE(at.logStart);
    if (start === 0n) return undefined;
    // The number of a block has the group in its upper bits, and the block in the group in the lower.
    const shift = BigInt(this.#data.readUInt8(at.groupShift));
    const group = Number(start >> shift);
    const inGroup = Number(start & ((1n << shift) - 1n));
    return { block: group * this.groupBlocks + inGroup, blocks: this.#data.readUInt32BE(at.logBlocks) };
  }
  get rootInode(): bigint {
    return this.#data.readBigUInt64BE(at.rootInode);
  }
  get inodeBytes(): number {
    return this.#data.readUInt16BE(at.inodeBytes);
  }
  /** An inode's number has the block in its upper bits, and its place in the block in so many lower ones. */
  get inodeShift(): number {
    return this.#data.readUInt8(at.inodeShift);
  }
  /** A block's number has the allocation group in its upper bits, and the block in the group in so many lower ones. */
  get groupShift(): number {
    return this.#data.readUInt8(at.groupShift);
  }
  /** Of a block of a folder, which is one or more blocks of the file system. */
  get folderBlockBytes(): number {
    return this.blockBytes << this.#data.readUInt8(at.folderShift);
  }
  /** Entries of folders have the type of their file. */
  get hasFileTypes(): boolean {
    return this.isFifth
      ? (this.incompatible & fileTypes) !== 0
      : (this.#data.readUInt32BE(at.features2) & fileTypes4) !== 0;
  }
  get incompatible(): number {
    return this.isFifth ? this.#data.readUInt32BE(at.incompatible) : 0;
  }
  /** The UUID in inodes and blocks. */
  get metaUuid(): Buffer {
    return this.incompatible & otherUuid ? this.#data.subarray(at.metaUuid, at.metaUuid + 16) : this.uuid;
  }
}
