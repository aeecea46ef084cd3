import { posix } from "node:path";
import type { GuestMode } from "../../choices.ts";
import type { GuestTree } from "../../image/tree.ts";
import { type Early, lookInto } from "./early-userspace.ts";
import { conversion, type Finding, orReason } from "./finding.ts";

export interface Driver {
  readonly name: string;
  /** The names that its module has had. */
  readonly module: RegExp;
  /** Kernel options that build it in. */
  readonly options: readonly string[];
  /** A symbol in System.map if it is built in. */
  readonly symbol: string;
}

export const drivers = {
  xenDisk: {
    name: "xen-blkfront",
    // kernel-xen of release 5 has xenblk, its plain kernel xen-vbd.
    module: /(?:^|\/)(?:xen[-_]blkfront|xenblk|xen[-_]vbd)\.ko/,
    options: ["CONFIG_XEN_BLKDEV_FRONTEND"],
    symbol: "blkfront_probe",
  },
  xenNet: {
    name: "xen-netfront",
    module: /(?:^|\/)(?:xen[-_]netfront|xennet|xen[-_]vnif)\.ko/,
    options: ["CONFIG_XEN_NETDEV_FRONTEND"],
    symbol: "netfront_probe",
  },
  virtioDisk: {
    name: "virtio_blk",
    module: /(?:^|\/)virtio_blk\.ko/,
    options: ["CONFIG_VIRTIO_BLK"],
    symbol: "virtblk_probe",
  },
  virtioScsi: {
    name: "virtio_scsi",
    module: /(?:^|\/)virtio_scsi\.ko/,
    options: ["CONFIG_SCSI_VIRTIO"],
    symbol: "virtscsi_probe",
  },
  virtioPci: {
    name: "virtio_pci",
    module: /(?:^|\/)virtio_pci\.ko/,
    options: ["CONFIG_VIRTIO_PCI"],
    symbol: "virtio_pci_probe",
  },
  virtioNet: {
    name: "virtio_net",
    module: /(?:^|\/)virtio_net\.ko/,
    options: ["CONFIG_VIRTIO_NET"],
    symbol: "virtnet_probe",
  },
  // The IDE controller of Xen and qemu is a PIIX3. Kernels before libata, and release 5 too, may drive it with the old
  // IDE drivers.
  ide: {
    name: "ata_piix",
    module: /(?:^|\/)(?:ata_piix|ata_generic|piix)\.ko/,
    options: ["CONFIG_ATA_PIIX", "CONFIG_ATA_GENERIC", "CONFIG_BLK_DEV_PIIX"],
    symbol: "piix_init_one",
  },
  scsiDisk: {
    name: "sd_mod",
    module: /(?:^|\/)(?:sd_mod|ide[-_]disk|ide[-_]gd[-_]mod)\.ko/,
    options: ["CONFIG_BLK_DEV_SD", "CONFIG_BLK_DEV_IDEDISK", "CONFIG_IDE_GD"],
    symbol: "sd_probe",
  },
} as const satisfies Record<string, Driver>;

/** A kernel that boots: its path, its initramfs, and its release. */
export interface BootedKernel {
  readonly files: GuestTree;
  readonly kernel: string;
  readonly version: string;
  /** The release that the kernel itself states, if its file is named differently. */
  readonly release?: string | undefined;
  readonly initrd?: string;
  /** The kernel line. */
  readonly args?: string;
}

/** The drivers that a kernel has from the start: built in, or in its initramfs. */
export interface KernelDrivers {
  has(driver: Driver): boolean;
  /** Why the module of this driver in the initramfs is useless. */
  fault?(driver: Driver): Pick<Finding, "weight" | "why"> | undefined;
  /** Why the kernel mounts its root without the help of an initramfs. */
  readonly alone?: string;
  /** Why a missing driver may exist nevertheless. */
  readonly unknown?: Pick<Finding, "about" | "why">;
}

/** The kernel's configuration beside it. */
export async function configOf({ files, kernel, version }: BootedKernel): Promise<string | undefined> {
  return version === ""
    ? undefined
    : await files.text(posix.join(posix.dirname(absolute(kernel)), `config-${version}`));
}

