import { constants, copyFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolders } from "../io/folders.ts";
import { writeFile } from "../io/write-file.ts";
import { isolinuxStarts } from "./boot-iso.ts";
import { isolinuxMenu } from "./boot-menu.ts";
import { loaderParts } from "./medium.ts";
import { type ImageMaking, xorriso } from "./xorriso.ts";

/** Writes a small disc that starts a kernel under a BIOS. `loader`: a folder with isolinux. */
export async function kernelDisc(
  making: ImageMaking,
  { kernel, initrd, append, loader }: Record<"kernel" | "initrd" | "append" | "loader", string>,
  to: string,
): Promise<void> {
  const isolinux = join(making.scratch, "tree", "isolinux");
  await makeFolders(isolinux, 0o700);
  const copy = (from: string, name: string) =>
    copyFile(from, join(isolinux, name), constants.COPYFILE_FICLONE);
  await copy(kernel, "vmlinuz");
  await copy(initrd, "initrd.img");
  for (const part of loaderParts)
    await copy(join(loader, part), part).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT" || part === loaderParts[0]) throw error;
    });
  const menu = {
    title: "tbuild",
    kernel: "/isolinux/vmlinuz",
    initrd: "/isolinux/initrd.img",
    commandLine: append,
  };
  await writeFile(join(isolinux, "isolinux.cfg"), isolinuxMenu(menu));
  await xorriso(making, "writing the boot disc", [
    ...["-as", "mkisofs", "-o", to, "-V", "TBUILD", "-R", "-J"],
    ...isolinuxStarts,
    join(making.scratch, "tree"),
  ]);
}
