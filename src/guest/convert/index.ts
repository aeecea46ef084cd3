import type { GuestMode, OvmdChoice } from "../../choices.ts";
import type { Volume } from "../../image/access.ts";
import type { Operation } from "../operation.ts";
import type { Release } from "../release.ts";
import { consoles } from "./consoles.ts";
import { diskNames } from "./disk-names.ts";
import { driverConfig } from "./driver-config.ts";
import { initramfsDrivers } from "./initramfs-drivers.ts";
import { kernelChoice } from "./kernel.ts";
import { lvmDevices } from "./lvm.ts";
import { networkNames } from "./network-names.ts";
import { pygrubMenu } from "./pygrub-menu.ts";
import { kudzu, ovmd } from "./services.ts";

export interface ConvertOptions {
  readonly volumes?: readonly Volume[];
  /** What happens to Oracle VM's first-boot configuration. Default: `keep`. */
  readonly ovmd?: OvmdChoice;
}

/**
 * The operations that make a guest boot in a mode, regardless of its current one. They change its files and
 * run none of its programs.
 */
export function convertOperations(
  mode: GuestMode,
  release: Release,
  { volumes = [], ovmd: choice = "keep" }: ConvertOptions = {},
): Operation[] {
  return [
    diskNames(mode, volumes),
    lvmDevices,
    networkNames,
    driverConfig(mode, release),
    kernelChoice(mode, release),
    initramfsDrivers(mode, release),
    consoles(mode, release),
    ...(release.major === 5 ? [kudzu] : []),
    ...ovmd(choice),
    // Last, since it copies the boot entries that the others have changed.
    pygrubMenu(mode, release),
  ];
}

/**
 * The operations of a build. Its image was installed under HVM and must still boot there, for the boot trial.
 * A guest that stays HVM is not changed.
 */
export function buildOperations(
  mode: GuestMode,
  release: Release,
  volumes: readonly Volume[] = [],
): Operation[] {
  if (mode === "hvm") return [];
  const all = convertOperations(mode, release, { volumes });
  const isForBoth = ({ name }: Operation) =>
    mode !== "pvhvm" || !["consoles", "kernel-choice", "pygrub-menu"].includes(name);
  return all.filter((one) => isForBoth(one) && !["lvm-devices", "network-names"].includes(one.name));
}
