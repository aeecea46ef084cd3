import type { Volume } from "../../image/access.ts";
import type { Operation } from "../operation.ts";
import { editsAll, kernelArguments } from "./edit.ts";

/**
 * Replaces disk names in fstab and kernel lines, since they change with the domain type. With `volumes` a name becomes
 * a UUID, which boots everywhere; without, it becomes xvdX, which boots on Xen.
 */
export function diskNames(volumes: readonly Volume[] = []): Operation {
  const change = (text: string) =>
    text.replaceAll(diskName, (name, letter, number) => newName(volumes, name, letter, number));
  const inFstab = (text: string) =>
    text.replaceAll(/^(\s*)(\/dev\/\S+)/gm, (_all, space, device) => `${space}${change(device)}`);
  return editsAll({
    name: "disk-names",
    summary: "Refer to disks by UUID, label or Xen device name",
    changes: [
      { path: "/etc/fstab", change: inFstab },
      { path: "/etc/crypttab", change: inFstab },
      ...["/boot/grub/device.map", "/boot/grub2/device.map"].map((path) => ({ path, change: inDeviceMap })),
      ...kernelArguments((line) => line.replaceAll(/\b(?:root|resume)=\/dev\/\S+/g, change)),
    ],
  });
}

// The disks of the machine for GRUB's tools. This file can hold names only.
function inDeviceMap(text: string): string {
  return text.replaceAll(/^(\(hd\d+\)\s+\/dev\/)[hsv]d([a-z])[ \t]*$/gm, "$1xvd$2");
}

const diskName = /\/dev\/[hsv]d([a-z])(\d+)?(?=\s|$)/g;

function newName(
  volumes: readonly Volume[],
  name: string,
  letter: string,
  number: string | undefined,
): string {
  const volume = letter === "a" ? volumes.find((one) => one.name === `p${number}`) : undefined;
  if (volume?.uuid !== undefined) return `UUID=${volume.uuid}`;
  return volumes.length > 0 && letter === "a" ? name : `/dev/xvd${letter}${number ?? ""}`;
}
