import { constants } from "node:fs";
import { copyFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { TbuildError } from "../errors.ts";
import { makeFolders } from "../io/folders.ts";
import { writeFile } from "../io/write-file.ts";
import { addonsArgs } from "./addons.ts";
import { grubMenu, isolinuxMenu, type MenuEntry, menuTitle } from "./boot-menu.ts";
import { type CommandLineOptions, installCommandLine } from "./command-line.ts";
import { changeFatMenus } from "./fat-menus.ts";
import { openIso } from "./iso.ts";
import type { Medium } from "./media.ts";
import { type ImageMaking, xorriso } from "./xorriso.ts";

export interface RemasterOptions {
  readonly kickstart: string;
  readonly talksOn: CommandLineOptions["talksOn"];
  /** A folder made by `stageAddons`. */
  readonly addons?: string;
}

/**
 * Writes a copy of a medium that installs unattended: it contains the kickstart, and its default entry uses it, under
 * BIOS and UEFI. Boot records, label and all other files stay the same.
 *
 * If the file system can share blocks between files, the copy costs only the added data. Otherwise it is written once.
 */
export async function remaster(
  making: ImageMaking,
  medium: Medium,
  to: string,
  options: RemasterOptions,
): Promise<{ readonly shared: boolean }> {
  if (medium.starts.isolinux === undefined)
    throw new TbuildError("integrity", "has no isolinux menu to change", {
      subject: medium.file,
      hint: "The DVDs of Oracle Linux 5 to 9 have one. This seems to be a different disc.",
    });
  const changes = await changedFiles(making, medium, medium.starts.isolinux, options);
  const [from, part] = [`stdio:${resolve(medium.file)}`, `stdio:${resolve(to)}`];
  const shared = await sharedCopy(medium.file, to);
  await xorriso(making, "writing the ISO", [
    // Without it, the tree would start at block 32, as on a multi-session disc.
    ...["-compliance", "no_emul_toc"],
    ...(shared ? ["-dev", part] : ["-indev", from, "-outdev", part]),
    ...["-boot_image", "any", "replay", "-volid", medium.volumeId],
    ...["-joliet", (await hasJoliet(medium)) ? "on" : "off"],
    ...changes.flatMap(([file, path]) => [
      ...["-map", file, path, "-chown", "0", path, "--", "-chgrp", "0", path, "--"],
      ...["-chmod", "0444", path, "--"],
    ]),
    ...(options.addons === undefined ? [] : addonsArgs(options.addons)),
    "-commit",
  ]);
  await proveRemaster(medium, to);
  return { shared };
}

type Change = readonly [file: string, path: string];

/** Writes the disc's new files into the scratch folder. */
async function changedFiles(
  making: ImageMaking,
  medium: Medium,
  menu: string,
  { kickstart, talksOn }: RemasterOptions,
): Promise<Change[]> {
  const changes: Change[] = [];
  const change = async (path: string, text: string) => {
    const file = join(making.scratch, "disc", path);
    await makeFolders(dirname(file));
    await writeFile(file, text);
    changes.push([file, `/${path}`]);
  };
  const entry = (kernel: string, initrd: string): MenuEntry => ({
    title: menuTitle(medium),
    kernel: `/${kernel}`,
    initrd: `/${initrd}`,
    commandLine: installCommandLine(medium, { kickstart: "medium", talksOn }),
  });
  await change("ks.cfg", kickstart);
  await change(menu, isolinuxMenu(entry(medium.kernel, medium.initrd)));
  if (!medium.starts.efi) return changes;

  await using iso = await openIso(medium.file);
  const text = async (path: string) => new TextDecoder().decode(await iso.read(path));
  // UEFI's drivers read ISO names and the FAT image, so the files must be where the old menu expects them.
  const uefi = (old: string) => {
    const path = (word: string) => new RegExp(`^[ \\t]*${word}(?:efi)?[ \\t]+/?(\\S+)`, "m").exec(old)?.[1];
    return grubMenu(entry(path("(?:linux|kernel)") ?? medium.kernel, path("initrd") ?? medium.initrd), old);
  };
  for (const path of medium.starts.efi.menus) await change(path, uefi(await text(path)));
  const image = join(making.scratch, "disc", medium.starts.efi.image);
  await makeFolders(dirname(image));
  await iso.extract(medium.starts.efi.image, image);
  if (await changeFatMenus(making, image, uefi)) changes.push([image, `/${medium.starts.efi.image}`]);
  return changes;
}

// Both files then share their blocks, until one of them changes a block: only what xorriso appends is
// written.
async function sharedCopy(from: string, to: string): Promise<boolean> {
  return copyFile(from, to, constants.COPYFILE_FICLONE_FORCE).then(
    () => true,
    () => false,
  );
}

async function hasJoliet(medium: Medium): Promise<boolean> {
  await using iso = await openIso(medium.file);
  return iso.joliet;
}

/** Reads the result back, and throws if it would start something else or has another label. */
async function proveRemaster(medium: Medium, made: string): Promise<void> {
  await using iso = await openIso(made);
  const [kickstart, menu] = [await iso.read("ks.cfg"), await iso.read(medium.starts.isolinux ?? "")];
  const efi = medium.starts.efi && (await iso.find(medium.starts.efi.image))?.extents[0]?.offset;
  const ok =
    iso.volumeId === medium.volumeId &&
    kickstart !== undefined &&
    new TextDecoder().decode(menu).includes("default tbuild") &&
    iso.boot.some((image) => image.platform === "bios") &&
    (efi === undefined || iso.boot.some((image) => image.platform === "efi" && image.offset === efi));
  if (!ok)
    throw new TbuildError("environment", "xorriso wrote an unexpected result", {
      subject: made,
      hint: `Compare: xorriso -indev ${made} -report_el_torito plain, and the same for ${medium.file}`,
    });
}
