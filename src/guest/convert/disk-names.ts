import type { GuestMode } from "../../choices.ts";
import type { Volume } from "../../image/access.ts";
import { legacyMenuPlaces } from "../legacy-menus.ts";
import type { Operation } from "../operation.ts";
import { editsAll, kernelArguments } from "./edit.ts";

/** The names of a machine's disks in each mode. */
export const diskPrefix: Readonly<Record<GuestMode, string>> = {
  pvm: "xvd",
  pvhvm: "xvd",
  hvm: "sd",
  kvm: "vd",
};

/**
 * Replaces disk names, since they change with the machine. If `volumes` has the volume, its name becomes a UUID or a label,
 * which boots everywhere. Otherwise, as for another disk, it becomes the name on the new machine.
 */
export function diskNames(mode: GuestMode, volumes: readonly Volume[] = []): Operation {
  const prefix = diskPrefix[mode];
  const change = (text: string) =>
    text.replaceAll(diskName, (name, letter, number) => newName(volumes, prefix, name, letter, number));
  const inLine = (field: RegExp) => (text: string) =>
    text.replaceAll(field, (_all, before, device) => `${before}${change(device)}`);
  return editsAll({
    name: "disk-names",
    summary: "Refer to disks by UUID, label or the device names of the new machine",
    changes: [
      { path: "/etc/fstab", change: inLine(/^(\s*)(\/dev\/\S+)/gm) },
      { path: "/etc/crypttab", change: inLine(/^(\s*[^#\s]\S*[ \t]+)(\/dev\/\S+)/gm) },
      // These files cannot contain a UUID or a label.
      ...["/boot/grub/device.map", "/boot/grub2/device.map"].map((path) => ({
        path,
        change: (text: string) =>
          text.replaceAll(/^(\(hd\d+\)\s+)\/dev\/(?:xvd|[hsv]d)([a-z])[ \t]*$/gm, `$1/dev/${prefix}$2`),
      })),
      ...(volumes.some(({ name }) => name === "p1") ? legacyMenuPlaces : []).map((path) => ({
        path,
        change: (text: string) => text.replaceAll(/^([ \t]*root[ \t]+)\(hd0\)[ \t]*$/gm, "$1(hd0,0)"),
      })),
      { path: "/etc/multipath.conf", change: inDeviceNodes(prefix) },
      ...kernelArguments((line) => line.replaceAll(/\b(?:root|resume)=\/dev\/\S+/g, change)),
    ],
  });
}

const diskName = /\/dev\/(?:xvd|[hsv]d)([a-z])(\d+)?(?=\s|$)/g;

function newName(
  volumes: readonly Volume[],
  prefix: string,
  name: string,
  letter: string,
  number: string | undefined,
): string {
  const own = number === undefined ? "disk" : `p${number}`;
  // A file system on a whole disk becomes that disk's first partition.
  const [only] = volumes.length === 1 && number === undefined ? volumes : [];
  const volume = letter === "a" ? (volumes.find((one) => one.name === own) ?? only) : undefined;
  if (volume?.uuid !== undefined) return `UUID=${volume.uuid}`;
  if (volume?.label !== undefined) return `LABEL=${volume.label}`;
  return volumes.length > 0 && letter === "a" ? name : `/dev/${prefix}${letter}${number ?? ""}`;
}

// multipath.conf(5): names of local disks, which are not paths of a multipath device.
function inDeviceNodes(prefix: string): (text: string) => string {
  return (text) =>
    text.replaceAll(
      /^([ \t]*devnode[ \t]+"\^?\(?)(?:xvd|[hsv]d)(?=[a-z])/gm,
      (_all, before) => `${before}${prefix}`,
    );
}
