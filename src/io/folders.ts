import { mkdirSync, statSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { TbuildError } from "../errors.ts";
import { refuseDangling } from "./dangling.ts";
import { fileFault } from "./file-fault.ts";

/** Makes a folder in an existing parent. An existing folder is fine. Throws `environment` with the reason. */
export async function makeFolder(folder: string): Promise<void> {
  if (await isFolder(folder)) return;
  await mkdir(folder).catch((error) => {
    throw fileFault(error, folder);
  });
}

/**
 * Makes a folder and its missing parents. Returns the topmost one that was made; `undefined` if all existed.
 * Throws `environment` with the reason. Node's recursive `mkdir` never ends below /proc, and reports "no such file" on a
 * read-only file system.
 */
export async function makeFolders(folder: string, mode = 0o777): Promise<string | undefined> {
  if (await isFolder(folder)) return undefined;
  const made = await attempt(folder, mode);
  if (made !== "no parent") return made;
  const above = dirname(folder);
  const highest = above === folder ? undefined : await makeFolders(above, mode);
  const again = await attempt(folder, mode);
  if (again === "no parent")
    throw new TbuildError("environment", "no folder can be made there", { subject: folder });
  return highest ?? again;
}

/** As `makeFolders`, for callers that cannot wait. */
export function makeFoldersSync(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  if (dirname(folder) !== folder) makeFoldersSync(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw fileFault(error, folder);
  }
}

async function attempt(folder: string, mode: number): Promise<string | undefined | "no parent"> {
  try {
    await mkdir(folder, { mode });
    return folder;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return "no parent";
    // Another process may have made it in the meantime.
    if (code === "EEXIST" && (await isExistingFolder(folder))) return undefined;
    throw fileFault(error, folder);
  }
}

/** Throws if that cannot be known now. */
async function isExistingFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw fileFault(error, path);
  });
  if (found === undefined) await refuseDangling(path);
  return found?.isDirectory() ?? false;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
