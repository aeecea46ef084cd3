import { type FileHandle, open } from "node:fs/promises";
import { checkInterrupted } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { pacer } from "../../host/long-work.ts";
import { dataRanges } from "../file/holes.ts";
import { differing, type Piece } from "./draft.ts";

/** The differences between `other` and `one`, page by page. Common holes are not read. `signal` aborts it. */
export async function differingPieces(
  host: Runner,
  one: string,
  other: string,
  signal?: AbortSignal,
): Promise<Piece[]> {
  checkInterrupted(signal);
  await using before = await open(one, "r");
  await using after = await open(other, "r");
  const found: { offset: number; bytes: number }[] = [];
  const pace = pacer(signal);
  for (const start of await chunksWithData(host, [one, other])) {
    const turn = pace();
    if (turn) await turn;
    const [old, now] = [await chunkAt(before, start), await chunkAt(after, start)];
    const padded = Buffer.alloc(now.length);
    old.copy(padded);
    for (const [from, to] of padded.equals(now) && old.length >= now.length ? [] : differing(padded, now)) {
      const last = found.at(-1);
      if (last && last.offset + last.bytes === start + from) last.bytes += to - from;
      else found.push({ offset: start + from, bytes: to - from });
    }
  }
  return found.flatMap(({ offset, bytes }) => split(offset, bytes, other));
}

const chunkBytes = 1 << 20;

function split(offset: number, bytes: number, file: string): Piece[] {
  const pieces: Piece[] = [];
  for (let done = 0; done < bytes; done += chunkBytes) {
    const [at, length] = [offset + done, Math.min(chunkBytes, bytes - done)];
    pieces.push({ offset: at, bytes: length, after: () => bytesAt(file, at, length) });
  }
  return pieces;
}

async function bytesAt(file: string, offset: number, bytes: number): Promise<Uint8Array> {
  await using handle = await open(file, "r");
  return await chunkAt(handle, offset, bytes);
}

async function chunkAt(file: FileHandle, offset: number, bytes = chunkBytes): Promise<Buffer> {
  const data = Buffer.alloc(bytes);
  let done = 0;
  while (done < bytes) {
    const { bytesRead } = await file.read(data, done, bytes - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return data.subarray(0, done);
}

async function chunksWithData(host: Runner, files: readonly string[]): Promise<number[]> {
  const chunks = new Set<number>();
  for (const file of files)
    for (const { start, length } of await dataRanges(host, file))
      for (let at = Math.floor(start / chunkBytes); at * chunkBytes < start + length; at++)
        chunks.add(at * chunkBytes);
  return [...chunks].sort((a, b) => a - b);
}
