import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

export interface CodeDigestOptions {
  /**
   * Returns whether a module and its imports can affect the code's results. Gets the path below `src/` without its
   * extension.
   */
  readonly shapes?: (path: string) => boolean;
  /** Reads one of tbuild's modules by its URL. */
  readonly read?: (url: string) => Promise<string>;
}

/**
 * The digest of a module and of all of tbuild's modules that it imports, as they run here. Paths are not part of it, so
 * files may be moved. `dist/` has no comments, so comments do not change it.
 */
export async function codeDigest(module: string, options: CodeDigestOptions = {}): Promise<string> {
  const texts = await modulesOf(module, options);
  const digests = [...texts.values()].map((text) =>
    createHash("sha256").update(withoutPaths(text)).digest("hex"),
  );
  return createHash("sha256").update(digests.sort().join("\n")).digest("hex").slice(0, 16);
}

/** The text of a module and of all of tbuild's modules that it imports, by URL. Type imports do not count. */
export async function modulesOf(
  module: string,
  { shapes = () => true, read = readOnce }: CodeDigestOptions = {},
): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  const follow = async (url: string): Promise<void> => {
    if (texts.has(url) || !shapes(pathOf(url))) return;
    texts.set(url, "");
    const text = await read(url);
    texts.set(url, text);
    await Promise.all(importsOf(text).map((specifier) => follow(new URL(specifier, url).href)));
  };
  await follow(module);
  return texts;
}

/** The path of a module below `src/` without its extension: `host/lock`. */
export function pathOf(url: string): string {
  return fileURLToPath(url)
    .slice(root.length)
    .replace(/\.[jt]s$/, "");
}

const root = fileURLToPath(new URL("../", import.meta.url));

const known = new Map<string, Promise<string>>();

// Many callers ask for the same modules, and none changes while we run.
function readOnce(url: string): Promise<string> {
  const text = known.get(url) ?? readFile(fileURLToPath(url), "utf8");
  known.set(url, text);
  return text;
}

const imports =
  /(?:^import\s+(type\s)?[^;]*?from\s+|^import\s+|^export\s+(type\s)?[^;]*?from\s+|\bimport\()"(\.[^"]+)"/gm;

function importsOf(text: string): string[] {
  return [...text.matchAll(imports)]
    .filter(([, type, exported]) => type === undefined && exported === undefined)
    .map(([, , , specifier = ""]) => specifier);
}

function withoutPaths(text: string): string {
  return text.replace(imports, (whole, _type, _exported, specifier: string) =>
    whole.replace(specifier, basename(specifier).replace(/\.[jt]s$/, "")),
  );
}
