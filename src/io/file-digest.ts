import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { z } from "zod";
import { Interrupted } from "../errors.ts";
import { writeOnce } from "./durable.ts";

export interface FileDigestOptions {
  /** The cache of digests, valid while the file's size, time and inode stay the same. */
  readonly cacheFile: string;
  readonly progress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** The SHA-256 of a file, as hex digits. */
export async function fileDigest(file: string, options: FileDigestOptions): Promise<string> {
  const { size, mtimeMs, ino } = await stat(file);
  const mark = `${file} ${size} ${mtimeMs} ${ino}`;
  const known = await knownDigests(options.cacheFile);
  if (known[mark] !== undefined) return known[mark];
  const hash = createHash("sha256");
  let done = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 4 << 20 })) {
    if (options.signal?.aborted) throw new Interrupted();
    hash.update(chunk as Buffer);
    done += (chunk as Buffer).length;
    options.progress?.(done, size);
  }
  const digest = hash.digest("hex");
  // Without the cache, it is computed again next time.
  const text = JSON.stringify({ ...known, [mark]: digest });
  await writeOnce(`${options.cacheFile}.${process.pid}`, options.cacheFile, text).catch(() => {});
  return digest;
}

/** Size, time and inode of a file → its digest. A damaged cache counts as empty. */
const Digests = z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/));

async function knownDigests(file: string): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(file, "utf8").catch(() => "{}");
  try {
    return Digests.parse(JSON.parse(text));
  } catch {
    return {};
  }
}
