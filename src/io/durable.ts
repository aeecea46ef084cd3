import { type FileHandle, open, readdir, readFile, rename, rm, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { firstFault, TbuildError } from "../errors.ts";
import { refuseDangling } from "./dangling.ts";
import { fileFault, isFull, systemFault } from "./file-fault.ts";
import { makeFolders } from "./folders.ts";

/** Writes a file atomically and durably: it appears complete or not at all, and survives a power cut. */
export async function writeOnce(temporary: string, file: string, data: string | Uint8Array): Promise<void> {
  await makeFolders(dirname(temporary));
  // A kill may have left one that even its owner cannot open for writing.
  await rm(temporary, { force: true });
  try {
    await using handle = await open(temporary, "w", 0o444);
    await handle.writeFile(data);
    await handle.sync();
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw firstFault(error);
  }
  await renameDurably(temporary, file).catch(async (error) => {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  });
}

/** Renames a synced file, then syncs its new folder. */
export async function renameDurably(temporary: string, file: string): Promise<void> {
  // A new folder is an entry in its parent, which must be synced too.
  const made = await makeFolders(dirname(file));
  await rename(temporary, file);
  await syncFolder(dirname(file));
  if (made !== undefined)
    for (let folder = dirname(file); folder.length >= made.length; folder = dirname(folder))
      await syncFolder(dirname(folder));
}

/** Removes files durably: after a power cut they are still gone. */
export async function removeDurably(files: readonly string[]): Promise<void> {
  for (const file of files)
    await unlink(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
  for (const folder of new Set(files.map(dirname))) await syncFolder(folder).catch(() => {});
}

export async function bytesAt(handle: FileHandle, start: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(buffer, done, length - done, start + done);
    if (bytesRead === 0) throw new TbuildError("integrity", "the file is too short");
    done += bytesRead;
  }
  return buffer;
}

/** Writes all of `data`: at `position`, or where the file is at. */
export async function writeAll(handle: FileHandle, data: Uint8Array, position?: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const at = position === undefined ? null : position + done;
    done += (await handle.write(data, done, data.length - done, at)).bytesWritten;
  }
}

/** `undefined` if the file does not exist. Any other error is thrown. */
export async function textOf(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw fileFault(error, file);
  });
}

/**
 * As `textOf`, for what tbuild keeps. If a symbolic link on its way leads nowhere, it is not known whether it exists: its file
 * system may not be mounted. That is an `environment` fault.
 */
export async function keptTextOf(file: string): Promise<string | undefined> {
  const text = await textOf(file);
  if (text === undefined) await refuseDangling(file);
  return text;
}

export async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw fileFault(error, path);
  }
}

/** Turns a refusal to write below `place` into a fault that names it. Other errors stay as they are. */
export function explained(error: unknown, place: string): unknown {
  if (!isFull(error)) return systemFault(error, place) ?? error;
  return (fileFault(error, place) as TbuildError).with({
    subject: place,
    hint: "Free some space and try again. Nothing was published, and nothing is lost.",
  });
}

/** The sorted names in a folder; empty if the folder does not exist. */
export async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw fileFault(error, folder);
  });
  if (names === undefined) await refuseDangling(folder);
  return names?.sort() ?? [];
}

/** After this, names that were given or removed in the folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, "r");
  await handle.sync().catch((error: NodeJS.ErrnoException) => {
    // Some file systems cannot sync a folder, such as FUSE's.
    if (!["EINVAL", "ENOTSUP", "ENOSYS", "EBADF"].includes(error.code ?? "")) throw error;
  });
}

/** After this, the regular files below a folder, their names and the folders survive a power cut. */
export async function syncBelow(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await syncBelow(path);
    if (!entry.isFile()) continue;
    await using handle = await open(path, "r");
    await handle.sync();
  }
  await syncFolder(folder);
}
