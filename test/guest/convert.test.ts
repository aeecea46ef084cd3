import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type GuestMode, guestModes, type OvmdChoice } from "../../src/choices.ts";
import { cpioArchive } from "../../src/guest/convert/cpio.ts";
import { buildOperations, convertOperations } from "../../src/guest/convert/index.ts";
import { initramfsEntries, initramfsPaths } from "../../src/guest/convert/initramfs.ts";
import { applyAll, auditAll } from "../../src/guest/operation.ts";
import type { Release } from "../../src/guest/release.ts";
import { bzImage, kernelModule, pvElf } from "../boot-sample.ts";
import type { MemoryTree } from "../fakes/memory-tree.ts";
import { type GuestMajor, guestMajors, guestOf } from "./convert-guests.ts";

async function convert(
  guest: { tree: MemoryTree; release: Release },
  mode: GuestMode,
  ovmd: OvmdChoice = "keep",
) {
  const operations = convertOperations(mode, guest.release, { ovmd });
  const done = await applyAll(guest.tree, operations);
  expect(await auditAll(guest.tree, operations)).toEqual([]);
  return done.filter((one) => one.done.length > 0).map(({ name }) => name);
}

const cases = guestMajors.flatMap((major) =>
  guestModes.map((mode): [GuestMajor, GuestMode] => [major, mode]),
);

/** The initramfs of the kernel that is named so, with the contents of some files. */
async function initramfsOf(tree: MemoryTree, pattern: string) {
  const [path = ""] = await tree.glob(pattern);
  const { entries } = await initramfsEntries((await tree.read(path)) ?? new Uint8Array(), () => true);
  const last = new Map(
    entries.map((entry) => [entry.path, Buffer.from(entry.data ?? []).toString("latin1")]),
  );
  return { paths: entries.map((entry) => entry.path), last };
}

