import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { convertOperations, type DomainType } from "../../src/guest/convert/index.ts";
import { initramfsPaths } from "../../src/guest/convert/initramfs.ts";
import { applyAll, auditAll } from "../../src/guest/operation.ts";
import { parseRelease, type Release } from "../../src/guest/release.ts";
import type { Output } from "../../src/host/host.ts";
import { type MemoryTree, memoryTree } from "../fakes/memory-tree.ts";

const done: Output = { exitCode: 0, stdout: "", stderr: "", bytes: new Uint8Array() };
const withDrivers = ["lib/modules/1/xen-blkfront.ko", "lib/modules/1/xen-netfront.ko.xz"];

const guests = {
  5: {
    "/boot/vmlinuz-1": "",
    "/boot/initrd-1.img": gzipSync(cpio(["init"])),
    "/boot/grub/grub.conf": "title x\n\tkernel /vmlinuz-1 ro root=/dev/sda3\n\tinitrd /initrd-1.img\n",
    "/etc/modprobe.conf": "alias eth0 e1000\n",
    "/etc/inittab": "1:2345:respawn:/sbin/mingetty tty1\n",
    "/lib/modules/1xen/modules.dep": "",
    "/etc/sysconfig/kernel": "UPDATEDEFAULT=yes\nDEFAULTKERNEL=kernel\n",
  },
  6: {
    "/boot/vmlinuz-1": "",
    "/boot/initramfs-1.img": gzipSync(cpio(["init"])),
    "/boot/grub/grub.conf":
      "title x\n  kernel /vmlinuz-1 ro root=/dev/sda3 console=ttyS0\n  initrd /initramfs-1.img\n",
    "/etc/inittab": "id:3:initdefault:\n1:2345:respawn:/sbin/mingetty tty1\n",
  },
  7: {
    "/boot/vmlinuz-1": "",
    "/boot/initramfs-1.img": Buffer.concat([
      cpio(["kernel/x86/microcode"]),
      Buffer.alloc(64),
      gzipSync(cpio(["init"])),
    ]),
    "/boot/grub2/grub.cfg":
      "menuentry 'OL' --id x {\n\tlinux16 /vmlinuz-1 root=/dev/sda3 ro\n\tinitrd16 /initramfs-1.img\n}\n",
    "/etc/default/grub": 'GRUB_CMDLINE_LINUX="crashkernel=auto"\n',
  },
} as const;

const common = {
  "/etc/fstab": "/dev/sda3 / ext4 defaults 1 1\n/dev/sda1 /boot ext3 defaults 1 2\n",
  "/etc/securetty": "tty1\n",
};

function guest(major: 5 | 6 | 7): { tree: MemoryTree; release: Release } {
  const release = parseRelease(`Oracle Linux Server release ${major}.9`) ?? expect.fail("no release");
  const tree = memoryTree(
    { ...common, ...guests[major] },
    {
      async run(argv, tree) {
        const image = argv.find((word) => word.startsWith("/boot/init")) ?? "";
        await tree.write(image, gzipSync(cpio(withDrivers)));
        return done;
      },
    },
  );
  return { tree, release };
}

describe("converting", () => {
  const cases = ([5, 6, 7] as const).flatMap((major) =>
    (["XEN_HVM_PV_DRIVERS", "XEN_PVM"] as const).map((type): [typeof major, DomainType] => [major, type]),
  );

  it.each(cases)(
    "OL%i to %s: each operation is pending, then empty, and a second time changes nothing",
    async (major, type) => {
      const { tree, release } = guest(major);
      const operations = convertOperations(type, release, []);
      for (const operation of operations) {
        if (operation.name !== "default-kernel" || major === 5)
          expect(await operation.pending(tree), operation.name).not.toEqual([]);
        await operation.apply(tree);
        expect(await operation.pending(tree), operation.name).toEqual([]);
      }
      const once = tree.snapshot();
      for (const operation of operations) await operation.apply(tree);
      expect(tree.snapshot()).toEqual(once);
      expect(await auditAll(tree, operations)).toEqual([]);
    },
  );

  it("names disks by UUID where the volumes are known, so that HVM still boots", async () => {
    const { tree, release } = guest(6);
    const volume = { offset: 0, bytes: 1, fs: "ext4" as const };
    const volumes = [
      { ...volume, name: "p1", uuid: "u-1" },
      { ...volume, name: "p3", uuid: "u-3" },
    ];
    await applyAll(tree, convertOperations("XEN_PVM", release, volumes));
    expect(await tree.text("/etc/fstab")).toBe(
      "UUID=u-3 / ext4 defaults 1 1\nUUID=u-1 /boot ext3 defaults 1 2\n",
    );
    expect(await tree.text("/boot/grub/grub.conf")).toContain("root=UUID=u-3 console=hvc0 console=ttyS0\n");
  });

  it("writes a menu for pygrub beside grub2's", async () => {
    const { tree, release } = guest(7);
    await applyAll(tree, convertOperations("XEN_PVM", release));
    expect(await tree.text("/boot/grub/grub.cfg")).toContain(
      'menuentry "OL" {\n  linux /vmlinuz-1 root=/dev/xvda3 ro console=tty0 console=hvc0\n  initrd /initramfs-1.img\n}',
    );
  });

  it("leaves HVM alone", () => {
    expect(convertOperations("XEN_HVM", guest(6).release)).toEqual([]);
  });
});

describe("initramfsPaths", () => {
  it("reads through the microcode in front", async () => {
    const image = Buffer.concat([cpio(["early"]), Buffer.alloc(512), gzipSync(cpio(withDrivers))]);
    expect(await initramfsPaths(image)).toEqual(["early", ...withDrivers]);
  });
});

function cpio(names: readonly string[]): Buffer {
  const parts = [...names, "TRAILER!!!"].map((name) => {
    const fields = [1, 0o100644, 0, 0, 1, 0, 4, 0, 0, 0, 0, name.length + 1, 0];
    const head = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${name}\0`;
    const padded = head.padEnd(Math.ceil(head.length / 4) * 4, "\0");
    return Buffer.from(`${padded}data`);
  });
  return Buffer.concat(parts);
}
