import { open, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { TbuildError } from "../../errors.ts";
import { reasonOf } from "../../io/file-fault.ts";

/** A disk with less room than this counts as full: it is more than one write of a guest's file system needs. */
export const spareBytes = 2 << 20;

/** Throws if what programs wrote to `file` cannot reach its disk. `image` is the name that people know. */
export async function syncImage(file: string, image = file): Promise<void> {
  let full: boolean;
  try {
    await using handle = await open(file, "r+");
    await handle.sync();
    full = await isFull(dirname(image));
  } catch (error) {
    throw notWritten(image, { lines: [reasonOf(error)], cause: error });
  }
  if (full)
    throw notWritten(image, {
      lines: [
        "its disk has less than 2 MiB left, so some of what the guest's file system wrote may be missing",
      ],
    });
}

/**
 * Whether a write to a file system may have been cut short. Linux's loop device reports a write as done although the disk
 * below took only its first part (measured with 6.18: the guest's fsync and syncfs succeed). What is left is then
 * less than one write needs.
 */
async function isFull(folder: string): Promise<boolean> {
  const { blocks, bsize, bfree, bavail } = await statfs(folder);
  // Some network file systems do not tell.
  return blocks > 0 && (process.getuid?.() === 0 ? bfree : bavail) * bsize < spareBytes;
}

/** Says that a program could not write what it changed. */
export function notWritten(
  subject: string | undefined,
  { lines, cause }: { readonly lines: readonly string[]; readonly cause?: unknown },
): TbuildError {
  return new TbuildError("environment", "the changes could not be written to the image", {
    subject,
    code: "not-written",
    lines,
    hint: "Check whether the disk that it is on is full or damaged.",
    cause,
  });
}
