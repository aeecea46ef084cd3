import { join } from "node:path";
import { writeFile } from "../io/write-file.ts";
import type { ImageMaking } from "./xorriso.ts";

/** Changes the copy of the menu inside the FAT image that UEFI starts. Returns whether there was one. */
export async function changeFatMenus(
  { host, scratch, signal }: ImageMaking,
  image: string,
  menu: (old: string) => string,
): Promise<boolean> {
  let changed = false;
  for (const path of ["::EFI/BOOT/grub.cfg", "::EFI/BOOT/BOOTX64.conf"]) {
    const old = await host.run(["mtype", "-i", image, path], { allow: [1], ...(signal && { signal }) });
    if (old.exitCode !== 0) continue;
    const file = join(scratch, "fat-menu");
    await writeFile(file, menu(old.stdout));
    await host.run(["mcopy", "-o", "-i", image, file, path], { ...(signal && { signal }) });
    changed = true;
  }
  return changed;
}
