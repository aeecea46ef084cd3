import { type FileHandle, open } from "node:fs/promises";
import { checkInterrupted } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { bytesAt } from "../../io/durable.ts";
import { dataExtents } from "./extents.ts";

// Measured on two installations of one system (ARCHITECTURE.md): smaller chunks share a little more and compress worse.
const blockBytes = 4096;
const averageBlocks = 16;
const fewestBlocks = 4;
const mostBlocks = 64;
export const largestChunk = mostBlocks * blockBytes;

const readBytes = 2 ** 20;

export interface Chunk {
  readonly start: number;
  readonly data: Buffer;
}

/**
 * Splits the data of an image into chunks whose boundaries depend on the content. Everything outside the chunks is zeros. File
 * systems store files in blocks of 4 KiB, so boundaries are only there: a file that moved to other blocks keeps its chunks.
 */
export async function* chunksOfImage(
  host: Runner,
  file: string,
  signal?: AbortSignal,
): AsyncGenerator<Chunk> {
  const handle = await open(file, "r");
  try {
    for (const { start, end } of merged(await dataExtents(host, file), (await handle.stat()).size))
      yield* chunksOfExtent(handle, start, end, signal);
  } finally {
    await handle.close();
  }
}

/** Rounds runs to whole blocks and joins adjacent ones: file systems with smaller blocks have holes that end inside a block. */
function merged(extents: readonly { start: number; end: number }[], size: number) {
  const all: { start: number; end: number }[] = [];
  for (const extent of extents) {
    const start = Math.floor(extent.start / blockBytes) * blockBytes;
    const end = Math.min(size, Math.ceil(extent.end / blockBytes) * blockBytes);
    const last = all.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else if (start < end) all.push({ start, end });
  }
  return all;
}

async function* chunksOfExtent(
  handle: FileHandle,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Chunk> {
  // Read boundaries are not chunk boundaries: the last chunk waits for the data after it.
  let rest: Buffer = Buffer.alloc(0);
  for (let at = start; at < end; at += readBytes) {
    checkInterrupted(signal);
    const data = Buffer.concat([rest, await bytesAt(handle, at, Math.min(readBytes, end - at))]);
    const begin = yield* cut(data, at - rest.length);
    rest = data.subarray(begin);
  }
  if (rest.length > 0) yield { start: end - rest.length, data: rest };
}

/** Yields all chunks but the last. Returns where that one starts. */
function* cut(data: Buffer, offset: number): Generator<Chunk, number> {
  let begin = 0;
  const piece = (end: number) => ({ start: offset + begin, data: data.subarray(begin, end) });
  for (let at = 0; at < data.length; at += blockBytes) {
    const block = data.subarray(at, at + blockBytes);
    if (isZero(block)) {
      if (at > begin) yield piece(at);
      begin = at + block.length;
      continue;
    }
    const blocks = (at - begin) / blockBytes + 1;
    if (blocks < fewestBlocks || (blocks < mostBlocks && mark(block) % averageBlocks !== 0)) continue;
    yield piece(at + block.length);
    begin = at + block.length;
  }
  return begin;
}

const zeros = Buffer.alloc(blockBytes);

/** Of at most 4 KiB. */
export function isZero(block: Uint8Array): boolean {
  return zeros.subarray(0, block.length).equals(block);
}

/** A hash of a block's content. It only places boundaries, so one word in four is enough. */
function mark(block: Buffer): number {
  let hash = 0;
  for (let i = 0; i + 4 <= block.length; i += 16) hash = Math.imul(hash ^ block.readInt32LE(i), 0x9e3779b1);
  return (hash ^ (hash >>> 15)) >>> 0;
}
