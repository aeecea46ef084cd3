import { crc32c } from "../../io/crc.ts";
import { damagedXfs } from "./faults.ts";
import type { XfsSuperblock } from "./superblock.ts";
import type { Xfs } from "./xfs.ts";

/** Offsets in struct xfs_dinode (the kernel's xfs_format.h). */
const at = {
  mode: 2,
  version: 4,
  format: 5,
  manyRuns: 24,
  size: 56,
  runs: 76,
  forkOffset: 82,
  flags: 90,
  sum: 100,
  flags2: 120,
  number: 152,
  uuid: 160,
} as const;
/** Bits of flags, and of flags2. */
const realtime = 1;
const [shared, hasManyRuns] = [2n, 16n];
const headBytes = { second: 100, third: 176 } as const;

const formats = ["device", "local", "extents", "tree"] as const;

/** A file or folder of an XFS. */
export interface XfsInode {
  readonly kind: "file" | "folder" | "other";
  readonly size: number;
  readonly format: (typeof formats)[number];
  /** Its blocks are on another device. */
  readonly isRealtime: boolean;
  /** Other files may have its blocks, too. */
  readonly isShared: boolean;
  /** Their number, if the format is `extents`. */
  readonly runs: number;
  /** Its data, depending on the format: entries, runs, or the root of a tree. */
  readonly fork: Buffer;
}

export async function inodeOf({ volume, name, superblock }: Xfs, number: bigint): Promise<XfsInode> {
  const { inodeBytes, inodeShift, blockBytes } = superblock;
  const block = blockAt(superblock, number >> BigInt(inodeShift));
  const offset = block * blockBytes + Number(number & ((1n << BigInt(inodeShift)) - 1n)) * inodeBytes;
  const data = Buffer.from(await volume.read(offset, inodeBytes));
  const wrong = damagedXfs(name, `inode ${number}`);
  if (data.toString("latin1", 0, 2) !== "IN") throw wrong;
  const isThird = data.readUInt8(at.version) === 3;
  if (isThird !== superblock.isFifth || (isThird && !isOwn(data, superblock, number))) throw wrong;
  const start = isThird ? headBytes.third : headBytes.second;
  const ownBytes = data.readUInt8(at.forkOffset) * 8;
  const format = formats[data.readUInt8(at.format)];
  if (!format || start + ownBytes > data.length) throw wrong;
  const flags2 = isThird ? data.readBigUInt64BE(at.flags2) : 0n;
  const mode = data.readUInt16BE(at.mode) & 0o170000;
  return {
    kind: mode === 0o100000 ? "file" : mode === 0o040000 ? "folder" : "other",
    size: Number(data.readBigUInt64BE(at.size)),
    format,
    isRealtime: (data.readUInt16BE(at.flags) & realtime) !== 0,
    isShared: (flags2 & shared) !== 0n,
    runs: flags2 & hasManyRuns ? Number(data.readBigUInt64BE(at.manyRuns)) : data.readUInt32BE(at.runs),
    fork: data.subarray(start, ownBytes > 0 ? start + ownBytes : data.length),
  };
}

function isOwn(inode: Buffer, { metaUuid }: XfsSuperblock, number: bigint): boolean {
  const unsummed = Buffer.from(inode);
  unsummed.writeUInt32LE(0, at.sum);
  return (
    ~crc32c(0xffffffff, unsummed) >>> 0 === inode.readUInt32LE(at.sum) &&
    inode.readBigUInt64BE(at.number) === number &&
    inode.subarray(at.uuid, at.uuid + 16).equals(metaUuid)
  );
}

/** A run of blocks of a file; `logical` and `count` are in blocks, `block` counts from the start of the volume. */
export interface XfsRun {
  readonly logical: number;
  readonly block: number;
  readonly count: number;
}

/** The runs of blocks of a file or folder in order, written or only reserved. */
export async function* runsOfXfs(xfs: Xfs, inode: XfsInode): AsyncGenerator<XfsRun> {
  let next = 0;
  for await (const run of inode.format === "tree" ? treeRuns(xfs, inode.fork) : forkRuns(xfs, inode)) {
    // They must grow, so a cyclic tree ends here.
    if (run.logical < next || run.count === 0) throw damagedXfs(xfs.name, "the runs of a file overlap");
    next = run.logical + run.count;
    yield run;
  }
}

const recordBytes = 16;

function* forkRuns(xfs: Xfs, { fork, runs, format }: XfsInode): Generator<XfsRun> {
  if (format !== "extents") return;
  if (runs * recordBytes > fork.length) throw damagedXfs(xfs.name, `a file of ${runs} runs`);
  for (let index = 0; index < runs; index++) yield runAt(xfs, fork, index * recordBytes);
}

/** struct xfs_bmbt_block; its head is longer in version 5. The root in an inode has only a level and a number. */
const node = { level: 4, records: 6, head: 24, fifthHead: 72 } as const;
const rootHead = 4;
const keyBytes = 8;
const mostLevels = 9;

async function* treeRuns(xfs: Xfs, fork: Buffer): AsyncGenerator<XfsRun> {
  const most = Math.floor((fork.length - rootHead) / recordBytes);
  const [level, records] = [fork.readUInt16BE(0), fork.readUInt16BE(2)];
  if (level === 0 || level > mostLevels || records > most)
    throw damagedXfs(xfs.name, "the tree of a file's blocks");
  for (const child of childrenIn(fork, rootHead, most, records)) yield* nodeRuns(xfs, child, level - 1);
}

async function* nodeRuns(xfs: Xfs, number: bigint, level: number): AsyncGenerator<XfsRun> {
  const { volume, name, superblock } = xfs;
  const { blockBytes, isFifth } = superblock;
  const block = Buffer.from(await volume.read(blockAt(superblock, number) * blockBytes, blockBytes));
  const head = isFifth ? node.fifthHead : node.head;
  const most = Math.floor((blockBytes - head) / recordBytes);
  const records = block.readUInt16BE(node.records);
  const isRight = block.toString("latin1", 0, 4) === (isFifth ? "BMA3" : "BMAP");
  if (!isRight || block.readUInt16BE(node.level) !== level || records > most || records === 0)
    throw damagedXfs(name, "the tree of a file's blocks");
  if (level > 0) {
    for (const child of childrenIn(block, head, most, records)) yield* nodeRuns(xfs, child, level - 1);
    return;
  }
  for (let index = 0; index < records; index++) yield runAt(xfs, block, head + index * recordBytes);
}

// Behind room for all keys.
function childrenIn(data: Buffer, head: number, most: number, records: number): bigint[] {
  return Array.from({ length: records }, (_, index) =>
    data.readBigUInt64BE(head + (most + index) * keyBytes),
  );
}

// struct xfs_bmbt_rec: a flag, 54 bits for the place in the file, 52 for the block and 21 for the count.
function runAt({ superblock }: Xfs, data: Buffer, offset: number): XfsRun {
  const [high, low] = [data.readBigUInt64BE(offset), data.readBigUInt64BE(offset + 8)];
  const count = Number(low & 0x1fffffn);
  const number = ((high & 0x1ffn) << 43n) | (low >> 21n);
  return {
    logical: Number((high >> 9n) & ((1n << 54n) - 1n)),
    block: count === 0 ? 0 : blockAt(superblock, number),
    count,
  };
}

function blockAt({ groupShift, groupBlocks }: XfsSuperblock, number: bigint): number {
  const shift = BigInt(groupShift);
  return Number(number >> shift) * groupBlocks + Number(number & ((1n << shift) - 1n));
}
