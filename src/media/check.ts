import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { Interrupted, TbuildError } from "../errors.ts";
import { printable } from "../io/escape.ts";
import { makeFolders } from "../io/folders.ts";
import { writeFile } from "../io/write-file.ts";
import { type Medium, releaseOf } from "./media.ts";

/** The disc that a recipe needs. */
export interface WantedMedium {
  readonly major: number;
  readonly update: number;
  /** Omitted values are unknown and are not checked. Without a digest, nothing is proved. */
  readonly volumeId?: string;
  /** The size of the volume in bytes. The file may be longer. */
  readonly bytes?: number;
  readonly sha256?: string;
}

export interface CheckOptions {
  /** The cache of digests, valid while the file's size, time and inode stay the same. */
  readonly cacheFile: string;
  readonly progress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Verifies that a medium is the expected one (its description, its size, every byte). Returns its digest. */
export async function checkMedium(
  medium: Medium,
  wanted: WantedMedium,
  options: CheckOptions,
): Promise<string> {
  const is = printable(releaseOf(medium));
  const want = `OL${wanted.major}.${wanted.update}`;
  // A disc without an update in its description is identified by its label, size and digest.
  if (is !== (medium.update === undefined ? `OL${wanted.major}` : want))
    throw new TbuildError(
      "usage",
      `this is ${is} (volume id ${printable(medium.volumeId)}), the recipe wants ${want}`,
      { subject: medium.file },
    );
  if (wanted.volumeId !== undefined && medium.volumeId !== wanted.volumeId)
    throw new TbuildError(
      "usage",
      `its volume id is "${printable(medium.volumeId)}", the recipe wants "${wanted.volumeId}"`,
      { subject: medium.file },
    );
  if (wanted.bytes !== undefined && medium.bytes !== wanted.bytes)
    throw new TbuildError("integrity", "is not the disc that Oracle published", {
      subject: medium.file,
      lines: [`its volume has   ${medium.bytes} bytes`, `the recipe wants ${wanted.bytes} bytes`],
      hint: "Download it again, or correct iso.bytes if this is the right disc.",
    });
  const digest = await digestOf(medium.file, options);
  if (wanted.sha256 === undefined)
    throw new TbuildError("usage", "the recipe has no digest for this disc", {
      subject: medium.file,
      hint: "Compare it with Oracle's checksum file (https://linux.oracle.com/security/gpg/), and set iso.sha256.",
      lines: [`iso: { sha256: ${digest} }`],
    });
  if (digest !== wanted.sha256)
    throw new TbuildError("integrity", "is not the disc that Oracle published", {
      subject: medium.file,
      lines: [`its sha256 is   ${digest}`, `the recipe has  ${wanted.sha256}`],
      hint: "Download it again, or correct iso.sha256 if this is the right disc.",
    });
  return digest;
}

/** The SHA-256 of a file, as hex digits. */
export async function digestOf(file: string, options: CheckOptions): Promise<string> {
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
  await makeFolders(dirname(options.cacheFile));
  await writeFile(options.cacheFile, JSON.stringify({ ...known, [mark]: digest }));
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
