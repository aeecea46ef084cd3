import { TbuildError } from "../../errors.ts";
import type { Watch } from "../../host/long-work.ts";
import type { Reader } from "../../io/reader.ts";
import type { ImageAccess, Mount } from "../access.ts";
import { collectingTree } from "../change/change.ts";
import { type Files, partsOf } from "../change/draft-tree.ts";
import { partFinder } from "../change/parts.ts";
import { insideOf } from "../disk/disk.ts";
import { openExt } from "../ext/ext.ts";
import { openFat } from "../fat/fat.ts";
import { readImageFile } from "../file/image-file.ts";
import { GuestTree } from "../tree.ts";

/**
 * Reading in process: no program, no root, no raw view. Fast enough for hundreds of images.
 */
export function directAccess(note: (text: string) => void = () => {}): ImageAccess {
  return {
    name: "direct",
    readsOnly: true,
    joinsPieces: true,
    formats: ["raw", "qcow2"],
    filesystems: ["ext2", "ext3", "ext4", "vfat"],
    async check() {},
    async open(image, mounts, { watch } = {}) {
      const disk = await readImageFile(image);
      try {
        const close = async () => disk[Symbol.asyncDispose]();
        return await directTree(disk, mounts, { note, close, ...(watch && { watch }) });
      } catch (error) {
        await disk[Symbol.asyncDispose]();
        throw error;
      }
    },
  };
}

/** The readable files of a disk, read only. */
export async function directTree(
  disk: Reader,
  mounts: readonly Mount[],
  {
    note = () => {},
    close = async () => {},
    watch = {},
  }: { note?: (text: string) => void; close?: () => Promise<void>; watch?: Watch } = {},
): Promise<GuestTree> {
  const parts: { readonly at: string; readonly files: Files }[] = [];
  for (const { at, volume } of mounts) {
    const inside = insideOf(disk, volume);
    const files = volume.fs === "vfat" ? await openFat(inside) : await openExt(inside);
    if ("isDirty" in files && files.isDirty)
      note(`${volume.name}: not cleanly unmounted; changes in its journal are not seen`);
    parts.push({ at, files });
  }
  const partOf = partFinder(parts);
  return new GuestTree(
    collectingTree({
      stat: (path) => (({ files }, inside) => files.stat(inside))(...partOf(path)),
      list: (path) => (({ files }, inside) => files.list(inside))(...partOf(path)),
      readFile: (path) => (({ files }, inside) => files.readFile(inside))(...partOf(path)),
      parts: (path) => (({ files }, inside) => partsOf(files, inside))(...partOf(path)),
      async apply() {
        throw new TbuildError("usage", "the image was opened read-only");
      },
      close,
    }),
    watch,
  );
}
