/** Offsets in struct btrfs_super_block (Linux, include/uapi/linux/btrfs_tree.h). All numbers are little-endian. */
const at = {
  fsid: 0x20,
  magic: 0x40,
  root: 0x50,
  chunkRoot: 0x58,
  logRoot: 0x60,
  devices: 0x88,
  sectorBytes: 0x90,
  nodeBytes: 0x94,
  systemChunkBytes: 0xa0,
  incompatible: 0xbc,
  rootLevel: 0xc6,
  chunkRootLevel: 0xc7,
  // `total_bytes` of dev_item, which starts at 0xc9.
  deviceBytes: 0xd1,
  label: 0x12b,
  metadataUuid: 0x23b,
  systemChunks: 0x32b,
} as const;

const labelBytes = 256;
const mostSystemChunkBytes = 2048;

/** Where a tree starts: a logical address, and the level of its topmost node. */
export interface TreeRoot {
  readonly at: bigint;
  readonly level: number;
  /** For a subvolume: its generation when a snapshot of it was last taken. */
  readonly lastSnapshot?: bigint;
}

/** The superblock of a btrfs, unverified. */
export class BtrfsSuperblock {
  /** The first copy's place on the device. */
  static readonly offset = 65536;
  static readonly bytes = 4096;
  readonly #data: Buffer;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get isBtrfs(): boolean {
    return this.#data.toString("latin1", at.magic, at.magic + 8) === "_BHRfS_M";
  }
  get uuid(): Buffer {
    return this.#data.subarray(at.fsid, at.fsid + 16);
  }
  /** The id in the headers of its nodes. It differs from the file system's id if the feature metadata_uuid changed that. */
  get metadataUuid(): Buffer {
    return this.#data.subarray(at.metadataUuid, at.metadataUuid + 16);
  }
  get label(): Buffer {
    return this.#data.subarray(at.label, at.label + labelBytes);
  }
  get devices(): bigint {
    return this.#data.readBigUInt64LE(at.devices);
  }
  /** A log of synced data must be replayed. */
  get hasLog(): boolean {
    return this.#data.readBigUInt64LE(at.logRoot) !== 0n;
  }
  get sectorBytes(): number {
    return this.#data.readUInt32LE(at.sectorBytes);
  }
  get nodeBytes(): number {
    return this.#data.readUInt32LE(at.nodeBytes);
  }
  /** Of this device. */
  get bytes(): number {
    return Number(this.#data.readBigUInt64LE(at.deviceBytes));
  }
  get incompatible(): bigint {
    return this.#data.readBigUInt64LE(at.incompatible);
  }
  /** The tree of roots. */
  get roots(): TreeRoot {
    return { at: this.#data.readBigUInt64LE(at.root), level: this.#data.readUInt8(at.rootLevel) };
  }
  get chunkRoot(): TreeRoot {
    return { at: this.#data.readBigUInt64LE(at.chunkRoot), level: this.#data.readUInt8(at.chunkRootLevel) };
  }
  /** Keys and chunks, one after the other: enough to find the tree of chunks. */
  get systemChunks(): Buffer {
    const bytes = Math.min(mostSystemChunkBytes, this.#data.readUInt32LE(at.systemChunkBytes));
    return this.#data.subarray(at.systemChunks, at.systemChunks + bytes);
  }
}