describe("a conversion", () => {
  it.each(cases)("of OL%i to %s is complete, and a second time changes nothing", async (major, mode) => {
    const guest = guestOf(major);
    await convert(guest, mode);
    const once = guest.tree.snapshot();
    expect(await convert(guest, mode)).toEqual([]);
    expect(guest.tree.snapshot()).toEqual(once);
  });

  it.each(guestMajors)("of OL%i goes from each mode to each other", async (major) => {
    for (const from of guestModes)
      for (const to of guestModes) {
        const guest = guestOf(major);
        await convert(guest, from);
        await convert(guest, to);
      }
  });

  it("names disks by UUID or label if the volumes are known, otherwise by the machine's names", async () => {
    const { tree, release } = guestOf(6);
    const volume = { offset: 0, bytes: 1, fs: "ext4" as const };
    const volumes = [
      { ...volume, name: "p1", uuid: "u-1" },
      { ...volume, name: "p2", label: "SWAP" },
      { ...volume, name: "p3", uuid: "u-3" },
    ];
    await applyAll(tree, convertOperations("pvm", release, { volumes }));
    expect(await tree.text("/etc/fstab")).toBe(
      "UUID=u-3 / ext4 defaults 1 1\nUUID=u-1 /boot ext3 defaults 1 2\nLABEL=SWAP swap swap defaults 0 0\n",
    );
    expect(await tree.text("/etc/crypttab")).toBe("secret /dev/xvdb1 none\n");
    expect(await tree.text("/boot/grub/grub.conf")).toContain("root=UUID=u-3 console=ttyS0 console=hvc0\n");
    expect(await tree.text("/boot/grub/device.map")).toContain("(hd0)     /dev/xvda\n");
    expect(await tree.text("/etc/lvm/lvm.conf")).toContain('# filter = [ "a|/dev/sda|" ]');
    expect(await tree.text("/etc/lvm/lvm.conf")).toContain(
      'filter = [ "a|^/dev/[hsvx]v?d[a-z]2$|", "r|.*|" ]',
    );
    expect(await tree.text("/etc/multipath.conf")).toContain('devnode "^xvda$"');
  });

  it("lets LVM find the root in the initramfs, too, and does not wait there for a disk of the old machine", async () => {
    const hook = (name: string) => `usr/lib/dracut/hooks/initqueue/finished/devexists-${name}.sh`;
    const early = [
      { path: "etc/lvm/lvm.conf", text: 'devices {\n filter = [ "a|^/dev/sda2$|", "r|.*|" ]\n}\n' },
      { path: "etc/lvm/devices/system.devices", text: "IDTYPE=devname IDNAME=/dev/sda2\n" },
      { path: hook("sda2"), text: '[ -e "/dev/sda2" ]\n' },
      { path: hook("id"), text: '[ -e "/dev/disk/by-id/ata-VBOX-part2" ]\n' },
      { path: hook("uuid"), text: '[ -e "/dev/disk/by-uuid/1-2" ]\n' },
      { path: hook("root"), text: '[ -e "/dev/mapper/vg-root" ]\n' },
    ].map(({ path, text }) => ({ path, mode: 0o644, data: Buffer.from(text) }));
    const guest = guestOf(7);
    const [path = ""] = await guest.tree.glob("/boot/initramfs-*.img");
    await guest.tree.write(
      path,
      Buffer.concat([(await guest.tree.read(path)) ?? Buffer.alloc(0), cpioArchive(early)]),
    );
    await guest.tree.write("/etc/lvm/devices/system.devices", "IDTYPE=devname IDNAME=/dev/sda2\n");
    await convert(guest, "kvm");
    const { last } = await initramfsOf(guest.tree, path);
    expect(last.get("etc/lvm/lvm.conf")).toContain('filter = [ "a|^/dev/[hsvx]v?da2$|", "r|.*|" ]');
    expect(last.get("etc/lvm/devices/system.devices")).toBe("");
    expect(last.get(hook("sda2"))?.trim()).toBe("true");
    expect(last.get(hook("id"))?.trim()).toBe("true");
    expect(last.get(hook("uuid"))).toContain("by-uuid");
    expect(last.get(hook("root"))).toContain("vg-root");
    expect(await guest.tree.glob("/etc/lvm/devices/*")).toEqual([]);
    // Converted back, it needs no change.
    const once = await guest.tree.read(path);
    await convert(guest, "hvm");
    expect(await guest.tree.read(path)).toEqual(once);
  });

  it("expands an entry's variables from GRUB's environment, and unset ones to nothing", async () => {
    const guest = guestOf(8);
    const [entry = ""] = await guest.tree.glob("/boot/loader/entries/b.conf");
    const text = (await guest.tree.text(entry)) ?? "";
    await guest.tree.write(
      entry,
      text.replace(/^options .*/m, "options $kernelopts $tuned_params $early quiet"),
    );
    await convert(guest, "pvm");
    const menu = (await guest.tree.text("/boot/grub/grub.cfg")) ?? "";
    expect(menu).not.toContain("$");
    expect(menu).toMatch(/root=\/dev\/xvda3 ro.* quiet/);
    expect(menu).toContain("set timeout=1\n");
  });

  it("leaves an HVM guest unchanged after PVM and back, except for settings that suit both", async () => {
    const guest = guestOf(6);
    await convert(guest, "pvm");
    expect(await guest.tree.text("/etc/inittab")).toContain("agetty hvc0");
    expect(await guest.tree.text("/etc/init/tbuild-console.conf")).toContain("hvc0");
    await convert(guest, "hvm");
    expect(await guest.tree.text("/etc/inittab")).toBe(await guestOf(6).tree.text("/etc/inittab"));
    expect(await guest.tree.text("/etc/init/tbuild-console.conf")).toBeUndefined();
    expect(await guest.tree.text("/boot/grub/grub.conf")).toContain("console=ttyS0\n");
    expect(await guest.tree.text("/boot/grub/grub.conf")).not.toContain("hvc0");
  });

  it("moves the login of a PV guest to the serial line", async () => {
    const inittab = "1:2345:respawn:/sbin/mingetty tty1\nco:2345:respawn:/sbin/agetty xvc0 9600 vt100-nav\n";
    const guest = guestOf(5, { "/etc/inittab": inittab, "/etc/securetty": "tty1\nxvc0\n" });
    await convert(guest, "kvm");
    expect(await guest.tree.text("/etc/inittab")).toBe(inittab.replace("xvc0", "ttyS0"));
    expect(await guest.tree.text("/etc/securetty")).toBe("tty1\nxvc0\nttyS0\n");
  });

  it("boots a kernel of release 5 that runs there, and keeps that kind", async () => {
    const guest = guestOf(5);
    await convert(guest, "pvm");
    expect(await guest.tree.text("/boot/grub/grub.conf")).toContain("default=1\n");
    expect(await guest.tree.text("/boot/grub/grub.conf")).toMatch(
      /el5xen ro root=\/dev\/xvda3 .*console=xvc0$/m,
    );
    expect(await guest.tree.text("/etc/sysconfig/kernel")).toContain("DEFAULTKERNEL=kernel-xen");
    expect(await guest.tree.text("/etc/modprobe.conf")).toBe(
      "alias eth0 xennet\nalias scsi_hostadapter ata_piix\nalias scsi_hostadapter9 xenblk\n",
    );
    expect(await guest.tree.glob("/etc/rc.d/rc3.d/*")).toEqual(["/etc/rc.d/rc3.d/K95kudzu"]);
    await convert(guest, "kvm");
    expect(await guest.tree.text("/boot/grub/grub.conf")).toContain("default=0\n");
    expect(await guest.tree.text("/etc/sysconfig/kernel")).toContain("DEFAULTKERNEL=kernel\n");
    expect(await guest.tree.text("/etc/modprobe.conf")).toBe(
      "alias eth0 virtio_net\nalias scsi_hostadapter ata_piix\nalias scsi_hostadapter9 virtio_pci\nalias scsi_hostadapter10 virtio_blk\n",
    );
  });

  it("reports that release 5 has no kernel for PV", async () => {
    const guest = guestOf(5);
    for (const path of await guest.tree.glob("/boot/*el5xen*")) await guest.tree.remove(path);
    await expect(convert(guest, "pvm")).rejects.toMatchObject({ fault: "guest", said: expect.anything() });
    await expect(convert(guest, "pvm")).rejects.toThrow("no entry has an existing kernel that runs as pvm");
  });

  it("writes a menu for pygrub beside grub2's, of menu or loader entries, with GRUB's default", async () => {
    const seven = guestOf(7);
    await convert(seven, "pvm");
    expect(await seven.tree.text("/boot/grub/grub.cfg")).toContain(
      'menuentry "OL" {\n  linux /vmlinuz-3.10.0-1160.el7.x86_64 root=/dev/xvda3 ro net.ifnames=0 biosdevname=0 console=tty0 console=hvc0\n',
    );
    const eight = guestOf(8);
    await convert(eight, "pvm");
    const menu = (await eight.tree.text("/boot/grub/grub.cfg")) ?? "";
    expect(menu.match(/menuentry "."/g)).toEqual(['menuentry "B"', 'menuentry "A"']);
    expect(menu).toContain("set default=0\n");
    expect(menu.match(/root=\/dev\/xvda3 ro.* console=hvc0$/gm)).toHaveLength(2);
    expect(Buffer.byteLength((await eight.tree.text("/boot/grub2/grubenv")) ?? "")).toBe(1024);
    await convert(eight, "kvm");
    expect(await eight.tree.text("/boot/grub/grub.cfg")).toBeUndefined();
    expect(await eight.tree.text("/boot/loader/entries/b.conf")).not.toContain("hvc0");
  });

  it("gives a release 6 guest that was installed for UEFI a menu for a BIOS, and none if it stays with UEFI", async () => {
    const [bios, uefi] = ["/boot/grub/grub.conf", "/boot/efi/EFI/redhat/grub.conf"];
    const installed = async () => {
      const guest = guestOf(6);
      const menu = (await guest.tree.text(bios)) ?? "";
      await guest.tree.write(uefi, `device (hd0) HD(1,800,64000,5a1ec0de-0000)\n${menu}`);
      for (const path of [bios, "/boot/grub/menu.lst"]) await guest.tree.remove(path);
      return guest;
    };
    const kvm = await installed();
    await convert(kvm, "kvm");
    expect(await kvm.tree.text(bios)).toBeUndefined();
    expect(await kvm.tree.text(uefi)).toMatch(/^device [\s\S]*root=\/dev\/vda3/);
    const pvm = await installed();
    await convert(pvm, "pvm");
    expect(await pvm.tree.text(bios)).toMatch(/^(?!device)[\s\S]*root=\/dev\/xvda3.* console=hvc0$/m);
    expect(await pvm.tree.text("/boot/grub/menu.lst")).toBe(await pvm.tree.text(bios));
    await convert(pvm, "kvm");
    expect(await pvm.tree.text(uefi)).not.toContain("hvc0");
    expect(await pvm.tree.text(bios)).not.toContain("hvc0");
  });

  it("counts network cards that were named by their place", async () => {
    const { tree, release } = guestOf(7);
    await convert({ tree, release }, "kvm");
    expect(await tree.text("/etc/sysconfig/network-scripts/ifcfg-eth0")).toBe(
      "DEVICE=eth0\nNAME=eth0\nBOOTPROTO=dhcp\n",
    );
    expect(await tree.glob("/etc/sysconfig/network-scripts/*")).toHaveLength(1);
    expect(await tree.text("/etc/default/grub")).toContain("net.ifnames=0 biosdevname=0");
  });

  it("removes LVM's list of disks", async () => {
    const { tree, release } = guestOf(8);
    await convert({ tree, release }, "kvm");
    expect(await tree.glob("/etc/lvm/devices/*")).toEqual([]);
  });

  it("disables ovmd if told to, and uses cloud-init only if it is installed", async () => {
    const with_ = {
      "/etc/rc.d/init.d/ovmd": "#!/bin/sh\n# chkconfig: 3 08 92\n",
      "/etc/rc.d/rc3.d/S08ovmd": "../init.d/ovmd",
    };
    const guest = guestOf(6, with_);
    expect(await convert(guest, "kvm")).not.toContain("ovmd");
    expect(await convert(guest, "kvm", "disable")).toEqual(["ovmd"]);
    expect(await guest.tree.glob("/etc/rc.d/rc3.d/*")).toEqual(["/etc/rc.d/rc3.d/K95ovmd"]);
    await expect(convert(guestOf(6, with_), "kvm", "cloud-init")).rejects.toThrow(
      "cloud-init is not installed",
    );
    const both = guestOf(6, {
      ...with_,
      "/etc/rc.d/init.d/cloud-init": "#!/bin/sh\n# chkconfig: 35 52 48\n",
    });
    expect(await convert(both, "kvm", "cloud-init")).toContain("cloud-init");
    expect(await both.tree.glob("/etc/rc.d/rc3.d/S*")).toEqual(["/etc/rc.d/rc3.d/S52cloud-init"]);
  });
});

