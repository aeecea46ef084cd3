import type { Runner } from "../../host/host.ts";
import type { Format } from "./format.ts";
import type { ImageFile } from "./image-file.ts";

export interface DataRange {
  readonly start: number;
  readonly length: number;
}

/** The data ranges of the disk in an image. Node cannot query holes; qemu-img can. */
export async function dataRanges(host: Runner, file: string, format: Format = "raw"): Promise<DataRange[]> {
  return (await mapped(host, file, format)).filter(({ data, zero }) => data && !zero).map(rangeOf);
}

/** The ranges of the disk in an image that take space in the image itself, not in a backing file. */
export async function storedRanges(host: Runner, file: string, format: Format): Promise<DataRange[]> {
  return (await mapped(host, file, format)).filter(({ data, depth }) => data && depth === 0).map(rangeOf);
}

interface Mapped extends DataRange {
  readonly data: boolean;
  readonly zero: boolean;
  readonly depth: number;
}

async function mapped(host: Runner, file: string, format: Format): Promise<Mapped[]> {
  const { stdout } = await host.run(["qemu-img", "map", "-f", format, "--output=json", file]);
  return JSON.parse(stdout) as Mapped[];
}

function rangeOf({ start, length }: DataRange): DataRange {
  return { start, length };
}

/** The ranges of an image that may have data. Holes are known for raw images only; others count as all data. */
export async function rangesOf(
  host: Runner,
  { file, format, bytes }: Pick<ImageFile, "file" | "format" | "bytes">,
): Promise<readonly DataRange[]> {
  return format === "raw" ? await dataRanges(host, file) : [{ start: 0, length: bytes }];
}

/** Returns a function that says whether a byte range overlaps any of the sorted `ranges`. */
export function overlapWith(ranges: readonly DataRange[]): (offset: number, bytes: number) => boolean {
  return (offset, bytes) => {
    let [low, high] = [0, ranges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { start, length } = ranges[middle] ?? { start: 0, length: 0 };
      if (start + length <= offset) low = middle + 1;
      else high = middle;
    }
    return (ranges[low]?.start ?? Number.POSITIVE_INFINITY) < offset + bytes;
  };
}

/** Sorts ranges, and merges those that touch or overlap. */
export function joined(ranges: readonly DataRange[]): DataRange[] {
  const found: { start: number; length: number }[] = [];
  for (const { start, length } of [...ranges].sort((one, other) => one.start - other.start)) {
    const last = found.at(-1);
    if (last && start <= last.start + last.length)
      last.length = Math.max(last.length, start + length - last.start);
    else found.push({ start, length });
  }
  return found;
}
