import { majorOf, type Recipe } from "./recipe.ts";

type Machine = Pick<Recipe, "release"> & Partial<Pick<Recipe, "kernel" | "machine" | "layout" | "disks">>;

/** Packages that a guest needs for booting, logins, changes, and file system checks. */
export function neededPackages(recipe: Machine): readonly string[] {
  const major = majorOf(recipe.release);
  return [...namedByKickstart(recipe), ...systemOf(major), ...loaderOf(major, recipe), ...toolsOf(recipe)];
}

/**
 * Packages that an installer leaves out if they are excluded. Up to OL7, it installs an excluded package
 * after all if another one requires it; dnf of later releases does not.
 */
export function neededFromInstaller(recipe: Machine): readonly string[] {
  return majorOf(recipe.release) >= 8 ? neededPackages(recipe) : namedByKickstart(recipe);
}

function namedByKickstart({ release, kernel }: Machine): string[] {
  const major = majorOf(release);
  const kernels = kernel === "rhck" ? ["kernel", "kernel-core"] : ["kernel-uek", "kernel-uek-core"];
  // The start scripts of Oracle's additions read initscripts' functions. tbuild calls yum in every release.
  const network = major <= 7 ? ["initscripts"] : ["NetworkManager"];
  const managers = major >= 8 ? ["dnf", "yum"] : ["yum"];
  return [
    "openssh-server",
    "openssh",
    "bash",
    "coreutils",
    "glibc",
    "rpm",
    ...managers,
    ...kernels,
    ...network,
  ];
}

function systemOf(major: number): string[] {
  const init = major >= 7 ? ["systemd", "dbus"] : [major === 6 ? "upstart" : "SysVinit"];
  const initramfs = major === 5 ? "mkinitrd" : "dracut";
  const utilities = major === 6 ? "util-linux-ng" : "util-linux";
  const modules = major <= 6 ? "module-init-tools" : "kmod";
  const python = major <= 7 ? "python" : major === 8 ? "platform-python" : "python3";
  return [
    ...releaseOf(major),
    ...init,
    initramfs,
    utilities,
    modules,
    ...(major >= 7 ? [] : ["udev"]),
    ...(major === 5 ? [] : ["grubby"]),
    python,
    ...["shadow-utils", "passwd", "pam", "filesystem", "setup", "basesystem", "glibc-common", "rpm-libs"],
    ...["sed", "grep", "gawk", "findutils", "tar", "gzip", "cpio", "procps", "iproute", "chkconfig"]
      .map((name) => (name === "procps" && major >= 7 ? "procps-ng" : name))
      .filter((name) => name !== "chkconfig" || major <= 7),
  ];
}

/** Its files identify the release of a guest. */
function releaseOf(major: number): string[] {
  if (major === 5) return ["enterprise-release", "oraclelinux-release", "redhat-release"];
  return ["oraclelinux-release", major <= 7 ? "redhat-release-server" : "redhat-release"];
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

/** The package of a service, if the names differ. */
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
