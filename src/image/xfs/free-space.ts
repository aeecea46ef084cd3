import type { Reader } from "../../io/reader.ts";
import type { FreeRun } from "../disk/free-run.ts";
import { damagedXfs } from "./faults.ts";
import type { XfsSuperblock } from "./superblock.ts";
import { openXfs } from "./xfs.ts";

/**
 * The free block runs of an XFS, from each allocation group's free-space tree by block number and from the list of blocks
 * reserved for its trees (the kernel's xfs_format.h: xfs_agf, xfs_alloc_rec, xfs_agfl; all numbers are big-endian).
 * They may be wrong while a log is pending.
 * `name` is the volume's name, for errors.
 */
export async function* freeRunsOfXfs(volume: Reader, name: string): AsyncGenerator<FreeRun> {
  const { superblock } = await openXfs(volume, name);
  const { blockBytes, groupBlocks, groups } = superblock;
  for (let number = 0; number < groups; number++) {
    const start = number * groupBlocks * blockBytes;
    const group = await openGroup(volume, `${name}, group ${number}`, superblock, start);
    let [free, last] = [0, 0];
    for await (const leaf of leavesOf(group))
      for (const [first, count] of recordsOf(group, leaf)) {
        // Block numbers must grow, so a cyclic list ends here.
        if (first < last) throw damagedXfs(group.name, "its list of free blocks is out of order");
        last = first + count;
        free += count;
        yield { offset: start + first * blockBytes, bytes: count * blockBytes, blockBytes };
      }
    for (const block of group.reserve)
      yield { offset: start + block * blockBytes, bytes: blockBytes, blockBytes };
    if (free !== group.free)
      throw damagedXfs(group.name, `counts ${group.free} free blocks, but lists ${free}`);
  }
}

interface Group {
  readonly name: string;
  /** In blocks, like all numbers here. */
  readonly length: number;
  readonly free: number;
  readonly reserve: readonly number[];
  readonly root: number;
  readonly levels: number;
  readonly headBytes: number;
  block(number: number, level: number): Promise<Buffer>;
}

/** Offsets in struct xfs_agf, which is the second sector of a group. */
const agf = {
  magic: 0,
  length: 12,
  root: 16,
  levels: 28,
  reserveFirst: 40,
  reserveLast: 44,
  reserveCount: 48,
  free: 52,
  end: 64,
} as const;
/** The fourth sector of a group is its xfs_agfl, which has a head in version 5 only. */
const reserveSector = 3;
const reserveHeadBytes = 36;
/** Offsets in struct xfs_btree_block; the records follow its head, which is longer in version 5. */
const node = { magic: 0, level: 4, records: 6, right: 12, headBytes: 16, fifthHeadBytes: 56 } as const;
const noNode = 0xffffffff;
/** A record is a block number and a count. An inner node has the numbers of its children after room for all keys. */
const recordBytes = 8;
const childBytes = 4;

async function openGroup(
  volume: Reader,
  name: string,
  { blockBytes, sectorBytes, isFifth }: XfsSuperblock,
  start: number,
): Promise<Group> {
  const head = Buffer.from(await volume.read(start + sectorBytes, agf.end));
  if (head.toString("latin1", agf.magic, agf.magic + 4) !== "XAGF")
    throw damagedXfs(name, "it has no list of free blocks");
  const length = head.readUInt32BE(agf.length);
  const ring = Buffer.from(await volume.read(start + reserveSector * sectorBytes, sectorBytes));
  return {
    name,
    length,
    root: head.readUInt32BE(agf.root),
    levels: head.readUInt32BE(agf.levels),
    free: head.readUInt32BE(agf.free),
    reserve: reserveOf(head, ring, isFifth),
    headBytes: isFifth ? node.fifthHeadBytes : node.headBytes,
    async block(number, level) {
      if (number >= length) throw damagedXfs(name, `block ${number} is outside of it`);
      const block = Buffer.from(await volume.read(start + number * blockBytes, blockBytes));
      const magic = block.toString("latin1", node.magic, node.magic + 4);
      if (magic !== (isFifth ? "AB3B" : "ABTB") || block.readUInt16BE(node.level) !== level)
        throw damagedXfs(name, `block ${number} does not belong to its list of free blocks`);
      return block;
    },
  };
}

// A ring of block numbers; `head` says where the first and the last are. Kernels before 4.5 make the ring one number shorter
// than later ones. If the length does not match, nothing is taken from it.
function reserveOf(head: Buffer, ring: Buffer, isFifth: boolean): number[] {
  const length = head.readUInt32BE(agf.length);
  const [first, last] = [head.readUInt32BE(agf.reserveFirst), head.readUInt32BE(agf.reserveLast)];
  const count = head.readUInt32BE(agf.reserveCount);
  const start = isFifth ? reserveHeadBytes : 0;
  const places = Math.floor((ring.length - start) / 4);
  if (isFifth && ring.toString("latin1", 0, 4) !== "XAFL") return [];
  if (first >= places || last >= places || count !== ((last - first + places) % places) + 1) return [];
  const found = Array.from({ length: count }, (_, index) =>
    ring.readUInt32BE(start + ((first + index) % places) * 4),
  );
  return found.filter((block) => block < length);
}

// Down the left edge, and then along the siblings.
async function* leavesOf({ name, root, levels, length, headBytes, block }: Group): AsyncGenerator<Buffer> {
  let current = await block(root, levels - 1);
  for (let level = levels - 2; level >= 0; level--) {
    const most = Math.floor((current.length - headBytes) / (recordBytes + childBytes));
    current = await block(current.readUInt32BE(headBytes + most * recordBytes), level);
  }
  for (let seen = 0; seen < length; seen++) {
    yield current;
    const next = current.readUInt32BE(node.right);
    if (next === noNode) return;
    if (current.readUInt16BE(node.records) === 0)
      throw damagedXfs(name, "an empty block in its list of free blocks");
    current = await block(next, 0);
  }
  throw damagedXfs(name, "its list of free blocks does not end");
}

function* recordsOf({ name, length, headBytes }: Group, leaf: Buffer): Generator<[number, number]> {
  const records = leaf.readUInt16BE(node.records);
  const end = headBytes + records * recordBytes;
  if (end > leaf.length) throw damagedXfs(name, `a block with ${records} records`);
  for (let at = headBytes; at < end; at += recordBytes) {
    const [first, count] = [leaf.readUInt32BE(at), leaf.readUInt32BE(at + 4)];
    if (first + count > length) throw damagedXfs(name, "it has free blocks beyond its end");
    yield [first, count];
  }
}
