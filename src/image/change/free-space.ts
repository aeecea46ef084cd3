import { pacer } from "../../host/long-work.ts";
import type { Reader } from "../../io/reader.ts";
import type { Mount, Volume } from "../access.ts";
import { freeRunsOfBtrfs } from "../btrfs/free-space.ts";
import { insideOf } from "../disk/disk.ts";
import type { FreeRun } from "../disk/free-run.ts";
import { Unfit } from "../ext/faults.ts";
import { ExtVolume } from "../ext/volume.ts";
import { freeRunsOfFat } from "../fat/fat.ts";
import { type DataRange, joined, overlapWith } from "../file/holes.ts";
import { freeRunsOfXfs } from "../xfs/free-space.ts";
import { type Draft, isZero, readOnly } from "./draft.ts";

/** A block with content that belongs to no file. */
export interface FreeBlock {
  readonly volume: Volume;
  /** In the volume, in bytes. */
  readonly offset: number;
  readonly data: Uint8Array;
}

/**
 * Whether tbuild can find its free blocks: on ext, XFS and FAT. With a pending journal, the result is
 * outdated.
 */
export function tellsFreeBlocks({ fs }: Volume): boolean {
  return fs.startsWith("ext") || fs === "xfs" || fs === "vfat" || fs === "btrfs";
}

/** The free blocks of a guest with content. Blocks outside `data` are not read. `signal` aborts it. */
export async function* freeBlocks(
  disk: Reader,
  mounts: readonly Mount[],
  data: readonly DataRange[],
  signal?: AbortSignal,
): AsyncGenerator<FreeBlock> {
  const pace = pacer(signal);
  const hasData = overlapWith(data);
  for (const { volume } of mounts) {
    const inside = insideOf(disk, volume);
    for await (const run of freeRuns(inside, volume))
      for (let at = run.offset; at < run.offset + run.bytes; at += readBytes) {
        const turn = pace();
        if (turn) await turn;
        const bytes = Math.min(readBytes, run.offset + run.bytes - at);
        if (!volume.pieces && !hasData(volume.offset + at, bytes)) continue;
        const found = await inside.read(at, bytes);
        if (isZero(found)) continue;
        for (let from = 0; from < bytes; from += run.blockBytes) {
          const block = found.subarray(from, from + run.blockBytes);
          if (!isZero(block)) yield { volume, offset: at + from, data: block };
        }
      }
  }
}

/**
 * Zeros free blocks: those that a change has freed, and others for which `tells` returns true. `after` is a
 * draft of `before`. Returns the number of bytes written. `signal` aborts it.
 */
export async function scrubFree(
  before: Reader,
  after: Draft,
  mounts: readonly Mount[],
  data: readonly DataRange[],
  tells: (block: Uint8Array) => boolean,
  signal?: AbortSignal,
): Promise<number> {
  const wasFree = new Map<Volume, (offset: number, bytes: number) => boolean>();
  for (const { volume } of mounts) {
    const cover = volume.isDirty ? undefined : await coverOf(insideOf(before, volume), volume, signal);
    if (cover) wasFree.set(volume, cover);
  }
  const written = (await after.pieces(signal)).map(({ offset, bytes }) => ({ start: offset, length: bytes }));
  let bytes = 0;
  for await (const block of freeBlocks(after, mounts, joined([...data, ...written]), signal)) {
    if (wasFree.get(block.volume)?.(block.offset, block.data.length) && !tells(block.data)) continue;
    await writeInside(after, block.volume, block.offset, new Uint8Array(block.data.length));
    bytes += block.data.length;
  }
  return bytes;
}

/** The free space of a file system whose `tellsFreeBlocks` holds, in order of place in ext and FAT only. */
export function freeRuns(inside: Reader, { name, fs }: Volume): AsyncGenerator<FreeRun> {
  if (fs === "vfat") return freeRunsOfFat(inside);
  if (fs === "btrfs") return freeRunsOfBtrfs(inside, name);
  return fs === "xfs" ? freeRunsOfXfs(inside, name) : freeRunsOfExt(inside);
}

async function* freeRunsOfExt(inside: Reader): AsyncGenerator<FreeRun> {
  const volume = await ExtVolume.open(readOnly(inside));
  const { blockBytes } = volume;
  for await (const { block, count } of volume.freeRuns())
    yield { offset: block * blockBytes, bytes: count * blockBytes, blockBytes };
}

// Nothing if the file system is dirty, since that is unknown: then all free blocks count as freed.
async function coverOf(inside: Reader, volume: Volume, signal: AbortSignal | undefined) {
  const pace = pacer(signal);
  const runs: DataRange[] = [];
  try {
    for await (const { offset, bytes } of freeRuns(inside, volume)) {
      const turn = pace();
      if (turn) await turn;
      runs.push({ start: offset, length: bytes });
    }
  } catch (error) {
    if (error instanceof Unfit) return undefined;
    throw error;
  }
  return overlapWith(runs.sort((one, other) => one.start - other.start));
}

async function writeInside(disk: Draft, volume: Volume, offset: number, data: Uint8Array): Promise<void> {
  let start = 0;
  for (const piece of volume.pieces ?? [volume]) {
    const [from, to] = [Math.max(offset, start), Math.min(offset + data.length, start + piece.bytes)];
    if (from < to) await disk.write(piece.offset + from - start, data.subarray(from - offset, to - offset));
    start += piece.bytes;
  }
}

const readBytes = 512 * 1024;
