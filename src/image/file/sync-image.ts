import { open } from "node:fs/promises";
import { TbuildError } from "../../errors.ts";
import { reasonOf } from "../../io/file-fault.ts";

/** Throws if what programs wrote to `file` cannot reach its disk. `image` is the name that people know. */
export async function syncImage(file: string, image = file): Promise<void> {
  try {
    await using handle = await open(file, "r+");
    await handle.sync();
  } catch (error) {
    throw notWritten(image, { lines: [reasonOf(error)], cause: error });
  }
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