/** Reads config, System.map and modules.builtin, where they exist, and the whole initramfs. */
export async function driversOf(booted: BootedKernel): Promise<KernelDrivers> {
  const { files, kernel, version, initrd } = booted;
  const config = new Set((await configOf(booted))?.split("\n") ?? []);
  const [map, builtIn] =
    version === ""
      ? ["", ""]
      : [
          (await smallText(files, posix.join(posix.dirname(absolute(kernel)), `System.map-${version}`))) ??
            "",
          (await files.text(`/lib/modules/${version}/modules.builtin`)) ?? "",
        ];
  const inKernel = (driver: Driver) =>
    driver.options.some((option) => config.has(`${option}=y`)) ||
    builtIn.split("\n").some((line) => driver.module.test(line)) ||
    new RegExp(`\\s${driver.symbol}$`, "m").test(map);
  const knows = config.size > 0 || builtIn !== "" || map !== "";
  if (initrd === undefined)
    return {
      has: inKernel,
      alone: "there is no initramfs",
      ...(!knows && {
        unknown: {
          about: kernel,
          why: "has no initramfs, and neither its configuration nor its System.map shows which drivers are built in",
        },
      }),
    };
  const image = (await files.read(absolute(initrd))) ?? new Uint8Array();
  const isModule = (path: string) => Object.values(drivers).some((driver) => driver.module.test(path));
  const named = /vmlinu[xz]-(.+)$/.exec(kernel)?.[1] ?? "";
  const releases = new Set([version, named, booted.release ?? ""].filter((one) => one !== ""));
  const read = await orReason(lookInto(image, { releases, args: booted.args ?? "", isModule }));
  if ("why" in read) return { has: inKernel, unknown: { about: initrd, why: read.why } };
  const early = read.value;
  if (early.isEmpty)
    return { has: inKernel, unknown: { about: initrd, why: "contains no archive that tbuild reads" } };
  return {
    has: (driver) => inKernel(driver) || isLoaded(early, driver),
    fault: (driver) => faultOf(early, driver),
    ...(early.noInit !== undefined && { alone: `the initramfs ${early.noInit}` }),
  };
}

function isLoaded({ noInit, modules }: Early, driver: Driver): boolean {
  return (
    noInit === undefined && modules.some(({ path, fault }) => fault === undefined && driver.module.test(path))
  );
}

function faultOf({ noInit, modules }: Early, driver: Driver): Pick<Finding, "weight" | "why"> | undefined {
  const there = modules.filter(({ path }) => driver.module.test(path));
  if (there.length === 0) return undefined;
  if (noInit !== undefined) return { weight: "unfit", why: `it ${noInit}, so nothing loads its modules` };
  const faults = there.flatMap(({ fault }) => fault ?? []);
  return faults.find(({ weight }) => weight === "unknown") ?? faults[0];
}

/** A finding for each list of alternatives if the kernel has none of them. */
export function missingDrivers(
  { kernel, initrd }: Pick<BootedKernel, "kernel" | "initrd">,
  { has, fault, unknown }: KernelDrivers,
  wanted: readonly (readonly Driver[])[],
  mode: GuestMode,
): Finding[] {
  const lacking = wanted.filter((alternatives) => !alternatives.some(has));
  if (lacking.length === 0) return [];
  if (unknown) return [{ weight: "unknown", ...unknown }];
  const names = lacking.map((alternatives) => alternatives.map(({ name }) => name).join(" or "));
  const faults = lacking.map((alternatives) => alternatives.flatMap((driver) => fault?.(driver) ?? []));
  const isUnfit = faults.some((some) => some.every(({ weight }) => weight === "unfit"));
  const reasons = [...new Set(faults.flat().map(({ why }) => why))];
  return [
    {
      weight: isUnfit ? "unfit" : "unknown",
      about: initrd ?? kernel,
      why: `has no driver ${names.join(", ")}${reasons.length > 0 ? " that this kernel is known to load" : ""}, and the kernel has none built in${reasons.map((why) => `; ${why}`).join("")}`,
      remedy: conversion(mode),
    },
  ];
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

const mostMapBytes = 32 << 20;

async function smallText(files: GuestTree, path: string): Promise<string | undefined> {
  const found = await files.stat(path);
  return found && found.size <= mostMapBytes ? await files.text(path) : undefined;
}
