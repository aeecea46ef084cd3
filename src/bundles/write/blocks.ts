import type { Run } from "../../model/disk.ts";

/**
 * Blocks of one size, except the last one of a disk. Without `data` it is a run of zero blocks. Data in the store that
 * consists of zeros is recognised here.
 */
export interface Block {
  readonly start: number;
  readonly length: number;
  readonly data?: Uint8Array;
}

export async function* blocksOf(runs: AsyncIterable<Run>, size: number): AsyncIterable<Block> {
  const zeros = Buffer.alloc(size);
  let hole: { start: number; length: number } | undefined;
  let part: Buffer | undefined;
  let filled = 0;
  let at = 0;

  function* add(start: number, data: Uint8Array | undefined, length: number): Iterable<Block> {
    if (!data || zeros.subarray(0, length).equals(data)) {
      hole = hole ? { start: hole.start, length: hole.length + length } : { start, length };
      return;
    }
    if (hole) yield hole;
    hole = undefined;
    yield { start, length, data };
  }

  for await (const run of runs) {
    for (let done = 0; done < run.length; ) {
      const piece = run.data?.subarray(done, done + size - filled);
      // A block is part of one run, or is assembled from the parts of several.
      if (filled === 0 && run.length - done >= size) {
        const length = run.data ? size : Math.floor((run.length - done) / size) * size;
        yield* run.data ? add(at, piece, length) : add(at, undefined, length);
        [done, at] = [done + length, at + length];
        continue;
      }
      const length = Math.min(size - filled, run.length - done);
      part ??= Buffer.alloc(size);
      if (piece) part.set(piece, filled);
      [done, filled] = [done + length, filled + length];
      if (filled < size) continue;
      yield* add(at, part, size);
      [part, filled, at] = [undefined, 0, at + size];
    }
  }
  if (filled > 0) yield* add(at, part?.subarray(0, filled), filled);
  if (hole) yield hole;
}
