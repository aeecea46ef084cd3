import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import { printable } from "../io/escape.ts";
import { described } from "./description.ts";
import { type Iso, openIso } from "./iso.ts";
import type { Medium } from "./media.ts";

/** Reads the description on an installation medium. Throws an `integrity` fault with the reason if it is not one. */
export async function readMedium(file: string): Promise<Medium> {
  await using iso = await openIso(file);
  const name = `${file} (volume id ${printable(iso.volumeId)})`;
  const says = await describedBy(iso, name);
  if (says.arch !== "x86_64")
    throw new TbuildError("integrity", `is for ${printable(says.arch)}, not for x86_64`, { subject: name });
  const kernel = await firstOf(iso, ["isolinux/vmlinuz", says.kernel]);
  const initrd = await firstOf(iso, ["isolinux/initrd.img", says.initrd]);
  if (kernel === undefined || initrd === undefined)
    throw new TbuildError("integrity", "has no kernel and initrd for an installation", {
      subject: name,
      hint: "It may contain sources or extra packages. tbuild needs the DVD.",
    });
  const { family, major, update, arch, variant } = says;
  const stage2 = await firstOf(iso, [
    says.stage2,
    ...["images/install.img", "LiveOS/squashfs.img", "images/stage2.img", "images/minstg2.img"],
  ]);
  const xen = await firstOf(iso, ["images/xen/vmlinuz"]);
  return {
    file,
    volumeId: iso.volumeId,
    bytes: iso.bytes,
    major,
    ...(update !== undefined && { update }),
    family,
    arch,
    kernel,
    initrd,
    ...(variant !== undefined && { variant }),
    ...(stage2 !== undefined && { stage2 }),
    ...(xen !== undefined && { xen: { kernel: xen, initrd: "images/xen/initrd.img" } }),
    repositories: await repositoriesOf(iso),
    starts: await startsOf(iso),
  };
}

/** Extracts kernel and initrd from a medium. */
export async function extractBoot(medium: Medium, kernel: string, initrd: string): Promise<void> {
  await using iso = await openIso(medium.file);
  await iso.extract(medium.kernel, kernel);
  await iso.extract(medium.initrd, initrd);
}

/** Extracts isolinux, if the medium has it, into a folder that exists. */
export async function extractLoader(medium: Medium, folder: string): Promise<boolean> {
  await using iso = await openIso(medium.file);
  if (!(await iso.find("isolinux/isolinux.bin"))) return false;
  // From OL8 on, isolinux has two parts.
  for (const name of loaderParts)
    if (await iso.find(`isolinux/${name}`)) await iso.extract(`isolinux/${name}`, join(folder, name));
  return true;
}

/** The files of isolinux, the second only where it has two parts. */
export const loaderParts = ["isolinux.bin", "ldlinux.c32"] as const;

async function describedBy(iso: Iso, name: string) {
  const text = async (path: string) => new TextDecoder().decode((await iso.read(path)) ?? new Uint8Array());
  const witnesses = {
    treeinfo: await text(".treeinfo"),
    discinfo: await text(".discinfo"),
    volumeId: iso.volumeId,
  };
  try {
    return described(witnesses);
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    throw error.within(name);
  }
}

async function repositoriesOf(iso: Iso): Promise<string[]> {
  const folders = (await iso.list("")).filter((entry) => entry.kind === "folder").map((entry) => entry.name);
  const addons = (await iso.list("addons")).map((entry) => `addons/${entry.name}`);
  const found: string[] = [];
  // No real disc has half as many; a crafted one may have a million.
  for (const folder of [".", ...folders, ...addons].slice(0, 64))
    if (await iso.find(`${folder}/repodata/repomd.xml`)) found.push(folder);
  return found;
}

async function startsOf(iso: Iso): Promise<Medium["starts"]> {
  const starts = (platform: string) => iso.boot.find((image) => image.platform === platform);
  const bios = starts("bios");
  const isolinux = bios && (await firstOf(iso, ["isolinux/isolinux.cfg"]));
  const efi = starts("efi");
  const image = efi && (await fileAt(iso, efi.offset));
  const menus = await allOf(iso, ["EFI/BOOT/grub.cfg", "EFI/BOOT/BOOTX64.conf", "EFI/BOOT/BOOTX64.cfg"]);
  return {
    ...(isolinux !== undefined && { isolinux }),
    ...(bios !== undefined && isolinux === undefined && { biosOtherwise: true }),
    ...(image !== undefined && { efi: { image, menus } }),
    ...(efi !== undefined && image === undefined && { efiOutside: true }),
  };
}

/** The file that the boot record points at: images/efiboot.img on Oracle's discs. */
async function fileAt(iso: Iso, offset: number): Promise<string | undefined> {
  for (const folder of ["images", "EFI/BOOT", "boot/grub", "isolinux"]) {
    const image = (await iso.list(folder)).slice(0, 64).find((entry) => entry.extents[0]?.offset === offset);
    if (image?.kind === "file") return (await allOf(iso, [`${folder}/${image.name}`]))[0];
  }
  return undefined;
}

async function firstOf(iso: Iso, paths: readonly (string | undefined)[]): Promise<string | undefined> {
  return (
    await allOf(
      iso,
      paths.filter((path) => path !== undefined),
    )
  )[0];
}

async function allOf(iso: Iso, paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  // Paths go into boot menus, so only characters without a special meaning there are allowed.
  for (const path of paths)
    if (/^[\w.+/-]+$/.test(path) && (await iso.find(path))?.kind === "file") found.push(path);
  return found;
}
