import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GuestMode } from "../../src/choices.ts";
import { initramfsPaths } from "../../src/guest/convert/initramfs.ts";
import { fitnessFor } from "../../src/guest/fitness/fitness.ts";
import { localHost } from "../../src/host/local.ts";
import { volumesOf } from "../../src/image/disk/disk.ts";
import {
  bootableGuest,
  bootInQemu,
  cloudKernel,
  type disks,
  type Flavour,
  ovmf,
  type Shape,
} from "../bootable/guest.ts";
import { missing } from "../fakes/missing.ts";
import { realPygrub } from "../pygrub.ts";

const host = localHost();
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");
const kernel = await cloudKernel();
const lacking =
  missing(
    "mke2fs",
    "debugfs",
    "depmod",
    "busybox",
    "grub-mkimage",
    "qemu-system-x86_64",
    "cpio",
    "dpkg-deb",
    "python3",
  ) ?? (kernel === undefined ? "needs Debian's linux-image-cloud-amd64" : undefined);
/** Boots every stage of every guest, not only new ones. */
const isSlow = process.env.TBUILD_SLOW !== undefined;
const canDoLvm = process.getuid?.() === 0 && missing("pvcreate", "losetup", "loop") === undefined;

const lacksUefi = missing(ovmf, "/usr/lib/grub/x86_64-efi/moddep.lst", "mkfs.fat", "mcopy", "sgdisk");
const byUefi: readonly Flavour[] = ["el7", ...(isSlow ? (["el6", "el8", "el9"] as const) : [])];

type Journey = readonly [flavour: Flavour, shape: Shape, root: string];
const journeys: readonly Journey[] = [
  ["el6", "own /boot", "/dev/sda2"],
  ["el7", "one partition", "/dev/sda1"],
  ...(isSlow
    ? ([
        ["el5", "own /boot", "/dev/sda2"],
        ["el8", "GPT", "/dev/sda2"],
        ["el9", "one partition", "/dev/sda1"],
      ] as const)
    : []),
];
const onLvm: readonly Flavour[] = isSlow ? ["el5", "el6", "el8", "el9"] : ["el8"];

