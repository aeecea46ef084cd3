import { pacer } from "../../host/long-work.ts";
import type { Reader } from "../../io/reader.ts";
import { type DataRange, overlapWith } from "../file/holes.ts";
import type { Run } from "./partitions.ts";

/** A block in which a range of the disk differs from another of the same length. */
export interface Difference {
  /** From the start of both ranges, in bytes. */
  readonly at: number;
  readonly one: Uint8Array;
  readonly other: Uint8Array;
}

/**
 * The differences between two ranges, in blocks of 4 KiB. Everything outside `data` is zeros and is not read.
 * `signal` aborts it.
 */
export async function* differences(
  disk: Reader,
  one: Run,
  other: Run,
  data: readonly DataRange[],
  signal?: AbortSignal,
): AsyncGenerator<Difference> {
  const hasData = overlapWith(data);
  const pace = pacer(signal);
  for (let from = 0; from < one.bytes; from += readBytes) {
    const turn = pace();
    if (turn) await turn;
    const bytes = Math.min(readBytes, one.bytes - from);
    if (!hasData(one.offset + from, bytes) && !hasData(other.offset + from, bytes)) continue;
    const left = Buffer.from(await disk.read(one.offset + from, bytes));
    const right = Buffer.from(await disk.read(other.offset + from, bytes));
    if (left.equals(right)) continue;
    for (let at = 0; at < bytes; at += blockBytes) {
      const [a, b] = [left.subarray(at, at + blockBytes), right.subarray(at, at + blockBytes)];
      if (!a.equals(b)) yield { at: from + at, one: a, other: b };
    }
  }
}

/** The first byte that differs, from the starts of the ranges; `undefined` if they are equal. */
export async function firstDifference(...given: Parameters<typeof differences>): Promise<number | undefined> {
  for await (const { at, one, other } of differences(...given))
    return at + one.findIndex((byte, index) => byte !== other[index]);
  return undefined;
}

const readBytes = 1 << 20;
const blockBytes = 4096;
