import { createHash } from "node:crypto";
import { appendFile } from "node:fs/promises";
import { dirname } from "node:path";
import { textOf } from "../../io/durable.ts";
import { makeFolders } from "../../io/folders.ts";
import type { Digest } from "../../model/digest.ts";
import type { Manifest } from "../../model/manifest.ts";
import { compare } from "./compare.ts";
import { inShort } from "./difference-words.ts";

/** Says in a line what changed between two versions, and remembers it. */
export interface News {
  /** `read` is only called for what is not remembered. */
  between(from: Digest, to: Digest, read: () => Promise<readonly [Manifest, Manifest]>): Promise<string>;
  save(): Promise<void>;
}

const linesAtATime = 200;

/**
 * Remembers in `file`, a line for each pair of manifests: the begin of a digest of both and of `tbuild`, whose words may
 * change from version to version, and the words. Manifests never change, so no line ever becomes wrong.
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
    // What cannot be remembered is looked up again the next time.
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
