import type { GuestMode } from "../../choices.ts";
import type { Volume } from "../../image/access.ts";
import type { GuestTree } from "../../image/tree.ts";
import { conversion, type Finding } from "./finding.ts";

/** The names of the first disk: those that the kernel uses, and those of other modes. */
const busesOf: Readonly<Record<GuestMode, readonly string[]>> = {
  pvm: ["xvd"],
  // Xen's front-end unplugs the emulated disks.
  pvhvm: ["xvd"],
  // The old IDE drivers of release 5 call it hda.
  hvm: ["sd", "hd"],
  // vda with virtio_blk, sda with virtio_scsi.
  kvm: ["vd", "sd"],
};

type Told = Pick<Finding, "weight" | "why" | "remedy">;

/**
 * Compares `root=` with the volumes of the disk. No finding if it names an existing volume in a way that survives the
 * change of mode.
 */
export function rootFinding(args: string, volumes: readonly Volume[], mode: GuestMode): Told | undefined {
  const word = rootWord(args);
  if (word === undefined)
    return { weight: "unknown", why: "its kernel line has no root=, so the root file system is unknown" };
  return deviceFinding(`its root ${word}`, word, volumes, mode);
}

/**
 * A kernel without an initramfs, or with one that runs nothing, finds its root by a device's name or a PARTUUID
 * (init/do_mounts.c of Linux). LABEL, UUID and logical volumes are found by programs.
 */
export function rootAlone(args: string, alone: string | undefined): Told | undefined {
  const word = rootWord(args) ?? "";
  if (alone === undefined || /^(?:\/dev\/[\w!]+$|PARTUUID=|PARTLABEL=|[\da-f]+(?::\d+)?$)/i.test(word))
    return undefined;
  return {
    weight: "unfit",
    why: `${alone}, and without an initramfs, the kernel cannot find its root by ${word}`,
    remedy: "in the guest: dracut --force",
  };
}

function rootWord(args: string): string | undefined {
  return args
    .split(/\s+/)
    .findLast((one) => one.startsWith("root="))
    ?.slice("root=".length);
}

function deviceFinding(
  what: string,
  word: string,
  volumes: readonly Volume[],
  mode: GuestMode,
): Told | undefined {
  const missing = (kind: string): Told => ({
    weight: "unfit",
    why: `${what} is not a ${kind} of this disk`,
    remedy: "name the root file system of this disk, by its UUID or LABEL",
  });
  const tag = tagOf(word);
  if (tag) return volumes.some((volume) => hasTag(volume, tag)) ? undefined : missing("volume");
  const logical = logicalName(word);
  if (logical !== undefined)
    return volumes.some((one) => one.name === logical) ? undefined : missing("logical volume");
  const [, array] = /^\/dev\/(md.+)$/.exec(word) ?? [];
  if (volumes.some(({ name }) => name === array)) return undefined;
  const [, bus, number] = /^\/dev\/(xvd|[hsv]d)a(\d*)$/.exec(word) ?? [];
  if (bus === undefined) return { weight: "unknown", why: `whether ${what} is on this disk is unknown` };
  if (!volumes.some((one) => one.name === (number === "" ? "disk" : `p${number}`))) return missing("volume");
  if (busesOf[mode].includes(bus)) return undefined;
  return {
    weight: "unfit",
    why: `${what} has another name there, ${busesOf[mode].map((one) => `/dev/${one}a${number}`).join(" or ")}`,
    remedy: conversion(mode),
  };
}

interface Tag {
  readonly kind: "uuid" | "label" | "partuuid" | "partlabel";
  readonly value: string;
}

function tagOf(word: string): Tag | undefined {
  const [, kind, value = ""] =
    /^(UUID|LABEL|PARTUUID|PARTLABEL)=["']?(.*?)["']?$/.exec(word) ??
    /^\/dev\/disk\/by-(uuid|label|partuuid|partlabel)\/(.+)$/.exec(word) ??
    [];
  return kind === undefined ? undefined : { kind: kind.toLowerCase() as Tag["kind"], value };
}

function hasTag(volume: Volume, { kind, value }: Tag): boolean {
  const { uuid, label, partUuid, partLabel } = volume;
  if (kind === "uuid") return uuid?.toLowerCase() === value.toLowerCase();
  if (kind === "partuuid") return partUuid?.toLowerCase() === value.toLowerCase();
  return value === (kind === "label" ? label : partLabel);
}

/**
 * Entries of fstab with names that do not survive the change of mode. The guest waits for such devices, then drops to a
 * repair shell.
 */
export async function fstabFindings(tree: GuestTree, mode: GuestMode): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const line of ((await tree.text("/etc/fstab")) ?? "").split("\n")) {
    const [device = "", at = "", fs = "", options = ""] = line.trim().split(/\s+/);
    const [, bus] = /^\/dev\/(xvd|[hsv]d)[a-z]+\d*$/.exec(device) ?? [];
    if (bus === undefined || busesOf[mode].includes(bus)) continue;
    const isNeeded = fs !== "swap" && !/(?:^|,)(?:noauto|nofail)(?:,|$)/.test(options);
    found.push({
      weight: isNeeded ? "unfit" : "remark",
      about: "/etc/fstab",
      why: `${device} (${fs === "swap" ? "swap" : at}) has another name there`,
      remedy: conversion(mode),
    });
  }
  return found;
}

/** `/dev/mapper/vg-lv`, where a dash within a name is doubled, and `/dev/vg/lv`. */
function logicalName(word: string): string | undefined {
  const mapped = /^\/dev\/mapper\/(.+)$/.exec(word)?.[1];
  if (mapped !== undefined) {
    const [, group, volume] = /^((?:[^-]|--)+)-((?:[^-]|--)+)$/.exec(mapped) ?? [];
    return group && volume ? `${group.replaceAll("--", "-")}/${volume.replaceAll("--", "-")}` : undefined;
  }
  const [, group, volume] = /^\/dev\/([^/]+)\/([^/]+)$/.exec(word) ?? [];
  return group !== undefined && group !== "disk" ? `${group}/${volume}` : undefined;
}
