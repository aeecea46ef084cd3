import type { FitnessTarget, GuestMode } from "../../choices.ts";
import type { Volume } from "../../image/access.ts";
import { type Layout, layoutOf } from "../../image/disk/disk.ts";
import { readImageFile } from "../../image/file/image-file.ts";
import type { GuestTree } from "../../image/tree.ts";
import type { Reader } from "../../io/reader.ts";
import { type Driver, drivers, driversOf, missingDrivers } from "./drivers.ts";
import { efiFinding, efiVolumes } from "./efi.ts";
import {
  type BootCheck,
  type CheckedImage,
  conversion,
  type Finding,
  orReason,
  verdictOf,
} from "./finding.ts";
import { type GrubChoice, grubChoice } from "./grub.ts";
import { kernelRelease } from "./kernel-notes.ts";
import { rootAlone, rootFinding } from "./root-device.ts";
import { boundedView, existsIn } from "./volume-files.ts";

/**
 * Whether a machine with a BIOS or UEFI boots the disk: its boot code, GRUB's menu, the default kernel, its
 * drivers and its root. GRUB itself is not emulated: values that its scripts compute are reported as unknown.
 */
export async function firmwareCheck(
  { file, guest, why }: CheckedImage,
  target: FitnessTarget,
  mode: GuestMode,
): Promise<BootCheck> {
  await using disk = await readImageFile(file);
  const layout = await layoutOf(disk);
  const findings = await bootCodeFindings(disk, layout, target, mode);
  if (!guest) {
    findings.push({ weight: "unknown", about: "guest", why: why ?? "its files could not be read" });
    return { verdict: verdictOf(findings), findings };
  }
  const { mounts } = guest;
  const tree = boundedView(guest.tree);
  const bootVolume = (mounts.find(({ at }) => at === "/boot") ?? mounts.find(({ at }) => at === "/"))?.volume;
  const asked = await orReason(grubChoice(tree));
  const choice: GrubChoice = "why" in asked ? { refused: asked.why } : asked.value;
  if ("refused" in choice) {
    findings.push({ weight: "unknown", about: "boot menu", why: choice.refused });
    return { verdict: verdictOf(findings), findings };
  }
  findings.push(...(await entryFindings(tree, choice, layout.volumes, target, mode)));
  findings.push(...(await leftFindings(tree, choice.args, mode)));
  const { config, kernel, initrd, args } = choice;
  const isThere = (await existsIn(tree, kernel)) && (initrd === undefined || (await existsIn(tree, initrd)));
  const boots = { config, kernel, ...(initrd !== undefined && { initrd }), args };
  return {
    verdict: verdictOf(findings),
    ...(isThere && { boots: { volume: bootVolume?.name ?? "disk", ...boots } }),
    findings,
  };
}

async function entryFindings(
  tree: GuestTree,
  choice: Exclude<GrubChoice, { refused: string }>,
  volumes: readonly Volume[],
  target: FitnessTarget,
  mode: GuestMode,
): Promise<Finding[]> {
  const { config, title, kernel, initrd, args } = choice;
  const about = config;
  const gone = async (what: string, path: string): Promise<Finding[]> =>
    (await existsIn(tree, path))
      ? []
      : [
          {
            weight: "unfit",
            about,
            why: `its entry "${title}" names the ${what} ${path}, which is missing`,
            remedy: conversion(mode),
          },
        ];
  const missing = [
    ...(await gone("kernel", kernel)),
    ...(initrd === undefined ? [] : await gone("initramfs", initrd)),
  ];
  if (missing.length > 0) return missing;
  const release = kernelRelease((await tree.read(kernel)) ?? new Uint8Array());
  const version = release ?? /vmlinu[xz]-(.+)$/.exec(kernel)?.[1] ?? "";
  const booted = { files: tree, kernel, version, args, ...(initrd !== undefined && { initrd }) };
  const known = await driversOf(booted);
  const { needed, wished } = wantedDrivers(target, mode);
  const found = missingDrivers(booted, known, needed, mode);
  for (const { driver, why } of wished)
    if (!known.has(driver) && !known.unknown)
      found.push({ weight: "remark", about: initrd ?? kernel, why: `has no ${driver.name}: ${why}` });
  const root = rootFinding(args, volumes, mode) ?? rootAlone(args, known.alone);
  if (root) found.push({ about, ...root });
  return found;
}

