import { constants } from "node:fs";
import { copyFile, readdir, rm, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { inOnePiece } from "../host/partial-file.ts";
import { makeFolder, makeFolders } from "../io/folders.ts";
import { shipped } from "./shipped.ts";

/** Makes a recipe repo from tbuild's recipes. Returns the files that it wrote. Existing files are not changed. */
export async function makeRecipeRepo(host: Host, folder: string): Promise<string[]> {
  if (await exists(join(folder, "recipes")))
    throw new TbuildError("usage", "already contains recipes", {
      subject: folder,
      hint: "Use this repository as it is, or name an empty folder.",
    });
  await makeFolder(folder);
  const any = { cwd: folder, allow: [...Array(256).keys()] };
  const inside = await host.run(["git", "rev-parse", "--is-inside-work-tree"], any);
  if (inside.exitCode !== 0) await host.run(["git", "init", "--quiet", "-b", "main"], { cwd: folder });
  const written: string[] = [];
  try {
    await copyTree(shipped.recipeRepo, folder, written);
    await copyTree(shipped.kickstarts, join(folder, "kickstart"), written);
    // This folder says that the repo is complete.
    const recipes = join(folder, "recipes");
    await inOnePiece(recipes, async (part) => {
      for (const file of await copyTree(shipped.recipes, part))
        written.push(join(recipes, relative(part, file)));
    });
  } catch (error) {
    for (const file of written) await rm(file, { force: true }).catch(() => {});
    throw error;
  }
  await host.run(["git", "add", "--", ...written], { cwd: folder });
  return written.map((file) => relative(folder, file)).sort();
}

// Names that start with a dot are kept as `dot-…`: npm does not pack a .gitignore.
async function copyTree(from: string, to: string, written: string[] = []): Promise<string[]> {
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const source = join(entry.parentPath, entry.name);
    const target = join(to, relative(from, source).replaceAll(/(^|\/)dot-/g, "$1."));
    if (await exists(target)) continue;
    await makeFolders(dirname(target));
    await copyFile(source, target, constants.COPYFILE_EXCL);
    written.push(target);
  }
  return written;
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
