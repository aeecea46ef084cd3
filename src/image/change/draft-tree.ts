import type { Watch } from "../../host/pace.ts";
import type { Mount } from "../access.ts";
import { type ExtEditor, editExt } from "../ext/editor.ts";
import { type Ext, openExt } from "../ext/ext.ts";
import { GuestTree } from "../tree.ts";
import { collectingTree } from "./change.ts";
import { type Draft, type Writable, writableWindow } from "./draft.ts";
import { changesIn, partFinder } from "./parts.ts";

/**
 * The files of a disk of which a draft is made: ext2, ext3 and ext4, without root and without another program.
 * Left: debugfs, which changes the image at once, replaces inodes, and counts 128-byte inodes wrong.
 */
export async function draftTree(
  draft: Draft,
  mounts: readonly Mount[],
  watch: Watch = {},
): Promise<GuestTree> {
  const parts: Part[] = [];
  for (const { at, volume } of mounts) {
    const disk = writableWindow(draft, volume.offset, Math.min(volume.bytes, draft.bytes - volume.offset));
    parts.push({ at, disk, ext: await openExt(disk) });
  }
  const partOf = partFinder(parts);
  return new GuestTree(
    collectingTree({
      stat: (path) => ((part, inside) => part.ext.stat(inside))(...partOf(path)),
      list: (path) => ((part, inside) => part.ext.list(inside))(...partOf(path)),
      readFile: (path) => ((part, inside) => part.ext.readFile(inside))(...partOf(path)),
      async apply(changes) {
        for (const part of parts) {
          const own = changesIn(part, changes, partOf);
          if (own.length === 0) continue;
          part.editor ??= await editExt(part.disk);
          await part.editor.apply(own, watch);
          part.ext = await openExt(part.disk);
        }
      },
      async close() {},
    }),
    watch,
  );
}

interface Part {
  readonly at: string;
  readonly disk: Writable;
  ext: Ext;
  editor?: ExtEditor;
}