interface Wanted {
  /** One driver of each list. */
  readonly needed: readonly (readonly Driver[])[];
  readonly wished: readonly { readonly driver: Driver; readonly why: string }[];
}

function wantedDrivers(target: FitnessTarget, mode: GuestMode): Wanted {
  const { xenDisk, ide, scsiDisk, virtioDisk, virtioScsi, virtioPci } = drivers;
  if (mode === "pvhvm") return { needed: [[xenDisk]], wished: [] };
  if (mode === "hvm") return { needed: [[ide], [scsiDisk]], wished: [] };
  const scsi = { driver: virtioScsi, why: "attach its disks as VirtIO and not as VirtIO-SCSI" };
  const blk = { driver: virtioDisk, why: "attach its disks as VirtIO-SCSI" };
  const both = [[virtioPci], [virtioDisk, virtioScsi]];
  // Oracle Linux Virtualization Manager attaches disks by VirtIO-SCSI by default.
  return target === "olvm" ? { needed: both, wished: [scsi, blk] } : { needed: both, wished: [blk] };
}

/** Devices and files of Oracle VM that other places lack. */
async function leftFindings(tree: GuestTree, args: string, mode: GuestMode): Promise<Finding[]> {
  const found: Finding[] = [];
  const devices = "/etc/lvm/devices/system.devices";
  if (await tree.stat(devices))
    found.push({
      weight: /root=\/dev\/(?:mapper\/)?[\w-]+[/-]/.test(args) ? "unknown" : "remark",
      about: devices,
      why: "limits LVM to disks with these names; under other names, it may not find its volumes",
      remedy: conversion(mode),
    });
  if (mode !== "kvm") return found;
  const last = args.split(/\s+/).findLast((one) => one.startsWith("console="));
  if (last !== undefined && /=(?:hvc|xvc)\d/.test(last))
    found.push({
      weight: "remark",
      about: "kernel line",
      why: `its last console is ${last.slice("console=".length)}, which only Xen has, so boot messages are invisible`,
      remedy: conversion(mode),
    });
  if (await tree.stat("/usr/sbin/ovmd"))
    found.push({
      weight: "remark",
      about: "/usr/sbin/ovmd",
      why: "waits for messages that only Oracle VM sends, so nothing configures the guest at its first boot",
      remedy: `${conversion(mode)} --ovmd disable (or --ovmd cloud-init, if that is installed)`,
    });
  return found;
}

const grubWord = Buffer.from("GRUB");

/** What firmware needs on a disk to boot it. */
export type BootCode = "grub" | "efi" | "other" | "none";

/**
 * Both generations of GRUB have their name in the first sector. On a GPT, a BIOS needs GRUB's partition, and UEFI a
 * volume with the EFI partition's type.
 */
export async function bootCodeOf(disk: Reader, { volumes }: Pick<Layout, "volumes">): Promise<BootCode> {
  const sector = Buffer.from(await disk.read(0, Math.min(512, disk.bytes)));
  const hasCode =
    sector.length === 512 && sector.readUInt16LE(510) === 0xaa55 && !isZero(sector.subarray(0, 440));
  if (hasCode && sector.includes(grubWord)) return "grub";
  if (efiVolumes(volumes).length > 0) return "efi";
  return hasCode ? "other" : "none";
}

/** Whether firmware finds a boot loader. */
async function bootCodeFindings(
  disk: Reader,
  { table, volumes }: Layout,
  target: FitnessTarget,
  mode: GuestMode,
): Promise<Finding[]> {
  const code = await bootCodeOf(disk, { volumes });
  if (code === "grub") return [];
  // HVM guests of Oracle VM have SeaBIOS or its predecessor, and no UEFI.
  if (code === "efi" && !target.startsWith("ovm")) return [await efiFinding(disk, volumes)];
  if (code === "other")
    return [
      {
        weight: "unknown",
        about: "disk",
        why: "its first sector has boot code other than GRUB's, and what it starts is unknown",
      },
    ];
  return [
    {
      weight: "unfit",
      about: "disk",
      why: `has no boot loader in its first sector${table === "none" ? ", and no partition table" : ""}: a BIOS finds nothing to boot`,
      remedy: `${conversion(mode)}${table === "none" ? " --out NEW.img" : ""}`,
    },
  ];
}

function isZero(data: Uint8Array): boolean {
  return data.every((byte) => byte === 0);
}
