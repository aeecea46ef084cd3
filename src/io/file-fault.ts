import { TbuildError } from "../errors.ts";

/** The meaning of system errors on files (errno(3)). This is the only list. */
const reasons: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the quota is used up",
  EFBIG: "the file system has no files of that size",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  EIO: "the disk cannot be read or written (I/O error)",
  ENXIO: "the device is gone",
  ENODEV: "the device is gone",
  // sshfs's answer once its connection has ended.
  ENOTCONN: "the connection to the file server is lost",
  ECONNABORTED: "the connection to the file server is lost",
  EUCLEAN: "the file system is damaged",
  EREMOTEIO: "the disk cannot be read or written (I/O error)",
  ENOMEDIUM: "the device is gone",
  ESTALE: "the file server has lost the file (stale handle)",
  EMFILE: "too many files are open in this process (`ulimit -n`)",
  ENFILE: "too many files are open on this machine",
  ENOMEM: "the machine has no memory left",
  EAGAIN: "the machine allows no more processes (`ulimit -u`) or has no memory left",
  E2BIG: "the command line is too long",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "too many symbolic links, or links that form a loop",
  ENOENT: "there is no such folder",
  ENOTDIR: "part of the path is not a folder",
  EISDIR: "is a folder",
  ENOTEMPTY: "the folder is not empty",
  EBUSY: "is in use",
  ETXTBSY: "is in use",
  EEXIST: "a file or folder of that name exists",
};

/** Linux errors that Node does not know: their code is "Unknown system error -122". */
const unknownToNode: Readonly<Record<number, string>> = {
  116: "ESTALE",
  117: "EUCLEAN",
  121: "EREMOTEIO",
  122: "EDQUOT",
  123: "ENOMEDIUM",
};

function codeOf(error: unknown): string {
  const { code = "", errno = 0 } = error as NodeJS.ErrnoException;
  return unknownToNode[-errno] ?? code;
}

/** Why a file could not be read or opened. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  return code === "ENOENT" ? "there is no such file" : (reasons[code] ?? (code || String(error)));
}

/** True if the disk or the user's quota is full. */
export function isFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes(codeOf(error));
}

/** What programs print of such an error in the C locale (strerror(3)). */
const printedAs: Readonly<Record<string, string>> = {
  "No space left on device": "ENOSPC",
  "Disk quota exceeded": "EDQUOT",
  "File too large": "EFBIG",
  "Input/output error": "EIO",
  "Read-only file system": "EROFS",
  "Permission denied": "EACCES",
  "Too many open files": "EMFILE",
  "Stale file handle": "ESTALE",
};

/** The reason at the end of a line that a program printed, such as `cp: error writing 'x': No space left on device`. */
export function printedReason(lines: readonly string[]): string | undefined {
  for (const line of lines) {
    const said = /: ([A-Z][\w/ -]+)\.?$/.exec(line.trimEnd())?.[1] ?? "";
    const code = printedAs[said];
    if (code !== undefined) return reasons[code];
  }
  return undefined;
}

/** Errors that may also be a bug in tbuild, if nothing expected them. */
const doubtful = ["ENOENT", "EEXIST", "ENOTEMPTY"];

/** A system error that no caller explained; `undefined` for any other error. `place`: where, if the error does not say. */
export function systemFault(
  error: unknown,
  place = "a file that the system did not name",
): TbuildError | undefined {
  const { path, syscall } = error as NodeJS.ErrnoException;
  const code = codeOf(error);
  if (syscall === undefined || doubtful.includes(code) || !(code in reasons)) return undefined;
  return fileFault(error, path ?? place) as TbuildError;
}

/** Turns a file system's refusal into an `environment` fault that names the place. Other errors stay as they are. */
export function fileFault(error: unknown, place: string): unknown {
  const code = codeOf(error);
  const reason = reasons[code];
  if (reason === undefined || error instanceof TbuildError) return error;
  // A write to a place can fail on a path below it.
  const { path } = error as NodeJS.ErrnoException;
  const where =
    path !== undefined && path !== place && code !== "ENOENT" && path.startsWith(`${place}/`) ? path : place;
  return new TbuildError("environment", reason, { subject: where, cause: error });
}
