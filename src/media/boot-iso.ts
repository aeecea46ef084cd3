import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeFolders } from "../io/folders.ts";
import { writeFile } from "../io/write-file.ts";
import { grubMenu, isolinuxMenu, type MenuEntry, menuTitle } from "./boot-menu.ts";
import { type CommandLineOptions, installCommandLine } from "./command-line.ts";
import { changeFatMenus } from "./fat-menus.ts";
import { appendToInitrd } from "./initrd.ts";
import { type Iso, openIso } from "./iso.ts";
import type { Medium } from "./media.ts";
import { extractLoader } from "./medium.ts";
import { type ImageMaking, xorriso } from "./xorriso.ts";

// No release's disc has this label, so nothing mistakes this disc for the medium.
const label = "TBUILD";

/**
 * Writes a small disc that starts the installer with the kickstart in its initrd. The installer then finds the
 * unchanged medium in the second drive, by scanning (OL5, OL6) or by its label. It also boots under UEFI if the medium has
 * GRUB 2 for it (OL7 and later). OL6's GRUB 0.97 needs the medium's own disc.
 */
export async function bootIso(
  making: ImageMaking,
  medium: Medium,
  to: string,
  options: { readonly kickstart: string; readonly talksOn: CommandLineOptions["talksOn"] },
): Promise<{ readonly uefi: boolean }> {
  const tree = join(making.scratch, "tree");
  const isolinux = join(tree, "isolinux");
  await makeFolders(isolinux);
  await using iso = await openIso(medium.file);
  await extractLoader(medium, isolinux);
  await iso.extract(medium.kernel, join(isolinux, "vmlinuz"));
  const vendor = join(making.scratch, "initrd.vendor");
  await iso.extract(medium.initrd, vendor);
  const kickstart = { path: "ks.cfg", data: Buffer.from(options.kickstart) };
  await appendToInitrd(vendor, [kickstart], join(isolinux, "initrd.img"));
  const entry: MenuEntry = {
    title: menuTitle(medium),
    kernel: "/isolinux/vmlinuz",
    initrd: "/isolinux/initrd.img",
    commandLine: installCommandLine(medium, { kickstart: "initrd", talksOn: options.talksOn }),
  };
  await writeFile(join(isolinux, "isolinux.cfg"), isolinuxMenu(entry));
  const uefi = await putEfi(making, iso, medium, entry, tree);
  await xorriso(making, "writing the boot ISO", [
    ...["-as", "mkisofs", "-o", to, "-V", label, "-R", "-J"],
    ...isolinuxStarts,
    ...(uefi ? ["-eltorito-alt-boot", "-e", efiImage, "-no-emul-boot"] : []),
    tree,
  ]);
  return { uefi };
}

/** The options that make a disc with isolinux start under a BIOS. */
export const isolinuxStarts = [
  ...["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat"],
  ...["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"],
] as const;

const efiImage = "images/efiboot.img";

/** The medium's FAT image, with a menu that starts the files on this disc. */
async function putEfi(
  making: ImageMaking,
  iso: Iso,
  medium: Medium,
  entry: MenuEntry,
  tree: string,
): Promise<boolean> {
  const efi = medium.starts.efi;
  if (efi === undefined || medium.major < 7) return false;
  const image = join(tree, efiImage);
  await makeFolders(join(tree, "images"));
  await iso.extract(efi.image, image);
  // The old menu searches for the medium.
  const menu = (old: string) =>
    grubMenu(entry, old)
      .replaceAll(/^search\s.*\n/gm, "")
      .replace("menuentry ", `search --no-floppy --set=root --label ${label}\nmenuentry `);
  const changed = await changeFatMenus(making, image, menu);
  if (!changed) {
    await rm(image);
    return false;
  }
  // GRUB started from a CD uses the CD as its root, and reads the menu there.
  for (const path of efi.menus) {
    await makeFolders(dirname(join(tree, path)));
    await writeFile(join(tree, path), menu(new TextDecoder().decode(await iso.read(path))));
  }
  return true;
}
