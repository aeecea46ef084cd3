import { mkdir, stat } from "node:fs/promises";
import { TbuildError } from "../errors.ts";

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the quota is used up",
  EFBIG: "the file system has no files of that size",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOENT: "there is no such folder",
  ENOTDIR: "part of the path is no folder",
  EISDIR: "is a folder",
  EEXIST: "something else is there",
};

/** What the file system refused, as an `environment` fault that names the place; any other error as it is. */
export function fileFault(error: unknown, place: string): unknown {
  const reason = reasons[(error as NodeJS.ErrnoException).code ?? ""];
  if (reason === undefined || error instanceof TbuildError) return error;
  return new TbuildError("environment", `${place}: ${reason}`, { cause: error });
}

/** Makes a folder where its parent is; one that is there is fine. */
export async function makeFolder(folder: string): Promise<void> {
  if ((await stat(folder).catch(() => undefined))?.isDirectory()) return;
  // Not recursive: below /proc, Node's recursive mkdir never ends.
  await mkdir(folder).catch((error) => {
    throw fileFault(error, folder);
  });
}
