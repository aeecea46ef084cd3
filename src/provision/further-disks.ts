import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Runner } from "../host/host.ts";
import { majorOf, type Recipe } from "../recipe/recipe.ts";

type Disk = Recipe["disks"][number];

/** The name of a disk in bundles. The system disk is the first. */
export function furtherDiskName(index: number): string {
  return `Disk${index + 2}`;
}

/** Makes a recipe's further disks in a folder as sparse files: blank, or with a file system and its label. */
export async function makeFurtherDisks(
  host: Runner,
  recipe: Pick<Recipe, "name" | "disks">,
  folder: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const files: string[] = [];
  for (const [index, disk] of recipe.disks.entries()) {
    const file = join(folder, `${furtherDiskName(index)}.img`);
    const handle = await open(file, "w");
    await handle.truncate(disk.size * 2 ** 20).finally(() => handle.close());
    const id = idOf(`${recipe.name} ${index}`);
    if (disk.fs !== undefined)
      await host.run(
        [
          ...["mke2fs", "-q", "-F", "-t", disk.fs, "-L", labelOf(index), "-U", id],
          ...["-O", features[disk.fs], "-E", `root_owner=0:0,hash_seed=${id}`, "-m", "1", file],
        ],
        { ...(signal && { signal }) },
      );
    files.push(file);
  }
  return files;
}

/**
 * The fstab line for a disk. A machine without the disk, as the others in a build, still starts:
 * nothing checks the disk, and from EL6 on a missing disk is not an error.
 */
export function fstabLine(recipe: Pick<Recipe, "release">, disk: Disk, index: number): string {
  const options = [disk.options ?? "defaults", ...(majorOf(recipe.release) >= 6 ? ["nofail"] : [])].join(",");
  return `LABEL=${labelOf(index)} ${disk.mount} ${disk.fs} ${options} 0 0`;
}

function labelOf(index: number): string {
  return `tbuild-disk${index + 2}`;
}

// What the mke2fs of EL5 and EL6 makes: every later kernel and fsck reads it, too.
const older = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file";
const features = {
  ext3: older,
  ext4: `${older},extent,flex_bg,huge_file,uninit_bg,dir_nlink,extra_isize`,
};

function idOf(what: string): string {
  const hex = createHash("sha256").update(what).digest("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");
}
