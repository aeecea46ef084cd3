import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { checkInterrupted } from "../../errors.ts";
import { writeInOnePiece } from "../../host/partial-file.ts";
import { writeAll } from "../../io/durable.ts";
import { makeFolders } from "../../io/folders.ts";
import { openDeflater } from "./deflated.ts";
import type { Packed, PackOptions } from "./format.ts";
import { type BlockPlace, type DeflatedBlock, placeOf } from "./packed-blocks.ts";

/** A bundle while it is written. */
export interface PackedFile {
  readonly position: number;
  append(data: Uint8Array): Promise<void>;
  /** Deflates a block, or takes it from a bundle that has it. */
  deflate(data: Uint8Array): Promise<DeflatedBlock>;
  /** Records the position of a deflated block in this file, so that later bundles can copy it. */
  holds(block: DeflatedBlock, at: number): void;
  /** Appends zeros as a hole. */
  skip(length: number): Promise<void>;
  /** Overwrites what was skipped. The beginning of a bundle is often known last. */
  fill(position: number, data: Uint8Array): Promise<void>;
}

/** Writes a file, and computes its digest. The file gets its name when it is complete. */
export async function writePacked(
  file: string,
  options: PackOptions,
  write: (out: PackedFile) => Promise<void>,
): Promise<Packed> {
  await makeFolders(dirname(file));
  const hash = createHash("sha256");
  const deflater = options.deflater ?? (await openDeflater());
  const places: BlockPlace[] = [];
  let position = 0;
  let isFilled = false;
  const sha256 = await writeInOnePiece(file, async (handle) => {
    const writeAt = (data: Uint8Array, at: number) => writeAll(handle, data, at);
    // Writes wait in the same thread pool as the compression, so there must be few of them.
    let waiting: Uint8Array[] = [];
    let waitingBytes = 0;
    const flush = async () => {
      const data = Buffer.concat(waiting);
      [waiting, waitingBytes] = [[], 0];
      await writeAt(data, position - data.length);
    };
    await write({
      get position() {
        return position;
      },
      async append(data) {
        checkInterrupted(options.signal);
        hash.update(data);
        position += data.length;
        waiting.push(data);
        waitingBytes += data.length;
        if (waitingBytes >= writeBytes) await flush();
      },
      deflate: (data) => deflater.deflate(data),
      holds: (block, at) => void places.push(placeOf(block, at)),
      async skip(length) {
        await flush();
        for (let left = length; left > 0; left -= zeros.length) {
          checkInterrupted(options.signal);
          hash.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
        }
        position += length;
      },
      async fill(at, data) {
        isFilled = true;
        await writeAt(data, at);
      },
    });
    await flush();
    await handle.truncate(position);
    // If parts were filled in later, the digest needs the whole file again. It is read from the page cache, which is
    // much faster than compressing everything twice.
    return isFilled ? await digestOf(handle, options) : hash.digest("hex");
  });
  await deflater.packed(file, places);
  return { file, bytes: position, sha256 };
}

const writeBytes = 1 << 20;
const zeros = Buffer.alloc(1 << 20);

async function digestOf(
  handle: import("node:fs/promises").FileHandle,
  options: PackOptions,
): Promise<string> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(4 << 20);
  for (let at = 0; ; ) {
    checkInterrupted(options.signal);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}
