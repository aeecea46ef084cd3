import { createHash } from "node:crypto";
import { appendFile } from "node:fs/promises";
import { dirname } from "node:path";
import { textOf } from "../../io/durable.ts";
import { makeFolders } from "../../io/folders.ts";
import type { Digest } from "../../model/digest.ts";
import type { Manifest } from "../../model/manifest.ts";
import { compare } from "./compare.ts";
import { inShort } from "./difference-words.ts";

/** Summarises the changes between two versions in one line, and caches it. */
export interface News {
  /** `read` is called only if the summary is not cached. */
  between(from: Digest, to: Digest, read: () => Promise<readonly [Manifest, Manifest]>): Promise<string>;
  save(): Promise<void>;
}

const linesAtATime = 200;

/**
 * Caches in `file`, a line for each pair of manifests: the first digits of a digest of both and of tbuild's version, whose
 * wording may change, and the summary. Manifests never change, so a line never becomes wrong.
 */
export async function openNews(file: string, tbuild: string): Promise<News> {
  const known = new Map<string, string>();
  for (const line of ((await textOf(file).catch(() => undefined)) ?? "").split("\n")) {
    const [, key, words] = /^([0-9a-f]{32}) ([^\n]+)$/.exec(line) ?? [];
    if (key !== undefined && words !== undefined) known.set(key, words);
  }
  let waiting: string[] = [];
  const save = async () => {
    const lines = waiting;
    waiting = [];
    if (lines.length === 0) return;
    // Without the cache, it is computed again next time.
    await makeFolders(dirname(file))
      .then(() => appendFile(file, lines.join("")))
      .catch(() => {});
  };
  return {
    async between(from, to, read) {
      const key = createHash("sha256").update(`${tbuild} ${from} ${to}`).digest("hex").slice(0, 32);
      const there = known.get(key);
      if (there !== undefined) return there;
      const words = inShort(compare(...(await read())));
      known.set(key, words);
      waiting.push(`${key} ${words}\n`);
      if (waiting.length >= linesAtATime) await save();
      return words;
    },
    save,
  };
}
