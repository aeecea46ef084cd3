import { createHash } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { checkInterrupted, TbuildError } from "../errors.ts";
import type { Packed, PackOptions } from "./format.ts";

/** Writes parts to a file that appears under its name only when it is whole, and digests it on the way. */
export async function writePacked(
  file: string,
  parts: AsyncIterable<Uint8Array>,
  options: PackOptions,
): Promise<Packed> {
  await mkdir(dirname(file), { recursive: true });
  const hash = createHash("sha256");
  let bytes = 0;
  const handle = await open(`${file}.part`, "w");
  try {
    for await (const part of parts) {
      checkInterrupted(options.signal);
      hash.update(part);
      for (let done = 0; done < part.length; ) done += (await handle.write(part, done)).bytesWritten;
      bytes += part.length;
    }
    await handle.sync();
  } catch (error) {
    await rm(`${file}.part`, { force: true });
    if ((error as NodeJS.ErrnoException).code === "ENOSPC")
      throw new TbuildError("environment", `${file}: the disk is full`, { cause: error });
    throw error;
  } finally {
    await handle.close();
  }
  await rename(`${file}.part`, file);
  return { file, bytes, sha256: hash.digest("hex") };
}

/** The bytes of a file, in pieces. */
export async function* fileParts(
  file: string,
  progress?: (bytes: number) => void,
): AsyncIterable<Uint8Array> {
  const handle = await open(file, "r");
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(1 << 20);
      const { bytesRead } = await handle.read(buffer);
      if (bytesRead === 0) return;
      progress?.(bytesRead);
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
