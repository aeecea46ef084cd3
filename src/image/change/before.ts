import { TbuildError } from "../../errors.ts";
import type { Mount } from "../access.ts";
import { readImageFile } from "../file/image-file.ts";
import type { GuestTree } from "../tree.ts";
import { draftOf } from "./draft.ts";
import { draftTree } from "./draft-tree.ts";
import { isReadInProcess } from "./plan-ways.ts";
import { imagePath } from "./planned-change.ts";
import { undoRecords } from "./undo.ts";
import { openBeside, piecesOf, readHead } from "./undo-record.ts";

// A complete record is kept in memory. The record of a scrub contains the old contents of free blocks.
const mostRecordBytes = 64 * 1024 * 1024;

/**
 * Runs `work` on the guest's state before the changes with records beside its image. `undefined` if there are
 * none, or they cannot be applied: on a qcow2, on a file system other than ext, or on an image of another
 * size. If something else has changed the image since, the result is only approximate.
 */
export async function lookBefore<Result>(
  file: string,
  mounts: readonly Mount[],
  work: (tree: GuestTree) => Promise<Result>,
): Promise<Result | undefined> {
  const path = await imagePath(file);
  const records = await undoRecords(path);
  if (records.length === 0 || records.reduce((sum, one) => sum + one.bytes, 0) > mostRecordBytes)
    return undefined;
  await using image = await readImageFile(path);
  if (image.format !== "raw" || !isReadInProcess(mounts)) return undefined;
  const before = draftOf(image);
  try {
    for (const record of records.reverse()) {
      await using opened = await openBeside(record.file, "r");
      const { sizeAfter } = await readHead(opened, record.file);
      if (record.image === path && sizeAfter !== image.bytes) return undefined;
      for await (const { index, offset, before: old } of piecesOf(opened, record.file))
        if ([record.image, ...record.others][index] === path) await before.write(offset, old);
    }
    return await work(await draftTree(before, mounts));
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    return undefined;
  }
}
