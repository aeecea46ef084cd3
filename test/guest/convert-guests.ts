import { gzipSync } from "node:zlib";
import { cpioArchive } from "../../src/guest/convert/cpio.ts";
import type { Release } from "../../src/guest/release.ts";
import { kernelModule } from "../boot-sample.ts";
import { type MemoryTree, memoryTree } from "../fakes/memory-tree.ts";

/** Guests as the releases make them, installed on a disk that is called sda, without drivers of Xen and virtio. */

const file = (path: string, data: string | Buffer = "x") => ({
  path,
  mode: /^(?:init$|bin\/)/.test(path) ? 0o755 : 0o644,
  data: Buffer.from(data as string),
});
const module = (version: string, name: string) =>
  Buffer.concat([kernelModule(version), Buffer.from(`module ${name}`)]);
const folder = (path: string) => ({ path, mode: 0o755 });
const paths = {
  xenblk: "kernel/drivers/xenblk/xenblk.ko",
  xennet: "kernel/drivers/xennet/xennet.ko",
  "xen-vbd": "kernel/drivers/xen/blkfront/xen-vbd.ko",
  "xen-vnif": "kernel/drivers/xen/netfront/xen-vnif.ko",
  "xen-platform-pci": "kernel/drivers/xen/platform-pci/xen-platform-pci.ko",
  "xen-blkfront": "kernel/drivers/block/xen-blkfront.ko",
  "xen-netfront": "kernel/drivers/net/xen-netfront.ko",
  virtio: "kernel/drivers/virtio/virtio.ko",
  virtio_ring: "kernel/drivers/virtio/virtio_ring.ko",
  virtio_pci: "kernel/drivers/virtio/virtio_pci.ko",
  virtio_blk: "kernel/drivers/block/virtio_blk.ko",
  virtio_scsi: "kernel/drivers/scsi/virtio_scsi.ko",
  virtio_net: "kernel/drivers/net/virtio_net.ko",
  scsi_mod: "kernel/drivers/scsi/scsi_mod.ko",
  sd_mod: "kernel/drivers/scsi/sd_mod.ko",
  libata: "kernel/drivers/ata/libata.ko",
  ata_piix: "kernel/drivers/ata/ata_piix.ko",
} as const;
type Name = keyof typeof paths;

const needs: Partial<Record<Name, readonly Name[]>> = {
  "xen-vbd": ["xen-platform-pci"],
  "xen-vnif": ["xen-platform-pci"],
  virtio_ring: ["virtio"],
  virtio_pci: ["virtio_ring", "virtio"],
  virtio_blk: ["virtio_ring", "virtio"],
  virtio_net: ["virtio_ring", "virtio"],
  virtio_scsi: ["scsi_mod", "virtio_ring", "virtio"],
  sd_mod: ["scsi_mod"],
  libata: ["scsi_mod"],
  ata_piix: ["libata", "scsi_mod"],
};
const emulated: readonly Name[] = ["scsi_mod", "sd_mod", "libata", "ata_piix"];
const virtio: readonly Name[] = ["virtio", "virtio_ring", "virtio_pci", "virtio_blk", "virtio_net"];
const front: readonly Name[] = ["xen-blkfront", "xen-netfront"];

function modules(version: string, names: readonly Name[], { absolute = false, end = "" } = {}) {
  const at = (name: Name) => `${absolute ? `/lib/modules/${version}/` : ""}${paths[name]}${end}`;
  const lines = names.map((name) => `${at(name)}: ${(needs[name] ?? []).map(at).join(" ")}`.trimEnd());
  return Object.fromEntries([
    [`/lib/modules/${version}/modules.dep`, `${lines.join("\n")}\n`],
    ...names.map((name) => [`/lib/modules/${version}/${paths[name]}${end}`, module(version, name)]),
  ]);
}

const common = {
  "/etc/fstab":
    "/dev/sda3 / ext4 defaults 1 1\n/dev/sda1 /boot ext3 defaults 1 2\n/dev/sda2 swap swap defaults 0 0\n",
  "/etc/crypttab": "secret /dev/sdb1 none\n",
  "/etc/securetty": "tty1\n",
  "/etc/lvm/lvm.conf":
    'devices {\n    # filter = [ "a|/dev/sda|" ]\n    filter = [ "a|^/dev/sd[a-z]2$|", "r|.*|" ]\n}\n',
  "/etc/multipath.conf": 'blacklist {\n  devnode "^sda$"\n  devnode "^(ram|raw|loop)[0-9]*"\n}\n',
};

const old = "2.6.18-400.el5";
const six = "2.6.32-754.el6.x86_64";
const seven = "3.10.0-1160.el7.x86_64";
const eight = "4.18.0-553.el8.x86_64";

const nashInit = `#!/bin/nash
mount -t proc /proc /proc
echo "Loading sd_mod.ko module"
insmod /lib/sd_mod.ko
mkblkdevs
resume LABEL=SWAP-sda2
mount /sysroot
`;
const nash = gzipSync(
  cpioArchive([
    file("init", nashInit),
    folder("bin"),
    file("bin/nash", "\x7fELF"),
    folder("lib"),
    file("lib/scsi_mod.ko", module(old, "scsi_mod")),
    file("lib/sd_mod.ko", module(old, "sd_mod")),
  ]),
);
const dracut = (version: string, hooks: string, lib: "lib" | "usr/lib", end = "") =>
  cpioArchive([
    folder("bin"),
    ...(lib === "lib" ? [folder("lib")] : [folder("usr"), folder("usr/lib")]),
    folder(hooks),
    file("init", "#!/bin/sh\n"),
    file("bin/sh", "\x7fELF"),
    file(`${lib}/modules/${version}/modules.dep`, ""),
    ...emulated.map((name) => file(`${lib}/modules/${version}/${paths[name]}${end}`, module(version, name))),
  ]);

