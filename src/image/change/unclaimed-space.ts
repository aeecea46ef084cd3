import { pacer } from "../../host/long-work.ts";
import type { Reader } from "../../io/reader.ts";
import type { Unclaimed } from "../disk/unclaimed.ts";
import { type DataRange, overlapWith } from "../file/holes.ts";
import { type Draft, isZero } from "./draft.ts";

/** A block of at most 4 KiB with content, outside of file systems. */
export interface UnclaimedBlock {
  readonly place: Unclaimed;
  /** On the disk, in bytes. */
  readonly offset: number;
  readonly data: Uint8Array;
}

/**
 * The blocks of `places` with content. Holes, according to `data`, and places that must not be read are not
 * read. `signal` aborts it.
 */
export async function* unclaimedBlocks(
  disk: Reader,
  places: readonly Unclaimed[],
  data: readonly DataRange[],
  signal?: AbortSignal,
): AsyncGenerator<UnclaimedBlock> {
  const hasData = overlapWith(data);
  const pace = pacer(signal);
  for (const place of places.filter(({ unread }) => unread === undefined))
    for (const piece of place.pieces)
      for (let at = piece.offset; at < piece.offset + piece.bytes; at += readBytes) {
        const turn = pace();
        if (turn) await turn;
        const bytes = Math.min(readBytes, piece.offset + piece.bytes - at);
        if (!hasData(at, bytes)) continue;
        const found = await disk.read(at, bytes);
        for (let from = 0; from < bytes; from += blockBytes) {
          const block = found.subarray(from, from + blockBytes);
          if (!isZero(block)) yield { place, offset: at + from, data: block };
        }
      }
}

/** The places, without those that must not be read and those that are empty. */
export async function filledPlaces(
  disk: Reader,
  places: readonly Unclaimed[],
  data: readonly DataRange[],
  signal?: AbortSignal,
): Promise<Unclaimed[]> {
  const filled: Unclaimed[] = [];
  for (const place of places) if (await isFilled(disk, place, data, signal)) filled.push(place);
  return filled;
}

// If the offset of a place is unknown, it may have content.
async function isFilled(
  disk: Reader,
  place: Unclaimed,
  data: readonly DataRange[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (place.unread === undefined || place.pieces.length === 0) return true;
  const { unread: _unread, ...readable } = place;
  for await (const _block of unclaimedBlocks(disk, [readable], data, signal)) return true;
  return false;
}

/** The results of a scrub outside file systems. */
export interface UnclaimedScrub {
  /** The number of zeroed bytes. */
  readonly bytes: number;
  /** Places with findings that stay. */
  readonly kept: readonly Unclaimed[];
}

/**
 * Writes zeros over blocks that identify the guest, and over the blocks with content next to them: a file does not end with one
 * of its blocks. Writes to `after`.
 */
export async function scrubUnclaimed(
  after: Draft,
  places: readonly Unclaimed[],
  data: readonly DataRange[],
  tells: (block: Uint8Array) => boolean,
  signal?: AbortSignal,
): Promise<UnclaimedScrub> {
  let bytes = 0;
  const clear = async ({ offset, data }: UnclaimedBlock) => {
    await after.write(offset, new Uint8Array(data.length));
    bytes += data.length;
  };
  const kept = new Set<Unclaimed>();
  let before: UnclaimedBlock[] = [];
  let [end, ahead] = [0, 0];
  for await (const block of unclaimedBlocks(after, places, data, signal)) {
    const isTelling = tells(block.data);
    if (block.place.kept !== undefined) {
      if (isTelling) kept.add(block.place);
      continue;
    }
    if (block.offset !== end || before.at(-1)?.place !== block.place) [before, ahead] = [[], 0];
    end = block.offset + block.data.length;
    if (isTelling) for (const one of before) await clear(one);
    if (isTelling || ahead > 0) await clear(block);
    ahead = isTelling ? blocksAround : Math.max(0, ahead - 1);
    before = [...(isTelling ? [] : before), block].slice(-blocksAround);
  }
  return { bytes, kept: [...kept] };
}

const blockBytes = 4096;
const readBytes = 512 * 1024;
// The size of a key or a short file.
const blocksAround = 16;
