import { constants } from "node:fs";
import { copyFile, readdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { inOnePiece } from "../host/partial-file.ts";
import { makeFolder, makeFolders } from "../io/folders.ts";
import { shipped } from "./shipped.ts";

/** Makes a recipe repo from tbuild's recipes. Returns the files that it wrote. Existing files are not changed. */
export async function makeRecipeRepo(host: Host, folder: string): Promise<string[]> {
  if (await isComplete(host, folder))
    throw new TbuildError("usage", "already contains recipes", {
      subject: folder,
      hint: "Use this repository as it is, or name an empty folder.",
    });
  await makeFolder(folder);
  const inside = await host.run(["git", "rev-parse", "--is-inside-work-tree"], {
    cwd: folder,
    allow: anyCode,
  });
  if (inside.exitCode !== 0) await host.run(["git", "init", "--quiet", "-b", "main"], { cwd: folder });
  const copied: Copied = { written: [], present: [] };
  try {
    await copyTree(shipped.recipeRepo, folder, copied);
    await copyTree(shipped.kickstarts, join(folder, "kickstart"), copied);
    await copyTree(shipped.recipes, join(folder, "recipes"), copied);
  } catch (error) {
    for (const file of copied.written) await rm(file, { force: true }).catch(() => {});
    throw error;
  }
  const files = [...copied.written, ...copied.present];
  await host.run(["git", "add", "--", ...files], { cwd: folder });
  return files.map((file) => relative(folder, file)).sort();
}

// A killed `init` leaves only files that tbuild wrote and git does not track.
async function isComplete(host: Host, folder: string): Promise<boolean> {
  const recipes = join(folder, "recipes");
  if (!(await exists(recipes))) return false;
  const known = await host.run(["git", "ls-files", "--", "recipes"], { cwd: folder, allow: anyCode });
  if (known.stdout !== "") return true;
  for (const file of await filesIn(recipes)) {
    const isPart = relative(recipes, file).includes(".tbuild-part-");
    if (!isPart && !(await isSame(join(shipped.recipes, relative(recipes, file)), file))) return true;
  }
  return false;
}

interface Copied {
  readonly written: string[];
  /** Files that already existed with the same contents. */
  readonly present: string[];
}

// A file such as .gitignore is stored as `dot-gitignore`, because npm does not pack a .gitignore.
async function copyTree(from: string, to: string, { written, present }: Copied): Promise<void> {
  for (const source of await filesIn(from)) {
    const target = join(to, relative(from, source).replaceAll(/(^|\/)dot-/g, "$1."));
    if (await exists(target)) {
      if (await isSame(source, target)) present.push(target);
      continue;
    }
    await makeFolders(dirname(target));
    await inOnePiece(target, (part) => copyFile(source, part, constants.COPYFILE_EXCL));
    written.push(target);
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function isSame(source: string, target: string): Promise<boolean> {
  const [one, other] = await Promise.all(
    [source, target].map((file) => readFile(file).catch(() => undefined)),
  );
  return one !== undefined && other !== undefined && one.equals(other);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

const anyCode = [...Array(256).keys()];
