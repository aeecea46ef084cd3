import { TbuildError } from "../../errors.ts";
import type { Reader } from "../../io/reader.ts";
import type { FreeRun } from "../disk/free-run.ts";

/**
 * The free block runs of an XFS, from each allocation group's free-space tree by block number and from the list of blocks
 * reserved for its trees (the kernel's xfs_format.h: xfs_agf, xfs_alloc_rec, xfs_agfl; all numbers are big-endian).
 * They may be wrong while a log is pending.
 * `name` is the volume's name, for errors.
 */
export async function* freeRunsOfXfs(volume: Reader, name: string): AsyncGenerator<FreeRun> {
  const superblock = Buffer.from(await volume.read(0, 512));
  const blockBytes = superblock.readUInt32BE(4);
  const [groupBlocks, groups] = [superblock.readUInt32BE(84), superblock.readUInt32BE(88)];
  if (blockBytes < 512 || blockBytes > 65536) throw damaged(name, `blocks of ${blockBytes} bytes`);
  const sectorBytes = superblock.readUInt16BE(102);
  const isSane =
    sectorBytes >= 512 && sectorBytes <= 32768 && groups > 0 && groupBlocks * blockBytes >= 1 << 16;
  if (!isSane || (groups - 1) * groupBlocks * blockBytes >= volume.bytes)
    throw damaged(name, "its superblock");
  for (let number = 0; number < groups; number++) {
    const start = number * groupBlocks * blockBytes;
    const group = await openGroup(volume, `${name}, group ${number}`, superblock, start);
    let [free, last] = [0, 0];
    for await (const leaf of leavesOf(group))
      for (const [first, count] of recordsOf(group, leaf)) {
        // Block numbers must grow, so a cyclic list ends here.
        if (first < last) throw damaged(group.name, "its list of free blocks is out of order");
        last = first + count;
        free += count;
        yield { offset: start + first * blockBytes, bytes: count * blockBytes, blockBytes };
      }
    for (const block of group.reserve)
      yield { offset: start + block * blockBytes, bytes: blockBytes, blockBytes };
    if (free !== group.free) throw damaged(group.name, `counts ${group.free} free blocks, and lists ${free}`);
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

async function openGroup(volume: Reader, name: string, superblock: Buffer, start: number): Promise<Group> {
  const [blockBytes, sectorBytes] = [superblock.readUInt32BE(4), superblock.readUInt16BE(102)];
  const isFifth = (superblock.readUInt16BE(100) & 15) === 5;
  const head = Buffer.from(await volume.read(start + sectorBytes, 64));
  if (head.toString("latin1", 0, 4) !== "XAGF") throw damaged(name, "it does not say what is free");
  const length = head.readUInt32BE(12);
  return {
    ...{
      name,
      length,
      root: head.readUInt32BE(16),
      levels: head.readUInt32BE(28),
      free: head.readUInt32BE(52),
    },
    reserve: reserveOf(head, Buffer.from(await volume.read(start + 3 * sectorBytes, sectorBytes)), isFifth),
    headBytes: isFifth ? 56 : 16,
    async block(number, level) {
      if (number >= length) throw damaged(name, `block ${number} is outside of it`);
      const block = Buffer.from(await volume.read(start + number * blockBytes, blockBytes));
      const magic = block.toString("latin1", 0, 4);
      if (magic !== (isFifth ? "AB3B" : "ABTB") || block.readUInt16BE(4) !== level)
        throw damaged(name, `block ${number} is none of its list of free blocks`);
      return block;
    },
  };
}

// A ring of numbers, in which `head` says where the first and the last are. Kernels before 4.5 made it a number shorter than
// later ones do: where its length does not fit what is said of it, nothing is taken from it.
function reserveOf(head: Buffer, ring: Buffer, isFifth: boolean): number[] {
  const [length, first, last, count] = [12, 40, 44, 48].map((at) => head.readUInt32BE(at)) as [
    number,
    number,
    number,
    number,
  ];
  const start = isFifth ? 36 : 0;
  const places = Math.floor((ring.length - start) / 4);
  if (isFifth && ring.toString("latin1", 0, 4) !== "XAFL") return [];
  if (first >= places || last >= places || count !== ((last - first + places) % places) + 1) return [];
  const found = Array.from({ length: count }, (_, index) =>
    ring.readUInt32BE(start + ((first + index) % places) * 4),
  );
  return found.filter((block) => block < length);
}

// Down at the left edge, and then from neighbour to neighbour.
async function* leavesOf({ name, root, levels, length, headBytes, block }: Group): AsyncGenerator<Buffer> {
  let node = await block(root, levels - 1);
  for (let level = levels - 2; level >= 0; level--) {
    const most = Math.floor((node.length - headBytes) / 12);
    node = await block(node.readUInt32BE(headBytes + most * 8), level);
  }
  for (let seen = 0; seen < length; seen++) {
    yield node;
    const next = node.readUInt32BE(12);
    if (next === 0xffffffff) return;
    if (node.readUInt16BE(6) === 0) throw damaged(name, "an empty block in its list of free blocks");
    node = await block(next, 0);
  }
  throw damaged(name, "its list of free blocks has no end");
}

function* recordsOf({ name, length, headBytes }: Group, leaf: Buffer): Generator<[number, number]> {
  const records = leaf.readUInt16BE(6);
  if (headBytes + records * 8 > leaf.length) throw damaged(name, `a block with ${records} records`);
  for (let at = headBytes; at < headBytes + records * 8; at += 8) {
    const [first, count] = [leaf.readUInt32BE(at), leaf.readUInt32BE(at + 4)];
    if (first + count > length) throw damaged(name, "it has free blocks behind its end");
    yield [first, count];
  }
}

function damaged(name: string, what: string): TbuildError {
  return new TbuildError("integrity", `the XFS is damaged: ${what}`, { subject: name });
}
