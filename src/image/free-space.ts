import type { Writable } from "./draft.ts";
import { isZero } from "./draft.ts";
import { ExtVolume } from "./ext-volume.ts";

/** A block that no file has, and in which something stands. */
export interface FreeBlock {
  readonly data: Uint8Array;
  /** Writes zeros over it. */
  zero(): Promise<void>;
}

/** The free blocks of an ext volume that hold anything; `mayHoldData` spares the holes of the image. */
export async function* freeBlocks(
  disk: Writable,
  mayHoldData: (offset: number, bytes: number) => boolean,
): AsyncGenerator<FreeBlock> {
  const volume = await ExtVolume.open(disk);
  const { blockBytes } = volume;
  const most = Math.floor(readBytes / blockBytes);
  for await (const run of volume.freeRuns())
    for (let done = 0; done < run.count; done += most) {
      const first = run.block + done;
      const bytes = Math.min(most, run.count - done) * blockBytes;
      if (!mayHoldData(first * blockBytes, bytes)) continue;
      const data = await disk.read(first * blockBytes, bytes);
      if (isZero(data)) continue;
      for (let at = 0; at < bytes; at += blockBytes) {
        const block = data.subarray(at, at + blockBytes);
        const zero = () => disk.write(first * blockBytes + at, new Uint8Array(blockBytes));
        if (!isZero(block)) yield { data: block, zero };
      }
    }
}

const readBytes = 512 * 1024;
