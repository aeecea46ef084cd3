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

// A whole record is held in memory. The record of a scrub contains the old contents of free blocks.
const mostRecordBytes = 64 * 1024 * 1024;

/**
 * Lets `work` look at the guest as it was before the changes whose records lie beside its image. `undefined` where there
 * are none, or where they cannot be laid over it: on a qcow2, on anything but ext, or on an image of another size. If
 * something else has changed the image since, the result is only approximate.
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
