import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "../host/partial-file.ts";
import { namesIn, textOf } from "../io/durable.ts";
import { inParallel } from "../io/parallel.ts";
import type { Digest } from "../model/digest.ts";
import type { Manifest, ManifestLine } from "../model/manifest.ts";

/** Manifests of one name, or of all names. */
export interface Which {
  readonly kind: Manifest["kind"];
  readonly name: string;
}

export interface Line {
  /** The digest of the whole manifest. */
  readonly digest: Digest;
  readonly line: ManifestLine;
}

export interface LinesOptions {
  /** Matches the file names of manifests. */
  readonly isManifest: RegExp;
  /** Reads one manifest. Throws if it is damaged. */
  read(file: string, text: string): Promise<Line>;
  /** The folder of the cache, a file for each name. Without it, manifests are read each time. */
  readonly cache?: string | undefined;
}

const filesAtATime = 32;
/** The cache is used from this number of manifests on. Reading fewer is as fast. */
const fewestKept = 20;
/** A file written so shortly before it was read could change again within one tick of the file system's clock. */
const settledMs = 1000;

/**
 * The lines of all manifests in `root`, `<kind>s/<name>/<version>.json`, by digest. A manifest is read once, and again
 * when the size, inode or time of its file has changed. The cache stores these with the line.
 */
export async function linesIn(
  root: string,
  options: LinesOptions,
  which?: Which,
): Promise<Map<Digest, ManifestLine>> {
  const found = new Map<Digest, ManifestLine>();
  for (const kind of which ? [which.kind] : (["master", "template"] as const))
    for (const name of which ? [which.name] : await namesIn(join(root, `${kind}s`)))
      for (const { digest, line } of await linesOf(root, { kind, name }, options)) found.set(digest, line);
  return found;
}

interface Known extends Line {
  readonly stamp: string;
}

async function linesOf(root: string, { kind, name }: Which, options: LinesOptions): Promise<Known[]> {
  const folder = join(root, `${kind}s`, name);
  const files = (await namesIn(folder)).filter((file) => options.isManifest.test(file));
  const key = createHash("sha256").update(folder).digest("hex").slice(0, 16);
  const cache = options.cache && files.length >= fewestKept ? join(options.cache, `${key}.json`) : undefined;
  const known: ReadonlyMap<string, Known> = cache === undefined ? new Map() : await readCache(cache);
  const now = new Map<string, Known>();
  let news = 0;
  const lines: Known[] = [];
  const read = inParallel(files, filesAtATime, async (file) => {
    const path = join(folder, file);
    const { stamp, isSettled } = await stampOf(path);
    const before = known.get(file);
    if (before?.stamp === stamp) return { file, isSettled, one: before };
    const one = { stamp, ...(await options.read(path, await readFile(path, "utf8"))) };
    return { file, isSettled, isNew: true, one };
  });
  for await (const { file, isSettled, isNew, one } of read) {
    lines.push(one);
    if (isSettled) now.set(file, one);
    if (isNew && isSettled) news++;
  }
  // A cache that cannot be written only costs time.
  if (cache !== undefined && (news > 0 || now.size !== known.size))
    await writeCache(cache, now).catch(() => {});
  return lines;
}

async function stampOf(path: string): Promise<{ stamp: string; isSettled: boolean }> {
  const { mtimeNs, ctimeNs, ctimeMs, size, ino } = await stat(path, { bigint: true });
  return {
    stamp: [mtimeNs, ctimeNs, size, ino].join(" "),
    isSettled: Date.now() - Number(ctimeMs) > settledMs,
  };
}

/*
 * A cache has two lines: the sha256 of the second line, and JSON with each file's stamp, digest, line and the number of its
 * package set. Most versions have the same packages, so each set is stored once, in memory too.
 */
interface Cache {
  readonly format: 2;
  readonly sets: readonly (readonly string[])[];
  readonly files: readonly (readonly [string, string, Digest, Omit<ManifestLine, "packages">, number])[];
}

async function readCache(file: string): Promise<Map<string, Known>> {
  const text = await textOf(file).catch(() => undefined);
  const end = text?.indexOf("\n") ?? -1;
  const body = text?.slice(end + 1) ?? "";
  if (end < 0 || text?.slice(0, end) !== sumOf(body)) return new Map();
  const { format, sets, files } = JSON.parse(body) as Cache;
  if (format !== 2) return new Map();
  const packages = sets.map((set) => set.map((name) => ({ name })));
  return new Map(
    files.map(([name, stamp, digest, line, set]) => [
      name,
      { stamp, digest, line: { ...line, packages: packages[set] ?? [] } },
    ]),
  );
}

async function writeCache(file: string, known: ReadonlyMap<string, Known>): Promise<void> {
  const sets = new Map<string, number>();
  const files = [...known].map(
    ([
      name,
      {
        stamp,
        digest,
        line: { packages, ...line },
      },
    ]) => {
      const set = JSON.stringify(packages.map(({ name }) => name));
      if (!sets.has(set)) sets.set(set, sets.size);
      return [name, stamp, digest, line, sets.get(set) ?? 0] as const;
    },
  );
  const cache: Cache = { format: 2, sets: [...sets.keys()].map((set) => JSON.parse(set)), files };
  const body = JSON.stringify(cache);
  await replaceFile(file, `${sumOf(body)}\n${body}`);
}

function sumOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
