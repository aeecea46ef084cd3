import { type FileHandle, open } from "node:fs/promises";
import { TbuildError } from "../errors.ts";
import { fileFault } from "./file-fault.ts";

/** Random access to bytes: an image, or a volume inside one. */
export interface Reader {
  readonly bytes: number;
  /** Returns exactly `length` bytes, or throws. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A local image file. Blocks are cached, so that walking a file system needs few reads. */
export async function fileReader(path: string): Promise<Reader & AsyncDisposable> {
  const file = await open(path, "r").catch((cause) => {
    throw new TbuildError("environment", "cannot be opened", { subject: path, cause });
  });
  const { size } = await file.stat();
  return Object.assign(cachedReader(file, size, path), {
    [Symbol.asyncDispose]: () => file.close(),
  });
}

/** Bytes in memory. */
export function bytesReader(data: Uint8Array): Reader {
  return {
    bytes: data.length,
    async read(offset, length) {
      checkRange("data", data.length, offset, length);
      return data.subarray(offset, offset + length);
    },
  };
}

/** The part of `reader` that starts at `offset`. */
export function windowOf(reader: Reader, offset: number, bytes: number): Reader {
  return {
    bytes,
    async read(at, length) {
      checkRange("volume", bytes, at, length);
      return reader.read(offset + at, length);
    },
  };
}

/** Concatenates readers. */
export function joinedReader(parts: readonly Reader[]): Reader {
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  return {
    bytes,
    async read(offset, length) {
      checkRange("volume", bytes, offset, length);
      const found: Uint8Array[] = [];
      let start = 0;
      for (const part of parts) {
        const [from, to] = [Math.max(offset, start), Math.min(offset + length, start + part.bytes)];
        if (from < to) found.push(await part.read(from - start, to - from));
        start += part.bytes;
      }
      return found.length === 1 && found[0] ? found[0] : Buffer.concat(found);
    },
  };
}

const chunkBytes = 128 * 1024;
const chunksKept = 256;

function cachedReader(file: FileHandle, bytes: number, path: string): Reader {
  const chunks = new Map<number, Uint8Array>();

  // The system names no file in an error of reading.
  const exactly = (offset: number, length: number) =>
    readExactly(file, offset, length).catch((error) => {
      throw fileFault(error, path);
    });

  async function chunk(index: number): Promise<Uint8Array> {
    const kept = chunks.get(index);
    if (kept) return kept;
    const data = await exactly(index * chunkBytes, Math.min(chunkBytes, bytes - index * chunkBytes));
    if (chunks.size >= chunksKept)
      for (const oldest of [...chunks.keys()].slice(0, 32)) chunks.delete(oldest);
    chunks.set(index, data);
    return data;
  }

  return {
    bytes,
    async read(offset, length) {
      checkRange(path, bytes, offset, length);
      if (length > chunkBytes) return exactly(offset, length);
      const first = Math.floor(offset / chunkBytes);
      const data = await chunk(first);
      const start = offset - first * chunkBytes;
      if (start + length <= data.length) return data.subarray(start, start + length);
      return Buffer.concat([data.subarray(start), await chunk(first + 1)]).subarray(0, length);
    },
  };
}

async function readExactly(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const data = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(data, done, length - done, offset + done);
    if (bytesRead === 0)
      throw new TbuildError("integrity", `ends at byte ${offset + done}`, { subject: "image" });
    done += bytesRead;
  }
  return data;
}

function checkRange(what: string, bytes: number, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= bytes) return;
  throw new TbuildError("integrity", `byte ${offset + length} is beyond its end (${bytes} bytes)`, {
    subject: what,
    hint: "The image is cut off or damaged; copy it again.",
  });
}
