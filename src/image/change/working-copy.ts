import { open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { checkInterrupted, firstFault, TbuildError } from "../../errors.ts";
import type { Host, Runner } from "../../host/host.ts";
import { writeAll } from "../../io/durable.ts";
import { printedReason, reasonOf } from "../../io/file-fault.ts";
import { joinedReader } from "../../io/reader.ts";
import type { MdArray } from "../disk/md-arrays.ts";
import { differences } from "../disk/mirrors.ts";
import { readImageFile } from "../file/image-file.ts";
import { rawView } from "../file/raw-view.ts";
import { notWritten, spareBytes } from "../file/sync-image.ts";
import type { Piece } from "./draft.ts";
import { differingPieces } from "./pieces.ts";
import { namesFor } from "./undo.ts";

/** Makes the working copy beside an image, for planning a change, and returns its name. */
export async function workingCopy(host: Runner, image: string, signal?: AbortSignal): Promise<string> {
  const copy = namesFor(image).work;
  await host
    .run(["cp", "--sparse=always", "--reflink=auto", "--", image, copy], { ...(signal && { signal }) })
    .catch((error) => {
      throw error instanceof TbuildError ? error.with({ code: "not-written" }) : error;
    });
  return copy;
}

/**
 * Runs `work` on the working copy of an image. If a disk is full, the error says which: the one that the copy is on, or the
 * guest's. Programs have the same words for both, and other words for its consequences, so the copy itself is asked.
 */
export async function copyFaultsExplained<T>(image: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const error = firstFault(thrown);
    if (!(error instanceof TbuildError) || error.fault === "usage") throw error;
    const refusal = await refusalOf(namesFor(image).work);
    const about = { subject: image, lines: error.said };
    const saysSo = error.code === "not-written" || error.code === "disk-full";
    if (error.code === "not-written" || refusal !== undefined)
      throw error.with({
        ...about,
        fault: "environment",
        ...(saysSo ? notCopied(refusal ?? printedReason(error.said)) : failedBeside(error, refusal)),
        hint: `The image was not changed. Check whether the disk of ${dirname(image)} is full or damaged.`,
      });
    if (error.code === "incomplete") throw error.with({ ...about, hint: "The image was not changed." });
    if (error.code !== "disk-full") throw error;
    throw error.with({
      ...about,
      fault: "guest",
      what: "a file system of the guest is full",
      hint: "The image was not changed. Free space in the guest, or make its disk larger: tbuild resize",
    });
  }
}

function notCopied(reason: string | undefined) {
  const what = "the change could not be written to a copy beside it";
  return { what: reason === undefined ? what : `${what}: ${reason}` };
}

/** Two facts. That one is the cause of the other is likely, and not known. */
function failedBeside(error: TbuildError, refusal: string | undefined) {
  return {
    what: `the change to a copy beside it failed, and that copy cannot be written any more: ${refusal}`,
    lines: [error.message, ...error.said],
  };
}

/** Why a copy, which is of no use any more, takes no more bytes; `undefined` if it takes some. */
async function refusalOf(copy: string): Promise<string | undefined> {
  try {
    await using file = await open(copy, "r+");
    await writeAll(file, Buffer.alloc(spareBytes, 1), (await file.stat()).size);
    await file.sync();
    return undefined;
  } catch (error) {
    // Without a copy, nothing was written.
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? undefined : reasonOf(error);
  }
}

/** The differences of the working copy from the image: bytes of the file, and its size. */
export async function copiedChange(
  host: Runner,
  image: string,
  signal?: AbortSignal,
): Promise<{ readonly pieces: readonly Piece[]; readonly bytes: number }> {
  const copy = namesFor(image).work;
  return { pieces: await differingPieces(host, image, copy, signal), bytes: (await stat(copy)).size };
}

/** Writes to the disk in an image of any format. */
export async function writeToDisk(
  host: Host,
  image: string,
  pieces: readonly Piece[],
  signal?: AbortSignal,
): Promise<void> {
  if (pieces.length === 0) return;
  await using view = await rawView(host, image, false);
  await using target = await open(view.file, "r+");
  for (const { offset, after } of pieces) {
    checkInterrupted(signal);
    const data = await after();
    await writeAll(target, data, offset).catch((cause) => {
      throw notWritten(image, { lines: [reasonOf(cause)], cause });
    });
  }
}

/**
 * The differences between two disks in mirrors with members in other images; `undefined` if there are none.
 */
export async function changedInMirrors(
  image: string,
  changed: string,
  arrays: readonly MdArray[],
  signal?: AbortSignal,
): Promise<readonly Piece[] | undefined> {
  const shared = arrays.filter(({ elsewhere, isSwap }) => elsewhere.length > 0 && !isSwap);
  if (shared.length === 0) return undefined;
  await using before = await readImageFile(image);
  await using after = await readImageFile(changed);
  const both = joinedReader([before, after]);
  const all = [{ start: 0, length: both.bytes }];
  const pieces: Piece[] = [];
  for (const { offset, bytes } of shared) {
    const now = { offset: before.bytes + offset, bytes };
    for await (const { at, other } of differences(both, { offset, bytes }, now, all, signal))
      pieces.push({ offset: offset + at, bytes: other.length, after: async () => other });
  }
  return pieces;
}