const guests = {
  5: {
    [`/boot/vmlinuz-${old}`]: "",
    [`/boot/initrd-${old}.img`]: nash,
    [`/boot/vmlinuz-${old}xen`]: "",
    [`/boot/initrd-${old}xen.img`]: nash,
    "/boot/grub/grub.conf":
      `default=0\ntitle plain\n\tkernel /vmlinuz-${old} ro root=/dev/sda3\n\tinitrd /initrd-${old}.img\n` +
      `title xen\n\tkernel /vmlinuz-${old}xen ro root=/dev/sda3\n\tinitrd /initrd-${old}xen.img\n`,
    "/etc/modprobe.conf": "alias eth0 e1000\nalias scsi_hostadapter ata_piix\n",
    "/etc/inittab": "1:2345:respawn:/sbin/mingetty tty1\n",
    "/etc/sysconfig/kernel": "UPDATEDEFAULT=yes\nDEFAULTKERNEL=kernel\n",
    "/etc/rc.d/init.d/kudzu": "#!/bin/sh\n",
    "/etc/rc.d/rc3.d/S05kudzu": "../init.d/kudzu",
    ...modules(old, [...emulated, ...virtio, "xen-platform-pci", "xen-vbd", "xen-vnif"], { absolute: true }),
    ...modules(`${old}xen`, [...emulated, "xenblk", "xennet"], { absolute: true }),
  },
  6: {
    [`/boot/vmlinuz-${six}`]: "",
    [`/boot/initramfs-${six}.img`]: gzipSync(dracut(six, "pre-udev", "lib")),
    "/boot/grub/grub.conf": `default=0\ntitle x\n  kernel /vmlinuz-${six} ro root=/dev/sda3 console=ttyS0\n  initrd /initramfs-${six}.img\n`,
    "/etc/inittab": "id:3:initdefault:\n1:2345:respawn:/sbin/mingetty tty1\n",
    "/etc/init/tty.conf": "exec /sbin/mingetty $TTY\n",
    "/boot/grub/device.map": "# this device map was generated by anaconda\n(hd0)     /dev/sda\n",
    ...modules(six, [...emulated, ...virtio, ...front]),
  },
  7: {
    [`/boot/vmlinuz-${seven}`]: "",
    [`/boot/initramfs-${seven}.img`]: Buffer.concat([
      cpioArchive([file("kernel/x86/microcode")]),
      gzipSync(dracut(seven, "usr/lib/dracut/hooks/pre-udev", "usr/lib", ".xz")),
    ]),
    "/boot/grub2/grub.cfg": `menuentry 'OL' --id x {\n\tlinux16 /vmlinuz-${seven} root=/dev/sda3 ro\n\tinitrd16 /initramfs-${seven}.img\n}\n`,
    "/etc/default/grub": 'GRUB_CMDLINE_LINUX="crashkernel=auto"\n',
    "/etc/sysconfig/network-scripts/ifcfg-ens3": "DEVICE=ens3\nNAME=ens3\nBOOTPROTO=dhcp\n",
    ...modules(seven, [...emulated, ...virtio, ...front], { end: ".xz" }),
  },
  8: {
    [`/boot/vmlinuz-${eight}`]: "",
    [`/boot/initramfs-${eight}.img`]: gzipSync(
      dracut(eight, "usr/lib/dracut/hooks/pre-udev", "usr/lib", ".xz"),
    ),
    "/boot/grub2/grub.cfg": 'insmod blscfg\nset kernelopts="root=/dev/sda3 ro"\nblscfg\n',
    "/boot/grub2/grubenv": "# GRUB Environment Block\nsaved_entry=b\nkernelopts=root=/dev/sda3 ro \n".padEnd(
      1024,
      "#",
    ),
    "/boot/loader/entries/a.conf": `title A\nlinux /vmlinuz-${eight}\ninitrd /initramfs-${eight}.img\noptions $kernelopts\n`,
    "/boot/loader/entries/b.conf": `title B\nlinux /vmlinuz-${eight}\ninitrd /initramfs-${eight}.img\noptions root=/dev/sda3 ro quiet\n`,
    "/etc/default/grub": "GRUB_CMDLINE_LINUX='quiet'\n",
    "/etc/lvm/devices/system.devices": "IDTYPE=sys_wwid IDNAME=x DEVNAME=/dev/sda2\n",
    ...modules(eight, [...emulated, ...virtio, "virtio_scsi", ...front], { end: ".xz" }),
  },
} as const;

export const guestMajors = [5, 6, 7, 8] as const;
export type GuestMajor = (typeof guestMajors)[number];

export function guestOf(
  major: GuestMajor,
  more: Readonly<Record<string, string | Uint8Array>> = {},
): { tree: MemoryTree; release: Release } {
  const release: Release = { name: `Oracle Linux Server release ${major}.9`, major, update: 9 };
  return { tree: memoryTree({ ...filesOf(major), ...more }), release };
}

export function filesOf(major: GuestMajor): Readonly<Record<string, string | Uint8Array>> {
  return { ...common, ...guests[major] };
}
