import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { TbuildError } from "../errors.ts";
import type { ForRelease } from "../firstboot/check/index.ts";
import { type Major, parseMajor, releases } from "../guest/release.ts";

/** The module folders that are named, or all in the recipes folder. */
export async function moduleFoldersOf(named: readonly string[], command: Command): Promise<string[]> {
  if (named.length > 0) return [...named];
  const folder = join(resolve(command.optsWithGlobals<{ recipes: string }>().recipes), "modules");
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const found = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
  if (found.length === 0)
    throw new TbuildError("usage", "no modules", {
      subject: folder,
      hint: "Name a module's folder, or make one: recipes/modules/NAME/NAME is its script.",
    });
  return found.sort();
}

/** The releases of `ol6,ol7`, each with its Python; all where none is named. */
export function releasesOf(words: string | undefined): ForRelease[] {
  const majors =
    words === undefined
      ? Object.keys(releases).map((major) => Number(major) as Major)
      : words.split(",").map((word) => parseMajor(word.trim()));
  return majors.map((major) => ({ name: `ol${major}`, python: releases[major].python }));
}
