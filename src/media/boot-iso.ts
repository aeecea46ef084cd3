import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isolinuxMenu, menuTitle } from "./boot-menu.ts";
import { type CommandLineOptions, installCommandLine } from "./command-line.ts";
import { appendToInitrd } from "./initrd.ts";
import { openIso } from "./iso.ts";
import type { Medium } from "./media.ts";
import { type ImageMaking, xorriso } from "./xorriso.ts";

// No release's disc bears it, so nothing takes this disc for the medium.
const label = "TBUILD";

/**
 * Writes a small disc that starts the installer with the kickstart in its initrd; the installer then finds the
 * untouched medium in the second drive, by scanning (OL5, OL6) or by its label. For a BIOS: guests of Oracle VM have one.
 */
export async function bootIso(
  making: ImageMaking,
  medium: Medium,
  to: string,
  options: { readonly kickstart: string; readonly talksOn: CommandLineOptions["talksOn"] },
): Promise<void> {
  const tree = join(making.scratch, "tree");
  const isolinux = join(tree, "isolinux");
  await mkdir(isolinux, { recursive: true });
  await using iso = await openIso(medium.file);
  await iso.extract("isolinux/isolinux.bin", join(isolinux, "isolinux.bin"));
  // From OL8 on isolinux is in two parts.
  if (await iso.find("isolinux/ldlinux.c32"))
    await iso.extract("isolinux/ldlinux.c32", join(isolinux, "ldlinux.c32"));
  await iso.extract(medium.kernel, join(isolinux, "vmlinuz"));
  const vendor = join(making.scratch, "initrd.vendor");
  await iso.extract(medium.initrd, vendor);
  const kickstart = { path: "ks.cfg", data: Buffer.from(options.kickstart) };
  await appendToInitrd(vendor, [kickstart], join(isolinux, "initrd.img"));
  const menu = isolinuxMenu({
    title: menuTitle(medium),
    kernel: "/isolinux/vmlinuz",
    initrd: "/isolinux/initrd.img",
    commandLine: installCommandLine(medium, { kickstart: "initrd", talksOn: options.talksOn }),
  });
  await writeFile(join(isolinux, "isolinux.cfg"), menu);
  await xorriso(making, "writing the boot ISO", [
    ...["-as", "mkisofs", "-o", to, "-V", label, "-R", "-J"],
    ...["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat"],
    ...["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"],
    tree,
  ]);
}
