import { checkInterrupted } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { dataRanges } from "../image/file/holes.ts";
import { readImageFile } from "../image/file/image-file.ts";
import type { Run } from "../model/disk.ts";

const pieceBytes = 1 << 20;
// Runs start at multiples of 4096. File systems with smaller blocks have holes that end within one.
const alignment = 65536;

/** The bytes of the disk in an image file, raw or qcow2 with its backing files. Holes are not read. */
export async function* imageRuns(host: Host, file: string, signal?: AbortSignal): AsyncIterable<Run> {
  await using image = await readImageFile(file);
  const ranges = await dataRanges(host, file, image.format);
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

/** The size of the disk in an image file. */
export async function imageBytes(file: string): Promise<number> {
  await using image = await readImageFile(file);
  return image.bytes;
}
