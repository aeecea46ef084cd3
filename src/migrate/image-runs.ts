import { checkInterrupted } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { type DataRange, dataRanges, joined, storedRanges } from "../image/file/holes.ts";
import { type ImageFile, readImageFile } from "../image/file/image-file.ts";
import type { Run } from "../model/disk.ts";
import type { SourceImage } from "./source.ts";

const pieceBytes = 1 << 20;
// Runs start at multiples of 4096. File systems with smaller blocks have holes that end within one.
const alignment = 65536;

/**
 * The bytes of the disk in an image file, raw or qcow2 with its backing files. The file is `original`, an overlay of it
 * (qcow2), or a changed copy. Holes are not read.
 */
export async function* imageRuns(
  host: Host,
  file: string,
  original: SourceImage,
  signal?: AbortSignal,
): AsyncIterable<Run> {
  await using image = await readImageFile(file);
  const ranges = await rangesIn(host, image, original);
  let at = 0;
  for (const { start, length } of ranges) {
    const from = Math.max(at, start - (start % alignment));
    const to = Math.min(image.bytes, Math.ceil((start + length) / alignment) * alignment);
    if (from > at) yield { start: at, length: from - at };
    for (at = Math.max(at, from); at < to; ) {
      checkInterrupted(signal);
      const size = Math.min(pieceBytes, to - at);
      yield { start: at, length: size, data: await image.read(at, size) };
      at += size;
    }
  }
  if (at < image.bytes) yield { start: at, length: image.bytes - at };
}

async function rangesIn(
  host: Host,
  { file, format }: Pick<ImageFile, "file" | "format">,
  original: SourceImage,
): Promise<readonly DataRange[]> {
  if (original.data === undefined) return dataRanges(host, file, format);
  if (file === original.file) return original.data;
  if (format === "qcow2") return joined([...(await storedRanges(host, file, format)), ...original.data]);
  return dataRanges(host, file, format);
}

/** The size of the disk in an image file. */
export async function imageBytes(file: string): Promise<number> {
  await using image = await readImageFile(file);
  return image.bytes;
}
