import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { Interrupted, TbuildError } from "../errors.ts";
import type { Medium } from "./media.ts";

/** Which disc a recipe wants. */
export interface WantedMedium {
  readonly major: number;
  readonly update: number;
  readonly volumeId: string;
  readonly sha256: string;
}

export interface CheckOptions {
  /** A digest once read is remembered here, for as long as size, time and inode of the file stay. */
  readonly cacheFile: string;
  readonly progress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Proves that a medium is the one that is wanted: first what it says of itself, then every byte. */
export async function checkMedium(
  medium: Medium,
  wanted: WantedMedium,
  options: CheckOptions,
): Promise<void> {
  const is = `OL${medium.major}.${medium.update}`;
  const want = `OL${wanted.major}.${wanted.update}`;
  if (is !== want)
    throw new TbuildError(
      "usage",
      `${medium.file}: this is ${is} (volume id ${medium.volumeId}), the recipe wants ${want}`,
    );
  if (medium.volumeId !== wanted.volumeId)
    throw new TbuildError(
      "usage",
      `${medium.file}: its volume id is "${medium.volumeId}", the recipe wants "${wanted.volumeId}"`,
    );
  const digest = await digestOf(medium.file, options);
  if (digest !== wanted.sha256)
    throw new TbuildError("integrity", `${medium.file}: is not the disc that Oracle published`, {
      lines: [`its sha256 is   ${digest}`, `the recipe has  ${wanted.sha256}`],
      hint: "Download it again, or correct iso.sha256 when the disc is what you want.",
    });
}

async function digestOf(file: string, options: CheckOptions): Promise<string> {
  const { size, mtimeMs, ino } = await stat(file);
  const mark = `${file} ${size} ${mtimeMs} ${ino}`;
  const known = JSON.parse(await readFile(options.cacheFile, "utf8").catch(() => "{}")) as Record<
    string,
    string
  >;
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
  await mkdir(dirname(options.cacheFile), { recursive: true });
  await writeFile(options.cacheFile, JSON.stringify({ ...known, [mark]: digest }));
  return digest;
}
