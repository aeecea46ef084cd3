import { TbuildError } from "../../errors.ts";

/** Thrown for changes that tbuild's ext writer does not support. Another access method may. */
export class Unfit extends TbuildError {
  constructor(what: string) {
    super("environment", `ext: ${what}`, { hint: "Try another access method with --via." });
  }
}

/** The error for a file system that contradicts itself. */
export function damaged(what: string): TbuildError {
  return new TbuildError("integrity", `ext file system: damaged, ${what}`, {
    hint: "Nothing was changed. Check a copy with e2fsck.",
  });
}

/** The same, when the file system is only read. */
export function unreadable(what: string): TbuildError {
  return new TbuildError("integrity", `ext file system: damaged, ${what}`, {
    hint: "Check a copy with e2fsck.",
  });
}
