import { majorOf, type Recipe } from "./recipe.ts";

type Machine = Pick<Recipe, "release"> & Partial<Pick<Recipe, "kernel" | "machine" | "layout" | "disks">>;

/** What a guest needs to boot, be logged in to and be changed, and what checks its file systems. */
export function neededPackages(recipe: Machine): readonly string[] {
  const major = majorOf(recipe.release);
  return [...namedByKickstart(recipe), ...systemOf(major), ...loaderOf(major, recipe), ...toolsOf(recipe)];
}

/**
 * What an installer leaves out when it is excluded. Up to OL7, it installs an excluded package after all if another one
 * requires it; dnf of later releases does not.
 */
export function neededFromInstaller(recipe: Machine): readonly string[] {
  return majorOf(recipe.release) >= 8 ? neededPackages(recipe) : namedByKickstart(recipe);
}

function namedByKickstart({ release, kernel }: Machine): string[] {
  const major = majorOf(release);
  const kernels = kernel === "rhck" ? ["kernel", "kernel-core"] : ["kernel-uek", "kernel-uek-core"];
  const network = major <= 6 ? ["initscripts"] : major >= 8 ? ["NetworkManager"] : [];
  const manager = major >= 8 ? "dnf" : "yum";
  return ["openssh-server", "openssh", "bash", "coreutils", "glibc", "rpm", manager, ...kernels, ...network];
}

function systemOf(major: number): string[] {
  const init = major >= 7 ? ["systemd", "dbus"] : [major === 6 ? "upstart" : "SysVinit"];
  const initramfs = major === 5 ? "mkinitrd" : "dracut";
  const utilities = major === 6 ? "util-linux-ng" : "util-linux";
  return [...init, initramfs, utilities, "shadow-utils", "passwd", "filesystem", "setup", "glibc-common"];
}

function loaderOf(major: number, { machine }: Machine): string[] {
  if (major <= 6) return ["grub"];
  const image = machine?.firmware === "uefi" ? ["grub2-efi-x64", "shim-x64"] : ["grub2-pc"];
  return ["grub2-common", "grub2-tools", "grub2-tools-minimal", ...image];
}

function toolsOf({ layout = [], disks = [] }: Machine): string[] {
  const kinds = new Set([...layout, ...disks].map(({ fs }) => fs));
  return [
    ...(kinds.has("ext3") || kinds.has("ext4") ? ["e2fsprogs"] : []),
    ...(kinds.has("xfs") ? ["xfsprogs"] : []),
    ...(kinds.has("btrfs") ? ["btrfs-progs"] : []),
  ];
}

/** The package of a service that is not called like it. */
export function packageOfService(name: string, release: Recipe["release"] | undefined): string {
  const plain = name.replace(/\.service$/, "");
  if (plain === "crond") return release === "ol5" ? "vixie-cron" : "cronie";
  return servicePackages.get(plain) ?? plain;
}

const servicePackages: ReadonlyMap<string, string> = new Map([
  ["auditd", "audit"],
  ["chronyd", "chrony"],
  ["iscsi", "iscsi-initiator-utils"],
  ["iscsid", "iscsi-initiator-utils"],
  ["multipathd", "device-mapper-multipath"],
  ["named", "bind"],
  ["nfs", "nfs-utils"],
  ["nfs-server", "nfs-utils"],
  ["ntpd", "ntp"],
  ["oracleasm", "oracleasm-support"],
  ["smb", "samba"],
  ["snmpd", "net-snmp"],
  ["sshd", "openssh-server"],
]);
