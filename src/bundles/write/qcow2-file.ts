import { inParallel } from "../../io/parallel.ts";
import type { Block } from "./blocks.ts";
import type { PackedFile } from "./packed-file.ts";

const clusterBits = 16;
export const clusterBytes = 1 << clusterBits;
/** Table entries per cluster, at 8 bytes each, and counts per cluster, at 2 bytes each. */
const entriesInTable = clusterBytes / 8;
const countsInBlock = clusterBytes / 2;

export interface Qcow2Sizes {
  /** The bytes of the file. */
  readonly bytes: number;
  /** The size of an uncompressed file. */
  readonly unpackedBytes: number;
}

/**
 * A qcow2 of version 3 (qemu, docs/interop/qcow2.txt), written from front to back: space for the header, the reference
 * count table and the L1 table; the compressed clusters without gaps, with an L2 table after every 8192 of them; the
 * reference counts. Then the front is filled in.
 */
export async function writeQcow2(
  out: PackedFile,
  bytes: number,
  blocks: AsyncIterable<Block>,
): Promise<Qcow2Sizes> {
  const counts = clusterCounts();
  const first = new BigUint64Array(Math.ceil(bytes / clusterBytes / entriesInTable));
  const firstAt = 2 * clusterBytes;
  await out.skip(firstAt + padded(first.length * 8));
  counts.use(0, out.position);

  let table = Buffer.alloc(clusterBytes);
  let tableIndex = 0;
  const aligned = async (data: Uint8Array) => {
    await out.skip(padded(out.position) - out.position);
    const at = out.position;
    counts.use(at, data.length);
    await out.append(data);
    return at;
  };
  const endTable = async () => {
    if (!isZero(table)) first[tableIndex] = BigInt(await aligned(table)) | ownCopy;
    table = Buffer.alloc(clusterBytes);
  };
  let dataClusters = 0;
  const tables = new Set<number>();
  for await (const { start, data, block } of inParallel(blocks, 64, (one) => compressed(one, out))) {
    if (!data) continue;
    dataClusters++;
    const cluster = start / clusterBytes;
    const index = Math.floor(cluster / entriesInTable);
    if (index !== tableIndex) await endTable();
    tables.add(index);
    tableIndex = index;
    let entry: bigint;
    if (block) {
      const at = out.position;
      counts.use(at, data.length);
      out.holds(block, at);
      await out.append(data);
      const moreSectors = Math.floor((at + data.length - 1) / 512) - Math.floor(at / 512);
      entry = compressedFlag | (BigInt(moreSectors) << 54n) | BigInt(at);
    } else entry = BigInt(await aligned(data)) | ownCopy;
    table.writeBigUInt64BE(entry, (cluster % entriesInTable) * 8);
  }
  await endTable();

  await out.skip(padded(out.position) - out.position);
  const blocksAt = out.position;
  const blockCount = counts.blocksFor(blocksAt);
  counts.use(blocksAt, blockCount * clusterBytes);
  await out.append(counts.text(blockCount));

  const countTable = Buffer.alloc(clusterBytes);
  for (let i = 0; i < blockCount; i++)
    countTable.writeBigUInt64BE(BigInt(blocksAt + i * clusterBytes), i * 8);
  const firstTable = Buffer.alloc(first.length * 8);
  for (const [i, entry] of first.entries()) firstTable.writeBigUInt64BE(entry, i * 8);
  await out.fill(0, header(bytes, first.length, firstAt));
  await out.fill(clusterBytes, countTable);
  await out.fill(firstAt, firstTable);
  const plain = firstAt + padded(first.length * 8) + (tables.size + dataClusters) * clusterBytes;
  return { bytes: out.position, unpackedBytes: plain + counts.blocksFor(plain) * clusterBytes };
}

const ownCopy = 1n << 63n;
const compressedFlag = 1n << 62n;

/** A compressed cluster. qemu decompresses with a window of 4 KiB. */
async function compressed({ start, length, data }: Block, out: PackedFile) {
  if (!data) return { start, data };
  const full = length === clusterBytes ? data : Buffer.concat([data, Buffer.alloc(clusterBytes - length)]);
  const block = await out.deflate(full);
  return block.bytes.length < clusterBytes ? { start, data: block.bytes, block } : { start, data: full };
}

/** The reference count of each cluster of the file. */
function clusterCounts() {
  const counts: number[] = [];
  return {
    use(at: number, length: number): void {
      const last = Math.floor((at + length - 1) / clusterBytes);
      for (let i = Math.floor(at / clusterBytes); i <= last; i++) counts[i] = (counts[i] ?? 0) + 1;
    },
    /** The number of reference count blocks for a file of `bytes` and for the blocks themselves. */
    blocksFor(bytes: number): number {
      const clusters = bytes / clusterBytes;
      let blocks = 1;
      while (blocks * countsInBlock < clusters + blocks) blocks++;
      return blocks;
    },
    text(blocks: number): Buffer {
      const text = Buffer.alloc(blocks * clusterBytes);
      for (const [i, count] of counts.entries()) text.writeUInt16BE(count ?? 0, i * 2);
      return text;
    },
  };
}

function header(bytes: number, firstEntries: number, firstAt: number): Buffer {
  const block = Buffer.alloc(112);
  block.write("QFI\xfb", 0, "latin1");
  block.writeUInt32BE(3, 4);
  block.writeUInt32BE(clusterBits, 20);
  block.writeBigUInt64BE(BigInt(bytes), 24);
  block.writeUInt32BE(firstEntries, 36);
  block.writeBigUInt64BE(BigInt(firstAt), 40);
  block.writeBigUInt64BE(BigInt(clusterBytes), 48);
  block.writeUInt32BE(1, 56); // clusters of the table of counts: enough for a file of 16 TiB
  block.writeUInt32BE(4, 96); // counts of 2^4 bits
  block.writeUInt32BE(104, 100);
  return block;
}

function padded(bytes: number): number {
  return Math.ceil(bytes / clusterBytes) * clusterBytes;
}

const emptyTable = Buffer.alloc(clusterBytes);

function isZero(table: Buffer): boolean {
  return table.equals(emptyTable);
}
