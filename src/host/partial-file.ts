import { randomBytes } from "node:crypto";
import { rmSync, type Stats } from "node:fs";
import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  realpath,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { TbuildError } from "../errors.ts";
import { syncFolder } from "../io/durable.ts";
import { fileFault } from "../io/file-fault.ts";
import { makeFolders } from "../io/folders.ts";
import { isAbandoned, ownerMark, type TemporaryFolder } from "./temporary.ts";

/** What this process has not finished. Its exit removes it, also in commands that a signal ends at once. */
const unfinished = new Set<string>();
const swept = new Set<string>();

/**
 * Makes a file, or a folder, that appears complete or not at all: `make` writes `part` in the same folder, which then gets the
 * name. A failure or the exit of this process removes it. After SIGKILL, the next command that writes into this folder does.
 */
export async function inOnePiece<T>(file: string, make: (part: string) => Promise<T>): Promise<T> {
  const folder = dirname(resolve(file));
  const part = await partIn(folder);
  try {
    await sweep(folder);
    await requireReplaceable(file);
    begin(part);
    const made = await make(part);
    await rename(part, file);
    await syncFolder(folder);
    return made;
  } catch (error) {
    await rm(part, { recursive: true, force: true }).catch(() => {});
    throw namedAs(fileFault(error, file), part, file);
  } finally {
    end(part);
  }
}

/** A folder for the partial files of a result in `parent`. It goes as a partial file does. */
export async function partialFolder(parent: string): Promise<TemporaryFolder> {
  const path = await partIn(resolve(parent));
  await sweep(parent);
  begin(path);
  await mkdir(path).catch((error) => {
    end(path);
    throw namedAs(fileFault(error, path), path, parent);
  });
  return {
    path,
    async [Symbol.asyncDispose]() {
      // If that is refused, our exit tries again, and then the next command here. What failed before it counts.
      await rm(path, { recursive: true, force: true }).then(
        () => end(path),
        () => {},
      );
    },
  };
}

/** A fault of a partial file is one of the file that the user knows. */
export function namedAs(error: unknown, part: string, file: string): unknown {
  if (!(error instanceof TbuildError)) return error;
  const { subject = "" } = error;
  return subject === part || subject.startsWith(`${part}/`) ? error.with({ subject: file }) : error;
}

async function partIn(folder: string): Promise<string> {
  return join(folder, `.tbuild-part-${await ownerMark()}-${randomBytes(3).toString("hex")}`);
}

function begin(part: string): void {
  if (unfinished.size === 0) process.on("exit", removeUnfinished);
  unfinished.add(part);
}

function end(part: string): void {
  unfinished.delete(part);
  if (unfinished.size === 0) process.off("exit", removeUnfinished);
}

/** Replaces a file by `data`, durably. Makes missing folders. */
export async function replaceFile(file: string, data: string | Uint8Array, mode = 0o666): Promise<void> {
  await makeFolders(dirname(file));
  await inOnePiece(file, async (part) => {
    await using handle = await open(part, "wx", mode);
    await handle.writeFile(data);
    await handle.sync();
  });
}

/** As `inOnePiece`, for what is written through a handle. The handle is synced and closed. */
export async function writeInOnePiece<T>(
  file: string,
  write: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  return inOnePiece(file, async (part) => {
    await using handle = await open(part, "wx+");
    const written = await write(handle);
    await handle.sync();
    return written;
  });
}

/**
 * The file that a person means by `file`: what symbolic links lead to, as for cp(1) and the shell's `>`. Writing that in one
 * piece keeps the links. Not for files in a folder that others fill: their links could lead out of it.
 */
export async function behindLinks(file: string): Promise<string> {
  const found = await stat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw fileFault(error, file);
  });
  if (found) {
    refuseOthers(file, found);
    return realpath(file);
  }
  // A link that leads nowhere names a new file.
  const target = await readlink(file).catch(() => undefined);
  if (target === undefined) return file;
  const place = isAbsolute(target) ? target : `${await realpath(dirname(file))}/${target}`;
  const folder = await realpath(dirname(place)).catch((error) => {
    throw fileFault(error, file);
  });
  return behindLinks(join(folder, basename(place)));
}

async function sweep(folder: string): Promise<void> {
  if (swept.has(folder)) return;
  swept.add(folder);
  for (const name of await readdir(folder).catch(() => []))
    if (name.startsWith(".tbuild-part-") && (await isAbandoned(name)))
      await rm(join(folder, name), { recursive: true, force: true }).catch(() => {});
}

// A rename would replace a device or a pipe, such as /dev/null, for everybody.
async function requireReplaceable(file: string): Promise<void> {
  const found = await lstat(file).catch(() => undefined);
  if (found && !found.isSymbolicLink()) refuseOthers(file, found);
}

function refuseOthers(file: string, found: Stats): void {
  if (found.isFile()) return;
  throw new TbuildError("environment", found.isDirectory() ? "is a folder" : "is not a regular file", {
    subject: file,
    hint: "Name a new file.",
  });
}

function removeUnfinished(): void {
  for (const part of unfinished)
    try {
      rmSync(part, { recursive: true, force: true });
    } catch {
      // The next command that writes into its folder tries again.
    }
}
