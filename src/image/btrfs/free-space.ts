import type { Reader } from "../../io/reader.ts";
import type { FreeRun } from "../disk/free-run.ts";
import { type Btrfs, damaged, openBtrfs } from "./btrfs.ts";
import { itemTypes, objects } from "./layout.ts";

interface Run {
  readonly from: number;
  readonly to: number;
}

/**
 * The free runs of a btrfs: the space of its chunks that no extent uses, on each copy, and the space of the device that no
 * chunk uses. They never include the first MiB, which may contain a boot loader, and the copies of the superblock (the
 * kernel's `btrfs_exclude_super_stripes`). `name` is the volume's name, for errors.
 */
export async function* freeRunsOfBtrfs(volume: Reader, name: string): AsyncGenerator<FreeRun> {
  const btrfs = await openBtrfs(volume, name);
  const { chunks, sectorBytes: blockBytes } = btrfs;
  const sorted = [...chunks].sort((one, other) => (one.logical < other.logical ? -1 : 1));
  const end = Math.min(btrfs.bytes, volume.bytes);
  const taken = sorted
    .flatMap(({ bytes, copies }) => copies.map((from) => ({ from, to: from + bytes })))
    .sort((one, other) => one.from - other.from);
  if (taken.some(({ from }, place) => from < (taken[place - 1]?.to ?? 0)))
    throw damaged(name, "two chunks overlap");
  const shown = function* (run: Run): Generator<FreeRun> {
    for (const { from, to } of outsideOf(superblocks, {
      from: Math.max(run.from, firstByte),
      to: Math.min(run.to, end),
    }))
      yield { offset: from, bytes: to - from, blockBytes };
  };
  for (const run of outsideOf(taken, { from: firstByte, to: end })) yield* shown(run);
  let index = 0;
  let at = 0n;
  // The end of the last extent in the current chunk.
  const gapBefore = function* (next: bigint): Generator<FreeRun> {
    for (let chunk = sorted[index]; chunk; chunk = sorted[index]) {
      const last = chunk.logical + BigInt(chunk.bytes);
      const start = at > chunk.logical ? at : chunk.logical;
      const stop = next < last ? next : last;
      if (stop > start)
        for (const copy of chunk.copies) {
          const from = copy + Number(start - chunk.logical);
          yield* shown({ from, to: from + Number(stop - start) });
        }
      if (next < last) return;
      index++;
    }
  };
  for await (const { start, bytes } of extentsOf(btrfs)) {
    yield* gapBefore(start);
    if (start + bytes > at) at = start + bytes;
  }
  yield* gapBefore(1n << 63n);
}

const firstByte = 1 << 20;
// At 64 KiB, 64 MiB and 256 GiB; the kernel keeps the whole stripe of 64 KiB free.
const superblocks: readonly Run[] = [1 << 16, 1 << 26, 2 ** 38].map((from) => ({
  from,
  to: from + (1 << 16),
}));

/** The extents of data and of trees, in order of their logical addresses. */
async function* extentsOf(btrfs: Btrfs): AsyncGenerator<{ readonly start: bigint; readonly bytes: bigint }> {
  const root = await btrfs.rootOf(objects.extentTree);
  if (!root) return;
  for await (const { object, type, offset } of btrfs.items(root)) {
    if (type === itemTypes.extent) yield { start: object, bytes: offset };
    if (type === itemTypes.metadata) yield { start: object, bytes: BigInt(btrfs.nodeBytes) };
  }
}

/** The parts of `whole` that are not in `runs`. */
function* outsideOf(runs: readonly Run[], whole: Run): Generator<Run> {
  let at = whole.from;
  for (const { from, to } of [...runs].sort((one, other) => one.from - other.from)) {
    if (from >= whole.to) break;
    if (from > at) yield { from: at, to: from };
    at = Math.max(at, to);
  }
  if (at < whole.to) yield { from: at, to: whole.to };
}
