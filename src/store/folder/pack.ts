import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { TbuildError } from "../../errors.ts";
import type { Compression } from "../../io/compression.ts";
import { bytesAt } from "../../io/durable.ts";
import { inParallel } from "../../io/parallel.ts";
import { sha256Of } from "../../io/sha256.ts";
import { largestChunk } from "./chunker.ts";

/** A stored chunk: uncompressed if it does not compress, and then as long as its data. */
export interface PackedChunk {
  readonly digest: string;
  readonly length: number;
  readonly stored: Buffer;
}

/** The location of a chunk in a pack. */
export interface Entry {
  readonly digest: string;
  readonly length: number;
  readonly at: number;
  readonly stored: number;
}

const magic = Buffer.from("tbuild pack 1\n");
const entryBytes = 40;
const tailBytes = 4 + magic.length;
/** The size at which packs are closed: few enough for a registry, small enough to send again. */
export const fullPack = 32 * 2 ** 20;
export const largestPack = 64 * 2 ** 20;

/**
 * A pack: the chunks, then for each its sha256, its length and its stored length (two little-endian 32-bit numbers), then
 * the number of chunks, and the magic. Its name is the sha256 of the whole file.
 */
export function makePack(chunks: readonly PackedChunk[]): Buffer {
  const index = chunks.map(({ digest, length, stored }) => {
    const entry = Buffer.alloc(entryBytes);
    entry.write(digest, "hex");
    entry.writeUInt32LE(length, 32);
    entry.writeUInt32LE(stored.length, 36);
    return entry;
  });
  const count = Buffer.alloc(4);
  count.writeUInt32LE(chunks.length);
  return Buffer.concat([...chunks.map((chunk) => chunk.stored), ...index, count, magic]);
}

/** The index of an untrusted pack, read from its end. */
export async function readIndex(file: string): Promise<Entry[]> {
  const handle = await open(file, "r");
  try {
    return await indexOf(handle, file);
  } finally {
    await handle.close();
  }
}

async function indexOf(handle: FileHandle, file: string): Promise<Entry[]> {
  const { size } = await handle.stat();
  const bad = new TbuildError("integrity", "is not a pack", { subject: file });
  if (size < tailBytes || size > largestPack) throw bad;
  const tail = await bytesAt(handle, size - tailBytes, tailBytes);
  const count = tail.readUInt32LE(0);
  const indexAt = size - tailBytes - count * entryBytes;
  if (!tail.subarray(4).equals(magic) || indexAt < 0) throw bad;
  const index = await bytesAt(handle, indexAt, count * entryBytes);
  const entries: Entry[] = [];
  let at = 0;
  for (let i = 0; i < index.length; i += entryBytes) {
    const [length, stored] = [index.readUInt32LE(i + 32), index.readUInt32LE(i + 36)];
    if (length === 0 || length > largestChunk || stored > length) throw bad;
    entries.push({ digest: index.toString("hex", i, i + 32), length, at, stored });
    at += stored;
  }
  if (at !== indexAt) throw bad;
  return entries;
}

/** The verified bytes of a chunk. */
export async function unpack(
  handle: FileHandle,
  entry: Entry,
  compression: Compression,
): Promise<Buffer | undefined> {
  const stored = await bytesAt(handle, entry.at, entry.stored);
  const data =
    entry.stored === entry.length ? stored : await compression.decompress(stored).catch(() => undefined);
  return data?.length === entry.length && (await sha256Of(data)) === entry.digest ? data : undefined;
}

/** Reads every byte of a pack, and returns each problem with the chunks that it affects. */
export async function checkPack(
  file: string,
  digest: string,
  compression: Compression,
): Promise<{ readonly whole: boolean; readonly entries: readonly Entry[]; readonly bad: readonly string[] }> {
  const handle = await open(file, "r");
  try {
    const hash = createHash("sha256");
    const { size } = await handle.stat();
    for (let at = 0; at < size; at += 2 ** 20)
      hash.update(await bytesAt(handle, at, Math.min(2 ** 20, size - at)));
    const whole = hash.digest("hex") === digest;
    const entries = await indexOf(handle, file).catch(() => []);
    const bad: string[] = [];
    const checked = inParallel(entries, 16, async (entry) =>
      (await unpack(handle, entry, compression).catch(() => undefined)) ? undefined : entry.digest,
    );
    for await (const one of checked) if (one !== undefined) bad.push(one);
    return { whole: whole && (entries.length > 0 || size === tailBytes), entries, bad };
  } finally {
    await handle.close();
  }
}
