import type { Watch } from "../../host/long-work.ts";
import type { Reader } from "../../io/reader.ts";
import type { Mount, Volume } from "../access.ts";
import { type ExtEditor, editExt } from "../ext/editor.ts";
import { openExt } from "../ext/ext.ts";
import { Unfit } from "../ext/faults.ts";
import { changeFat } from "../fat/editor.ts";
import { openFat } from "../fat/fat.ts";
import { GuestTree } from "../tree.ts";
import type { Source } from "./change.ts";
import { collectingTree, lockedAmong } from "./change.ts";
import { type Draft, type Writable, writableWindow } from "./draft.ts";
import { changesIn, partFinder } from "./parts.ts";

/**
 * The files of a draft of a disk, on ext2, ext3, ext4 and FAT, without root and without other programs. Rejected: debugfs,
 * which changes the image immediately, replaces inodes, and miscounts 128-byte inodes.
 */
export async function draftTree(
  draft: Draft,
  mounts: readonly Mount[],
  watch: Watch = {},
): Promise<GuestTree> {
  const parts: Part[] = [];
  for (const { at, volume } of mounts) {
    const disk = writableWindow(draft, volume.offset, Math.min(volume.bytes, draft.bytes - volume.offset));
    parts.push({ at, disk, fs: volume.fs, files: await filesOn(disk, volume) });
  }
  const partOf = partFinder(parts);
  const stat: Source["stat"] = (path) => ((part, inside) => part.files.stat(inside))(...partOf(path));
  return new GuestTree(
    collectingTree({
      stat,
      list: (path) => ((part, inside) => part.files.list(inside))(...partOf(path)),
      readFile: (path) => ((part, inside) => part.files.readFile(inside))(...partOf(path)),
      parts: (path) => ((part, inside) => partsOf(part.files, inside))(...partOf(path)),
      async apply(changes) {
        // Only the kernel obeys these flags. Inodes that are written here keep them.
        const locked = await lockedAmong(changes, stat);
        for (const part of parts) {
          // Its cache of names is outdated afterwards, and large.
          part.files = await filesOn(part.disk, part);
          const own = changesIn(part, changes, partOf);
          if (own.length === 0) continue;
          if (part.fs === "vfat") await changeFat(part.disk, own, (what) => new Unfit(what));
          else {
            part.editor ??= await editExt(part.disk);
            await part.editor.apply(own, watch);
          }
          part.files = await filesOn(part.disk, part);
        }
        return locked;
      },
      async close() {},
    }),
    watch,
  );
}

interface Part {
  readonly at: string;
  readonly disk: Writable;
  readonly fs: Volume["fs"];
  files: Files;
  editor?: ExtEditor;
}

/** The interface of a file system that is read in process. */
export type Files = Pick<Source, "stat" | "list" | "readFile" | "parts">;

/** The contents of a file in parts, or in one piece if the file system has no parts. */
export async function* partsOf(files: Files, path: string): AsyncGenerator<Uint8Array> {
  if (files.parts) yield* files.parts(path);
  else yield await files.readFile(path);
}

export function filesOn(disk: Reader, { fs }: Pick<Volume, "fs">): Promise<Files> {
  return fs === "vfat" ? openFat(disk) : openExt(disk);
}
