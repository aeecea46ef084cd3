import { stat } from "node:fs/promises";
import { join } from "node:path";

/** A Debian package that tbuild uses, and the programs or files that show that it is installed. */
export interface Package {
  readonly name: string;
  readonly has: readonly string[];
  readonly for: string;
  /** Builds and rehearsals need it. Other packages are for single commands. */
  readonly required?: true;
  /** Needed to make the rehearsal medium. */
  readonly medium?: true;
}

/** All packages, with their Debian 12 names. */
export const packages: readonly Package[] = [
  needed("qemu-system-x86", ["qemu-system-x86_64"], "machines"),
  needed("qemu-utils", ["qemu-img", "qemu-io", "qemu-storage-daemon"], "disk images"),
  needed("e2fsprogs", ["mke2fs", "e2fsck", "debugfs", "tune2fs", "resize2fs"], "ext file systems"),
  needed("openssh-client", ["ssh", "ssh-keygen"], "provisioning, signatures, remote images"),
  needed("openssl", ["openssl"], "password hashes"),
  needed("git", ["git"], "recipe repos"),
  needed("xz-utils", ["xz"], "unpacking kernels and initramfs"),
  needed("mtools", ["mformat", "mcopy", "mtype"], "UEFI parts of installation media"),
  { ...needed("rpm", ["rpmbuild", "rpm"], "packages of the rehearsal medium"), medium: true },
  { ...needed("createrepo-c", ["createrepo_c"], "repositories of the rehearsal medium"), medium: true },
  { ...needed("squashfs-tools", ["mksquashfs"], "the installer of the rehearsal medium"), medium: true },
  { ...needed("xorriso", ["xorriso"], "installation discs"), medium: true },
  { ...needed("cpio", ["cpio"], "initrds"), medium: true },
  { ...needed("zstd", ["zstd"], "unpacking Debian packages"), medium: true },
  {
    ...needed("kmod", ["depmod"], "kernel modules of the rehearsal medium, and of converted guests"),
    medium: true,
  },
  { ...needed("python3", ["python3"], "the tables of the rehearsal medium"), medium: true },
  { ...needed("isolinux", ["/usr/lib/ISOLINUX/isolinux.bin"], "BIOS boot of discs"), medium: true },
  {
    ...needed("syslinux-common", ["/usr/lib/syslinux/modules/bios/ldlinux.c32"], "BIOS boot of discs"),
    medium: true,
  },
  { name: "bzip2", has: ["bzip2"], for: "kernels, initramfs and archives in bzip2" },
  { name: "lz4", has: ["lz4"], for: "kernels and initramfs in lz4" },
  { name: "lzop", has: ["lzop"], for: "kernels and initramfs in LZO" },
  { name: "grub-common", has: ["grub-mkimage"], for: "GRUB on disks that have no boot loader" },
  {
    name: "grub-pc-bin",
    has: ["/usr/lib/grub/i386-pc/boot.img"],
    for: "GRUB on disks that have no boot loader, of guests without GRUB 2",
  },
  { name: "sshfs", has: ["sshfs"], for: "images on other machines" },
  { name: "user-mode-linux", has: ["linux.uml"], for: "XFS, btrfs and LVM images without root" },
  { name: "xfsprogs", has: ["xfs_repair", "xfs_growfs"], for: "checks of XFS, larger disks" },
  { name: "fdisk", has: ["sfdisk"], for: "larger disks" },
  { name: "lvm2", has: ["lvm"], for: "larger disks with logical volumes" },
  { name: "ksh", has: ["ksh"], for: "the syntax of first-boot modules in ksh" },
  { name: "kpartx", has: ["kpartx"], for: "images through device-mapper, as root" },
];

/** The packages in `wanted` with a missing program or file. `path` is the PATH to search. */
export async function missingPackages(wanted: readonly Package[], path: string): Promise<Package[]> {
  const there = await Promise.all(wanted.map((one) => isComplete(one, path)));
  return wanted.filter((_, index) => !there[index]);
}

/** How to install a missing program. */
export function installHint(program: string): string {
  const found = packages.find(({ has }) => has.includes(program));
  return found === undefined
    ? "Install the package that contains it."
    : `Install Debian's package ${found.name}: apt-get install ${found.name}. \`tbuild setup\` lists all that is missing.`;
}

function needed(name: string, has: readonly string[], use: string): Package {
  return { name, has, for: use, required: true };
}

async function isComplete({ has }: Package, path: string): Promise<boolean> {
  const folders = path.split(":").filter((folder) => folder !== "");
  const found = await Promise.all(
    has.map(async (one) => {
      const places = one.startsWith("/") ? [one] : folders.map((folder) => join(folder, one));
      return (await Promise.all(places.map(exists))).includes(true);
    }),
  );
  return found.every(Boolean);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
