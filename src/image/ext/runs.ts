import type { Reader } from "../../io/reader.ts";
import { Unfit, unreadable } from "./faults.ts";
import { extentMagic, flag, mostWritten } from "./inode-fields.ts";
import type { StoredInode } from "./stored-inode.ts";

/** Blocks of a file that are next to each other on the disk. */
export interface Run {
  /** The number of the first block in the file. */
  readonly logical: number;
  /** The number of the first block in the file system. */
  readonly physical: number;
  readonly count: number;
}

export interface Source {
  readonly reader: Reader;
  readonly blockBytes: number;
}

/** A file's blocks in file order, with or without those that were allocated and never written. */
export async function* runsOf(
  source: Source,
  inode: StoredInode,
  { withUnwritten = false } = {},
): AsyncGenerator<Run> {
  if (inode.flags & flag.inline) throw new Unfit("a file with inline data, which is not read directly");
  if (inode.flags & flag.extents)
    yield* extents(source, inode.block, { logical: 0, withUnwritten }, undefined);
  else yield* mapped(source, inode);
}

// `next` only grows, so a cyclic tree ends here.
async function* extents(
  source: Source,
  node: Buffer,
  next: { logical: number; readonly withUnwritten: boolean },
  level: number | undefined,
): AsyncGenerator<Run> {
  const [count, levels] = [node.readUInt16LE(2), node.readUInt16LE(6)];
  const isSane =
    node.readUInt16LE(0) === extentMagic && 12 + count * 12 <= node.length && levels <= (level ?? 5);
  if (!isSane || (level !== undefined && levels !== level)) throw unreadable("an extent tree");
  for (let at = 12; at < 12 + count * 12; at += 12)
    if (levels > 0) {
      const child = node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32;
      yield* extents(source, await blockOf(source, child), next, levels - 1);
    } else {
      const length = node.readUInt16LE(at + 4);
      const logical = node.readUInt32LE(at);
      if (length === 0 || logical < next.logical) throw unreadable("an extent tree");
      const isWritten = length <= mostWritten;
      const blocks = isWritten ? length : length - mostWritten;
      next.logical = logical + blocks;
      const physical = node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 2 ** 32;
      // Blocks that were never written read as zeros.
      if (isWritten || next.withUnwritten) yield { logical, physical, count: blocks };
    }
}

async function* mapped(source: Source, inode: StoredInode): AsyncGenerator<Run> {
  const { reader, blockBytes } = source;
  const perBlock = blockBytes / 4;
  const blocks = Math.ceil(inode.size / blockBytes);
  let left = reader.bytes / blockBytes;
  async function* below(block: number, level: number, logical: number): AsyncGenerator<Run> {
    if (block === 0 || logical >= blocks) return;
    // A cyclic map names more blocks than there are.
    if (--left < 0) throw unreadable("a file has more blocks than there are");
    if (level === 0) return void (yield { logical, physical: block, count: 1 });
    const node = await blockOf(source, block);
    for (let i = 0; i < perBlock; i++)
      yield* below(node.readUInt32LE(i * 4), level - 1, logical + i * perBlock ** (level - 1));
  }
  for (let i = 0; i < 12; i++) yield* below(inode.block.readUInt32LE(i * 4), 0, i);
  let logical = 12;
  for (const level of [1, 2, 3]) {
    yield* below(inode.block.readUInt32LE((11 + level) * 4), level, logical);
    logical += perBlock ** level;
  }
}

async function blockOf({ reader, blockBytes }: Source, number: number): Promise<Buffer> {
  const data = await reader.read(number * blockBytes, blockBytes);
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