describe("drivers in an initramfs", () => {
  it("are added for nash of release 5 in /lib, each after what it needs, and loaded before disks are looked for", async () => {
    const guest = guestOf(5);
    await convert(guest, "kvm");
    const { last } = await initramfsOf(guest.tree, "/boot/initrd-*el5.img");
    expect((last.get("init") ?? "").split("\n").filter((line) => /^(?:insmod|mkblkdevs)/.test(line))).toEqual(
      [
        "insmod /lib/sd_mod.ko",
        "insmod /lib/virtio.ko",
        "insmod /lib/virtio_ring.ko",
        "insmod /lib/virtio_pci.ko",
        "insmod /lib/virtio_blk.ko",
        "insmod /lib/virtio_net.ko",
        "mkblkdevs",
      ],
    );
    expect(last.get("lib/virtio_pci.ko")).toMatch(/module virtio_pci$/);
    expect((await initramfsOf(guest.tree, "/boot/initrd-*el5xen.img")).paths).not.toContain(
      "lib/virtio_pci.ko",
    );
  });

  it.each([
    [6, "lib", "pre-udev", ""],
    [7, "usr/lib", "usr/lib/dracut/hooks/pre-udev", ".xz"],
  ] as const)(
    "are added for dracut of release %i, with an index and a hook",
    async (major, lib, hooks, end) => {
      const guest = guestOf(major);
      await convert(guest, "pvm");
      const { paths, last } = await initramfsOf(guest.tree, "/boot/initramfs-*.img");
      const front = paths.find((path) => path.endsWith(`/xen-blkfront.ko${end}`)) ?? "";
      expect(front).toMatch(new RegExp(`^${lib}/modules/`));
      expect(last.get(front)).toMatch(/module xen-blkfront$/);
      expect(last.get(`${hooks}/00-tbuild-drivers.sh`)).toContain(
        "modprobe -q xen-blkfront\nmodprobe -q xen-netfront\n",
      );
      expect(paths.some((path) => path.endsWith("/modules.dep.bin"))).toBe(true);
      // Existing links stay: a folder would replace them.
      expect(paths.filter((path) => path === "lib" || path === "usr")).toHaveLength(1);
    },
  );

  it.each([6, 7] as const)("of release %i are loaded after each of several conversions", async (major) => {
    const guest = guestOf(major);
    for (const mode of ["kvm", "pvm", "kvm"] as const) await convert(guest, mode);
    const { last } = await initramfsOf(guest.tree, "/boot/initramfs-*.img");
    const hook = [...last].find(([path]) => path.endsWith("/00-tbuild-drivers.sh"))?.[1] ?? expect.fail();
    for (const name of ["virtio_pci", "virtio_blk", "virtio_net", "xen-blkfront", "xen-netfront"])
      expect(hook.match(new RegExp(`^modprobe -q ${name}$`, "gm"))).toHaveLength(1);
  });

  it("are known to be missing if the booted kernel has no such module", async () => {
    const guest = guestOf(6);
    const [dep = ""] = await guest.tree.glob("/lib/modules/*/modules.dep");
    await guest.tree.edit(dep, (text) => text.replace(/^.*virtio_pci.ko:.*\n/m, ""));
    await expect(convert(guest, "kvm")).rejects.toThrow("lacks the module virtio_pci, and none is built in");
  });

  it("are those of the release that the kernel itself states, where its file has another name", async () => {
    const guest = guestOf(5);
    const [kernel = ""] = await guest.tree.glob("/boot/vmlinuz-*");
    const image = bzImage(gzipSync(pvElf));
    image.writeUInt16LE(0x100, 0x20e);
    image.write("9.9-own (root@build)\0", 0x300);
    await guest.tree.write(kernel, image);
    for (const path of await guest.tree.glob("/lib/modules/*/kernel/drivers/*/*.ko"))
      await guest.tree.write(path, kernelModule("9.9-own"));
    await convert(guest, "kvm");
    const [initrd = ""] = await guest.tree.glob("/boot/initrd-*");
    expect(await initramfsPaths((await guest.tree.read(initrd)) ?? new Uint8Array())).toContain(
      "lib/virtio_blk.ko",
    );
  });

  it("are not added if nothing is known to load them", async () => {
    const guest = guestOf(6);
    const [path = ""] = await guest.tree.glob("/boot/initramfs-*");
    await guest.tree.write(
      path,
      gzipSync(cpioArchive([{ path: "init", mode: 0o755, data: Buffer.from("ELF") }])),
    );
    await expect(convert(guest, "pvm")).rejects.toThrow("was made by neither dracut nor mkinitrd");
  });
});

describe("a build", () => {
  it("leaves HVM alone, and a guest with PV drivers its consoles", () => {
    const { release } = guestOf(6);
    expect(buildOperations("hvm", release)).toEqual([]);
    const names = buildOperations("pvhvm", release).map(({ name }) => name);
    expect(names).toContain("initramfs-drivers");
    expect(names).not.toContain("consoles");
  });
});

describe("initramfsPaths", () => {
  it("skips the microcode at the front", async () => {
    const archive = (name: string) => cpioArchive([{ path: name, mode: 0o644, data: Buffer.from("x") }]);
    const image = Buffer.concat([archive("early"), Buffer.alloc(512), gzipSync(archive("late"))]);
    expect(await initramfsPaths(image)).toEqual(["early", "late"]);
  });
});