describe.skipIf(lacking)(
  `converted guests${lacking ? ` (${lacking})` : ""}`,
  { timeout: isSlow ? 1_800_000 : 600_000 },
  () => {
    let folder: string;
    let pygrub: Awaited<ReturnType<typeof realPygrub>>;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "tbuild-convert-"));
      pygrub = await realPygrub();
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    const tbuild = async (...args: string[]) => {
      const { stdout, exitCode } = await host.run([process.execPath, main, ...args], { allow: [1, 2, 6] });
      return { stdout, exitCode };
    };
    const convert = async (image: string, mode: GuestMode, ...more: string[]) => {
      const { stdout, exitCode } = await tbuild("convert", "--to", mode, "--yes", "--json", ...more, image);
      expect(exitCode, stdout).toBe(0);
      const said = JSON.parse(stdout);
      expect(said.fitness).toMatchObject({ verdict: "fit", mode });
      return said;
    };

    /** The real pygrub finds the kernel, an initramfs with Xen's drivers, and a console. */
    const startsAsPv = async (image: string) => {
      const out = join(folder, "pygrub");
      await mkdir(out, { recursive: true });
      const { boots, said } = await pygrub(image, out);
      expect(boots, said).toBe(true);
      const [, ramdisk = ""] = /^ramdisk (.*)$/m.exec(said) ?? [];
      const [, args = ""] = /^args (.*)$/m.exec(said) ?? [];
      expect(args).toMatch(/root=(?:(?:UUID|LABEL)=|\/dev\/mapper\/)\S+ .*console=hvc0$/);
      expect(await initramfsPaths(await readFile(ramdisk))).toContainEqual(
        expect.stringMatching(/(?:^|\/)xen-blkfront\.ko/),
      );
      await rm(out, { recursive: true });
    };
    const runsIn = async (
      image: string,
      disk: keyof typeof disks,
      root: RegExp,
      firmware: "bios" | "uefi" = "bios",
    ) => expect(await bootInQemu(image, disk, firmware)).toMatch(new RegExp(`GUEST-RUNS on ${root.source} `));

    it.each(journeys)(
      "boot as HVM, PVM, KVM and HVM again, and go back to the byte (%s, %s)",
      async (flavour, shape, root) => {
        const image = join(folder, `${flavour}.img`);
        await bootableGuest(image, flavour, shape);
        const before = await digest(image);
        // The target's boot loader and drivers are missing.
        expect(await verdict(image, "hvm")).toBe("unfit");
        expect(await verdict(image, "kvm")).toBe("unfit");
        expect(await verdict(image, "pvm")).toBe("unfit");

        await convert(image, "hvm");
        const on = (disk: string) => new RegExp(root.replace("sda", disk));
        if (isSlow || flavour === "el6") await runsIn(image, "ide", on("sda"));
        await convert(image, "pvm");
        await startsAsPv(image);
        if (isSlow) await runsIn(image, "ide", on("sda"));
        expect(await verdict(image, "kvm")).toBe("unfit");
        await convert(image, "kvm");
        await runsIn(image, flavour === "el7" ? "virtio-scsi" : "virtio", on("[vs]da"));
        await convert(image, "hvm");
        if (isSlow) await runsIn(image, "ide", on("sda"));
        for (const { name, offset, fs } of await volumesOf(image))
          if (fs.startsWith("ext"))
            await host.run(["e2fsck", "-fn", `${image}?offset=${offset}`]).catch((cause) => {
              throw new Error(`${name} is damaged`, { cause });
            });

        expect((await tbuild("undo", "--all", image)).exitCode).toBe(0);
        expect(await digest(image)).toBe(before);
      },
    );

    it.skipIf(!canDoLvm).each(onLvm)(
      `boot off LVM that named the disks of the old machine (%s)${canDoLvm ? "" : " — skipped: needs root, loop devices and lvm2"}`,
      async (flavour) => {
        const image = join(folder, `${flavour}-lvm.img`);
        await bootableGuest(image, flavour, "LVM");
        const before = await digest(image);
        await convert(image, "pvm");
        await startsAsPv(image);
        await convert(image, "kvm");
        await runsIn(image, "virtio", /\/dev\/mapper\/vg0-root/);
        // Kernels of release 5 have no virtio_scsi.
        if (isSlow && flavour !== "el5") await runsIn(image, "virtio-scsi", /\/dev\/mapper\/vg0-root/);
        await tbuild("undo", "--all", image);
        expect(await digest(image)).toBe(before);
      },
    );

    it.skipIf(lacksUefi).each(byUefi)(
      `boot by UEFI on KVM, by a BIOS as HVM, and as PVM (%s)${lacksUefi ? ` — skipped: ${lacksUefi}` : ""}`,
      async (flavour) => {
        const image = join(folder, `${flavour}-uefi.img`);
        await bootableGuest(image, flavour, "UEFI");
        const before = await digest(image);
        expect(await verdict(image, "kvm")).toBe("unfit");
        const { fitness } = await convert(image, "kvm");
        expect(fitness.findings).toContainEqual(
          expect.objectContaining({ why: expect.stringContaining("give the machine UEFI firmware") }),
        );
        await runsIn(image, "virtio", /\/dev\/vda3/, "uefi");
        await convert(image, "hvm");
        await runsIn(image, "ide", /\/dev\/sda3/);
        await host.run(["sgdisk", "--verify", image]);
        await convert(image, "pvm");
        await startsAsPv(image);
        if (isSlow) {
          await convert(image, "kvm");
          await runsIn(image, "virtio", /\/dev\/vda3/, "uefi");
        }
        await tbuild("undo", "--all", image);
        expect(await digest(image)).toBe(before);
        // A new machine does not have the installer's boot entry.
        await host.run(["mdel", "-i", `${image}@@1M`, "::/EFI/BOOT/BOOTX64.EFI"]);
        const { stdout, exitCode } = await tbuild("convert", "--check", "--for", "kvm", image);
        expect([exitCode, stdout]).toEqual([1, expect.stringContaining("has no /EFI/BOOT/BOOTX64.EFI")]);
      },
    );

    it("boot on KVM from a bare file system, which gets a partition table in a copy", async () => {
      const image = join(folder, "bare.img");
      const copy = join(folder, "copy.img");
      await bootableGuest(image, "el6", "bare");
      const before = await digest(image);
      await convert(image, "pvm");
      await startsAsPv(image);
      expect((await tbuild("convert", "--to", "kvm", "--yes", image)).exitCode).toBe(2);
      await convert(image, "kvm", "--out", copy);
      await runsIn(copy, "virtio", /\/dev\/vda1/);
      expect((await stat(copy)).size).toBe((await stat(image)).size + (1 << 20));
      await tbuild("undo", "--all", image);
      expect(await digest(image)).toBe(before);
      // An existing file is not overwritten.
      expect((await tbuild("convert", "--to", "kvm", "--out", copy, image)).exitCode).toBe(2);
    });

    it("also work in qcow2 images", async () => {
      const raw = join(folder, "raw.img");
      const image = join(folder, "disk.qcow2");
      await bootableGuest(raw, "el7", "one partition");
      await host.run(["qemu-img", "convert", "-O", "qcow2", raw, image]);
      await convert(image, "kvm");
      await using disk = await open(join(folder, "back.img"), "w+");
      await host.run(["qemu-img", "convert", "-O", "raw", image, join(folder, "back.img")]);
      const sector = Buffer.alloc(512);
      await disk.read(sector, 0, 512, 0);
      expect(sector.includes("GRUB")).toBe(true);
      await tbuild("undo", image);
      await host.run(["qemu-img", "compare", raw, image]);
    });

    const verdict = async (image: string, mode: GuestMode) => {
      const { openImageFile } = await import("../../src/image/open.ts");
      await using guest = await openImageFile(host, image, { readOnly: true });
      return (await fitnessFor(host, { file: image, guest }, mode === "kvm" ? "kvm" : "xen-4.17", mode))
        .verdict;
    };
  },
);

async function digest(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(file)) hash.update(part);
  return hash.digest("hex");
}
