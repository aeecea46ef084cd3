import { uuidOf } from "../model/uuid.ts";
import { majorOf, type Recipe } from "./recipe.ts";

type Installed = Pick<Recipe, "name" | "release" | "update" | "machine" | "layout" | "volumeGroup">;

/**
 * The UUID of the file system or swap area at `mount` ("swap" for swap). It is derived from the recipe's
 * description of the disk, so two builds of one recipe have the same ids in fstab and in the boot menu.
 */
export function volumeId(recipe: Installed, mount: string): string {
  const { name, release, update, machine, layout, volumeGroup } = recipe;
  return uuidOf(JSON.stringify([name, release, update, machine.disk, layout, volumeGroup ?? "", mount]));
}

/**
 * The options with which the installer's mkfs makes a file system with its `volumeId`; undefined if this
 * installer cannot pass options, or this program accepts none. Options came with 7.1, and xfsprogs takes a
 * UUID from 7.3 on.
 */
export function mkfsOptions(recipe: Installed, { mount, fs }: Recipe["layout"][number]): string | undefined {
  const since = { ext3: 1, ext4: 1, xfs: 3, btrfs: undefined, swap: undefined }[fs];
  const major = majorOf(recipe.release);
  if (since === undefined || major < 7 || (major === 7 && recipe.update < since)) return undefined;
  const id = volumeId(recipe, mount);
  return fs === "xfs" ? `-m uuid=${id}` : `-U ${id}`;
}

/**
 * Whether the ids can be changed in an installed disk. From EL7 on, the initramfs waits for volumes by their
 * ids, and only the guest can rebuild it.
 */
export function canRenameVolumes({ release }: Pick<Recipe, "release">): boolean {
  return majorOf(release) < 7;
}
