import { TbuildError } from "../../errors.ts";
import type { Volume } from "../../image/access.ts";
import { layoutOf } from "../../image/disk/disk.ts";
import { readImageFile } from "../../image/file/image-file.ts";
import type { GuestTree } from "../../image/tree.ts";
import { initramfsPaths } from "../convert/initramfs.ts";
import { isParavirtual } from "./kernel-notes.ts";
import { existsIn, type PygrubChoice, pygrubOf } from "./pygrub.ts";

/** Whether a disk boots as a paravirtual domain by pygrub; if not or unknown, why. */
export interface Fitness {
  readonly verdict: "fit" | "unfit" | "unknown";
  /** What pygrub of Xen 4.17 takes, where it takes anything that is there. */
  readonly boots?: {
    readonly volume: string;
    readonly config: string;
    readonly kernel: string;
    readonly initrd?: string;
    readonly args: string;
  };
  readonly reasons: readonly FitnessReason[];
}

export interface FitnessReason {
  /** Of a remark, the disk is fit all the same on Xen 4.17. */
  readonly weight: "unfit" | "unknown" | "remark";
  /** A file of the guest, or a volume of its disk. */
  readonly about: string;
  readonly why: string;
  readonly remedy?: string;
}

/** Reads the disk as pygrub would. Nothing is started, and no root is needed. */
export async function pvFitness(image: string): Promise<Fitness> {
  await using disk = await readImageFile(image);
  const layout = await layoutOf(disk);
  const reasons: FitnessReason[] = [];
  const { choice, refused, unknown } = await pygrubOf(disk, layout);
  // A volume that tbuild could not read stands before the one that pygrub takes.
  for (const why of unknown) reasons.push({ weight: "unknown", ...split(why) });
  if (!choice) {
    const remedy =
      "put a menu that pygrub reads, and the kernel, on ext3 or ext4: tbuild recipe with domainType XEN_PVM";
    for (const why of refused) reasons.push({ weight: "unfit", ...split(why), remedy });
    if (reasons.length === 0)
      reasons.push({ weight: "unfit", about: "disk", why: "has no partition that pygrub reads", remedy });
    return { verdict: unknown.length > 0 ? "unknown" : "unfit", reasons };
  }
  reasons.push(...(await reasonsOf(choice, layout.volumes)));
  const { volume, config, kernel, initrd, args } = choice;
  const has = (weight: FitnessReason["weight"]) => reasons.some((one) => one.weight === weight);
  const isThere =
    (await existsIn(choice.files, kernel)) &&
    (initrd === undefined || (await existsIn(choice.files, initrd)));
  return {
    verdict: has("unfit") ? "unfit" : has("unknown") ? "unknown" : "fit",
    ...(isThere &&
      unknown.length === 0 && {
        boots: { volume: volume.name, config, kernel, ...(initrd !== undefined && { initrd }), args },
      }),
    reasons,
  };
}

function split(text: string): { about: string; why: string } {
  const at = text.indexOf(": ");
  return { about: text.slice(0, at), why: text.slice(at + 2) };
}

async function reasonsOf(choice: PygrubChoice, volumes: readonly Volume[]): Promise<FitnessReason[]> {
  const { volume, files, config, title, kernel, initrd, args, passedOver } = choice;
  const found: FitnessReason[] = [];
  const where = `${volume.name}:${config}`;
  const add = (weight: FitnessReason["weight"], about: string, why: string, remedy?: string) =>
    found.push({ weight, about, why, ...(remedy !== undefined && { remedy }) });
  if (passedOver.some((path) => /menu\.lst$|grub\.conf$/.test(path)) && config.endsWith("grub.cfg"))
    add(
      "remark",
      where,
      `pygrub of Xen 4.17 takes it before ${passedOver.join(", ")}; the one of Oracle VM may not`,
      "remove the menus that are not meant",
    );
  if (!(await existsIn(files, kernel))) {
    const elsewhere = kernel.startsWith("/boot/") ? kernel.slice("/boot".length) : `/boot${kernel}`;
    const isSplit = await existsIn(files, elsewhere);
    add(
      "unfit",
      where,
      `its entry "${title}" names the kernel ${kernel}, which is not on that file system${isSplit ? `; ${elsewhere} is` : ""}`,
      isSplit
        ? `write ${elsewhere} into the menu: paths start at the file system that holds it`
        : "make an entry with a kernel that is there the default",
    );
    return found;
  }
  const version = /vmlinu[xz]-(.+)$/.exec(kernel)?.[1] ?? "";
  const settings = version === "" ? undefined : await configOf(files, kernel, version);
  found.push(...(await kernelReasons(files, kernel, version, settings)));
  if (initrd !== undefined && !(await existsIn(files, initrd)))
    add(
      "unfit",
      where,
      `its entry "${title}" names the initramfs ${initrd}, which is missing`,
      "make it again with dracut",
    );
  else found.push(...(await driverReasons(files, initrd, settings)));
  const root = rootReason(args, volumes);
  if (root) add(root.weight, where, root.why, root.remedy);
  return found;
}

async function configOf(files: GuestTree, kernel: string, version: string): Promise<string | undefined> {
  return await files.text(`${kernel.startsWith("/boot/") ? "/boot" : ""}/config-${version}`);
}

