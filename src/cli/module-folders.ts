import { readdir, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { Command } from "commander";
import { recipeFolders } from "../build/opened-site.ts";
import type { ForRelease } from "../firstboot/check/index.ts";
import { type Major, parseMajor, releases } from "../guest/release.ts";

/**
 * The folders of modules. A module is named by its path, or by its name if recipes can use it. Without names:
 * all modules that recipes can use, each name once, nearest folder first.
 */
export async function moduleFoldersOf(named: readonly string[], command: Command): Promise<string[]> {
  if (named.length === 0) return await usableModules(command);
  const isPath = await Promise.all(
    named.map(async (one) => one.includes("/") || (await stat(one).catch(() => undefined)) !== undefined),
  );
  const usable = isPath.includes(false) ? await usableModules(command) : [];
  return named.map((one, at) =>
    isPath[at] ? one : (usable.find((folder) => basename(folder) === one) ?? one),
  );
}

/** The folder of one module, named in the same way. */
export async function moduleFolderOf(named: string, command: Command): Promise<string> {
  const [folder = named] = await moduleFoldersOf([named], command);
  return folder;
}

async function usableModules(command: Command): Promise<string[]> {
  const { recipes } = command.optsWithGlobals<{ recipes: string }>();
  const found = new Map<string, string>();
  for (const folder of recipeFolders({ recipes: resolve(recipes) })) {
    const modules = join(folder, "modules");
    const entries = await readdir(modules, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    });
    for (const entry of entries)
      if (entry.isDirectory() && !found.has(entry.name)) found.set(entry.name, join(modules, entry.name));
  }
  return [...found.values()].sort();
}

/** The releases in `ol6,ol7`, each with its Python. Default: all. */
export function releasesOf(words: string | undefined): ForRelease[] {
  const majors =
    words === undefined
      ? Object.keys(releases).map((major) => Number(major) as Major)
      : words.split(",").map((word) => parseMajor(word.trim()));
  return majors.map((major) => ({ name: `ol${major}`, python: releases[major].python }));
}
