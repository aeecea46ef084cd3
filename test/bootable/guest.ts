import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { localHost } from "../../src/host/local.ts";
import { blsGrubModules } from "./bls-grub.ts";
import { bootFs, intoDisk, type Shape, uuids } from "./disk.ts";
import { efiFolder, type Flavour, flavours, menuFiles } from "./flavours.ts";
import { earlySystem, moduleTree } from "./initramfs.ts";
import { cloudKernel, modulesInOrder } from "./machine.ts";

export type { Shape } from "./disk.ts";
export type { Flavour } from "./flavours.ts";
export { cloudKernel } from "./machine.ts";
export { bootInQemu, disks, ovmf } from "./qemu.ts";

/**
 * The smallest guests that boot: Debian's cloud kernel, which has PV, and busybox. The boot menu is where the release has
 * it, and the initramfs finds drivers as the release's does. The first program says that it runs, and powers off.
 */

const host = localHost();
const grubModules = "/usr/lib/grub/i386-pc";
/** The initramfs has only drivers for emulated disks. */
const emulated = ["ata_piix", "ata_generic", "sd_mod"];
const others = ["xen-blkfront", "xen-netfront", "virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net"];

/** Makes a raw disk with such a guest, without a boot loader. */
export async function bootableGuest(image: string, flavour: Flavour, shape: Shape): Promise<void> {
  const own = (await cloudKernel()) ?? "";
  const { major, release, version: nameOf, initramfs, lvmWord } = flavours[flavour];
  const version = nameOf(own);
  const folder = await mkdtemp(join(tmpdir(), "tbuild-test-root-"));
  const put = async (path: string, data: string | Uint8Array, mode = 0o644) => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), data, { mode });
  };
  const link = async (path: string, target: string) => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await symlink(target, join(folder, path));
  };
  for (const dir of ["proc", "sys", "dev", "run", "tmp"]) await mkdir(join(folder, dir), { recursive: true });
  const split = shape !== "bare" && shape !== "one partition";
  const [onLvm, isUefi] = [shape === "LVM", shape === "UEFI"];
  const boot = isUefi ? "/dev/sda2" : "/dev/sda1";
  const root = onLvm
    ? "/dev/mapper/vg0-root"
    : shape === "bare"
      ? "/dev/xvda"
      : isUefi
        ? "/dev/sda3"
        : split
          ? "/dev/sda2"
          : "/dev/sda1";
  await put(major === 5 ? "etc/enterprise-release" : "etc/oracle-release", `${release}\n`);
  await put(
    "etc/fstab",
    `${root} / ext4 defaults 1 1\n${split ? `${boot} /boot ${bootFs(shape)} defaults 1 2\n` : ""}${isUefi ? "/dev/sda1 /boot/efi vfat defaults 0 0\n" : ""}`,
  );
  await put("etc/securetty", "tty1\n");
  await put("etc/inittab", "1:2345:respawn:/sbin/mingetty tty1\n");
  if (major === 5) await put("etc/modprobe.conf", "alias scsi_hostadapter ata_piix\n");
  await put("bin/busybox", await readFile("/usr/bin/busybox"), 0o755);
  await link("bin/sh", "busybox");
  await put("sbin/init", initScript, 0o755);
  const wanted = [...emulated, ...(onLvm ? ["dm-mod"] : [])];
  const modules = await modulesInOrder(own, [...wanted, ...others]);
  for (const [path, data] of await moduleTree({ flavour, own, version }, modules))
    await put(`lib/modules/${version}/${path}`, data);
  await put(`boot/vmlinuz-${version}`, await readFile(`/boot/vmlinuz-${own}`));
  await put(`boot/config-${version}`, await readFile(`/boot/config-${own}`));
  const lvm = onLvm ? lvmFiles(major) : undefined;
  for (const [path, text] of Object.entries(lvm ?? {})) await put(path, text);
  const early = { flavour, own, version, modules: wanted, lvm };
  await put(`boot/${initramfs(version)}`, await earlySystem(early));
  const { files, links } = menuFiles(flavour, {
    below: split ? "" : "/boot",
    version,
    words: `root=${root} ro${onLvm ? lvmWord : ""} console=ttyS0`,
    bootUuid: split ? uuids.boot : uuids.root,
    isUefi,
  });
  if (isUefi) {
    const menu = `/${efiFolder.replace("boot/efi/", "")}`;
    await put("boot/efi/EFI/BOOT/BOOTX64.EFI", await efiLoader(major, major < 7 ? "/stand-in" : menu));
    // GRUB 2 replaces GRUB legacy, because Debian has no GRUB legacy for UEFI.
    if (major < 7) await put("boot/efi/stand-in/grub.cfg", `legacy_source ${menu}/grub.conf\n`);
  }
  for (const [path, text] of Object.entries(files)) await put(path, text);
  for (const [path, target] of Object.entries(links)) await link(path, target);
  if (major === 7) await cp(grubModules, join(folder, "usr/lib/grub/i386-pc"), { recursive: true });
  await intoDisk(image, folder, shape);
  await rm(folder, { recursive: true });
}

/** GRUB for UEFI, of Debian's modules, with its own folder on the EFI partition. */
async function efiLoader(major: number, folder: string): Promise<Buffer> {
  const work = await mkdtemp(join(tmpdir(), "tbuild-test-grub-"));
  const common =
    "part_gpt fat ext2 normal linux configfile search search_fs_uuid legacycfg serial test echo loadenv";
  const [own, modules] = major < 8 ? [[], "linuxefi"] : [["--directory", await blsGrubModules()], "blsuki"];
  await host.run([
    ...["grub-mkimage", ...own, "-O", "x86_64-efi", "-p", folder, "-o", join(work, "grub.efi")],
    ...`${common} ${modules}`.split(" "),
  ]);
  const loader = await readFile(join(work, "grub.efi"));
  await rm(work, { recursive: true });
  return loader;
}

/** LVM's filter: the old machine's disk by its name, as installers and administrators write it. */
function lvmFiles(major: number): Readonly<Record<string, string>> {
  const lists = major >= 9 ? "  use_devicesfile = 1\n" : "";
  const filter = '  filter = [ "a|^/dev/sda2$|", "r|.*|" ]\n';
  return {
    "etc/lvm/lvm.conf": `devices {\n${lists}${filter}  obtain_device_list_from_udev = 0\n}\nactivation {\n  udev_sync = 0\n  udev_rules = 0\n  monitoring = 0\n}\n`,
    ...(major >= 9 && {
      "etc/lvm/devices/system.devices":
        "VERSION=1.1.1\nIDTYPE=devname IDNAME=/dev/sda2 DEVNAME=/dev/sda2 PVID=none PART=2\n",
    }),
  };
}

const initScript = `#!/bin/sh
export PATH=/bin:/sbin
/bin/busybox mkdir -p /run 2>/dev/null
/bin/busybox mount -t tmpfs run /run
echo "GUEST-RUNS on $(/bin/busybox awk '$2 == "/" { print $1 }' /proc/mounts | /bin/busybox tail -n 1) with $(/bin/busybox cat /proc/cmdline)"
/bin/busybox sleep 1
/bin/busybox poweroff -f
`;