async function kernelReasons(
  files: GuestTree,
  kernel: string,
  version: string,
  settings: string | undefined,
): Promise<FitnessReason[]> {
  const none = { about: kernel, remedy: "install a kernel with PV: kernel-uek, or kernel-xen on release 5" };
  const data = await files.read(kernel.startsWith("/") ? kernel : `/${kernel}`).catch((error: unknown) => {
    if (!(error instanceof TbuildError)) throw error;
    return undefined;
  });
  const isPv = data && isParavirtual(data);
  if (isPv === true) return [];
  if (isPv === false) return [{ weight: "unfit", why: "has no entry for a paravirtual domain", ...none }];
  if (settings !== undefined) {
    const has = (option: string) => settings.split("\n").includes(`${option}=y`);
    if (has("CONFIG_XEN_PV")) return [];
    // Before 4.12 there was no option for PV alone.
    if (has("CONFIG_XEN") && !settings.includes("CONFIG_XEN_PV") && isBefore(version, 4, 12)) return [];
    if (/^# CONFIG_XEN(?:_PV)? is not set$/m.test(settings) || !has("CONFIG_XEN"))
      return [{ weight: "unfit", why: "was configured without PV", ...none }];
  }
  if (/xen$/.test(version)) return [];
  const why = "its format is not supported and its configuration is missing, so PV support is unknown";
  return [{ weight: "unknown", about: kernel, why }];
}

function isBefore(version: string, major: number, minor: number): boolean {
  const [one = 0, other = 0] = version.split(".").map(Number);
  return one < major || (one === major && other < minor);
}

async function driverReasons(
  files: GuestTree,
  initrd: string | undefined,
  settings: string | undefined,
): Promise<FitnessReason[]> {
  if (settings?.split("\n").includes("CONFIG_XEN_BLKDEV_FRONTEND=y")) return [];
  if (initrd === undefined) {
    const why =
      "the entry has no initramfs, and it is unknown whether the kernel has the Xen disk driver built in";
    return [{ weight: "unknown", about: "initramfs", why }];
  }
  const path = initrd.startsWith("/") ? initrd : `/${initrd}`;
  try {
    const paths = await initramfsPaths((await files.read(path)) ?? new Uint8Array());
    if (paths.some((one) => /(?:^|\/)(?:xen[-_]blkfront|xenblk|xen[-_]vbd)\.ko/.test(one))) return [];
    if (paths.length === 0) return [{ weight: "unknown", about: path, why: "holds no archive that is read" }];
    const why = "has no driver of the Xen disk (xen-blkfront)";
    return [
      {
        weight: "unfit",
        about: path,
        why,
        remedy: 'dracut --force --add-drivers "xen-blkfront xen-netfront"',
      },
    ];
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    return [{ weight: "unknown", about: path, why: error.message }];
  }
}

/** What `root=` names, against the volumes of the disk. */
function rootReason(
  args: string,
  volumes: readonly Volume[],
): Pick<FitnessReason, "weight" | "why" | "remedy"> | undefined {
  const remedy = "name the root by its UUID or LABEL";
  const word = args
    .split(/\s+/)
    .findLast((one) => one.startsWith("root="))
    ?.slice("root=".length);
  if (word === undefined)
    return { weight: "unknown", why: "its kernel line has no root=, so the root file system is unknown" };
  const [, kind = "", id = ""] = /^(UUID|LABEL)=["']?(.*?)["']?$/.exec(word) ?? [];
  const byPath = /^\/dev\/disk\/by-(uuid|label)\/(.+)$/.exec(word);
  const [what, name] = kind !== "" ? [kind.toLowerCase(), id] : [byPath?.[1], byPath?.[2] ?? ""];
  if (what !== undefined) {
    const isThere = volumes.some((one) =>
      what === "uuid" ? one.uuid?.toLowerCase() === name.toLowerCase() : one.label === name,
    );
    return isThere
      ? undefined
      : { weight: "unfit", why: `its root ${word} is no volume of this disk`, remedy };
  }
  const logical = logicalName(word);
  if (logical !== undefined)
    return volumes.some((one) => one.name === logical)
      ? undefined
      : { weight: "unfit", why: `its root ${word} is no logical volume of this disk`, remedy };
  const [, bus, number] = /^\/dev\/(xvda|[hsv]da)(\d*)$/.exec(word) ?? [];
  if (bus === undefined)
    return { weight: "unknown", why: `whether its root ${word} is on this disk is not known` };
  const isThere = volumes.some((one) => one.name === (number === "" ? "disk" : `p${number}`));
  if (!isThere) return { weight: "unfit", why: `its root ${word} is no volume of this disk`, remedy };
  if (bus === "xvda") return undefined;
  return { weight: "unfit", why: `its root ${word} has another name under PV, /dev/xvda${number}`, remedy };
}

/** `/dev/mapper/vg-lv`, where a dash of a name is written twice, and `/dev/vg/lv`. */
function logicalName(word: string): string | undefined {
  const mapped = /^\/dev\/mapper\/(.+)$/.exec(word)?.[1];
  if (mapped !== undefined) {
    const [, group, volume] = /^((?:[^-]|--)+)-((?:[^-]|--)+)$/.exec(mapped) ?? [];
    return group && volume ? `${group.replaceAll("--", "-")}/${volume.replaceAll("--", "-")}` : undefined;
  }
  const [, group, volume] = /^\/dev\/([^/]+)\/([^/]+)$/.exec(word) ?? [];
  return group !== undefined && group !== "disk" ? `${group}/${volume}` : undefined;
}
