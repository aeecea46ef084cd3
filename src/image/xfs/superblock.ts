/** Offsets in struct xfs_dsb (Linux, fs/xfs/libxfs/xfs_format.h). All numbers are big-endian. */
const at = {
  magic: 0,
  blockBytes: 4,
  blocks: 8,
  uuid: 32,
  logStart: 48,
  groupBlocks: 84,
  groups: 88,
  logBlocks: 96,
  version: 100,
  sectorBytes: 102,
  label: 108,
  groupShift: 124,
} as const;

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
}
