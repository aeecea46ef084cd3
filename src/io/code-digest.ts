import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

export interface CodeDigestOptions {
  /**
   * Whether a module, and what it imports, leaves a mark on what the code makes; it gets the path below `src/`, without
   * the ending.
   */
  readonly shapes?: (path: string) => boolean;
  /** Reads a module of ours by its URL. */
  readonly read?: (url: string) => Promise<string>;
}

/**
 * The digest of a module and of all modules of ours that it imports, as they run here. Where the files lie is not part
 * of it, so files may be moved. `dist/` has no comments, so a comment changes nothing there.
 */
export async function codeDigest(module: string, options: CodeDigestOptions = {}): Promise<string> {
  const texts = await modulesOf(module, options);
  const digests = [...texts.values()].map((text) =>
    createHash("sha256").update(withoutPaths(text)).digest("hex"),
  );
  return createHash("sha256").update(digests.sort().join("\n")).digest("hex").slice(0, 16);
}

/** The text of a module and of all modules of ours that it imports, by URL. Imports of types do not count. */
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

/** The path of a module below `src/`, without its ending: `host/lock`. */
export function pathOf(url: string): string {
  return fileURLToPath(url)
    .slice(root.length)
    .replace(/\.[jt]s$/, "");
}

const root = fileURLToPath(new URL("../", import.meta.url));

const known = new Map<string, Promise<string>>();

// Many ask for the same modules, and none changes while we run.
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
