import { spawnSync } from "node:child_process";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { FitnessTarget, GuestMode } from "../../src/choices.ts";
import { fitnessFor } from "../../src/guest/fitness/fitness.ts";
import { localHost } from "../../src/host/local.ts";
import { openImageFile } from "../../src/image/open.ts";
import { archive, bzImage, initramfs, kernelModule, pvElf, pvhElf, runs } from "../boot-sample.ts";
import { describeWith, itWith } from "../fakes/missing.ts";
import { extDisk, type GuestFiles, guestFolder, xfsDisk } from "../guest-image.ts";
import { gpt, mbr, physicalVolume, segment, volumeGroup } from "../image/disk-tables.ts";
import { realPygrub } from "../pygrub.ts";

const host = localHost();
const mib = 1048576;
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");

const kernel = { data: bzImage(gzipSync(pvElf)) };
const onlyPvh = { data: bzImage(gzipSync(pvhElf)) };
const xen = { data: initramfs("1", "lib/xen-blkfront.ko", "lib/xen-netfront.ko") };
const all = {
  data: initramfs("1", "xen-blkfront.ko", "virtio_blk.ko", "virtio_pci.ko.xz", "ata_piix.ko", "sd_mod.ko"),
};
const virtioScsi = { data: initramfs("1", "virtio_scsi.ko.xz", "virtio_pci.ko", "virtio_blk.ko") };
const legacy = (root = "LABEL=root", words = "") =>
  `default=0\ntitle one\n root (hd0,0)\n kernel /boot/vmlinuz-1 ro root=${root}${words}\n initrd /boot/initrd-1\n`;
const grub2 = (body: string) => `set default=0\nmenuentry 'one' --class x {\n${body}\n}\n`;
const modern = grub2(" linux /boot/vmlinuz-1 ro root=LABEL=root\n initrd /boot/initrd-1");
const guest = (more: GuestFiles["files"] = {}, initrd = xen): GuestFiles["files"] => ({
  "/etc/fstab": "LABEL=root / ext4 defaults 1 1\n",
  "/etc/oracle-release": "Oracle Linux Server release 6.10\n",
  "/boot/vmlinuz-1": kernel,
  "/boot/initrd-1": initrd,
  ...more,
});
const menuLst = "/boot/grub/menu.lst";
const grub2Cfg = "/boot/grub2/grub.cfg";
const old = ["-t", "ext4", "-O", "^64bit,^metadata_csum"];

/** The part of GRUB's first sector that identifies it. */
const bootCode = async (image: string) => {
  await using disk = await open(image, "r+");
  await disk.write(Buffer.from("\xebcode GRUB \0", "latin1"), 0, 10, 0);
  await disk.write(Buffer.from("GRUB "), 0, 5, 384);
};

type Make = (image: string) => Promise<void>;
const ext =
  (files: GuestFiles["files"], { options = old, code = false } = {}): Make =>
  async (image) => {
    await extDisk(image, { files }, { mebibytes: 6, options: [...options, "-L", "root"] });
    if (code) await bootCode(image);
  };
const bare =
  (files: GuestFiles["files"]): Make =>
  async (image) => {
    const root = await guestFolder({ files });
    await host.run(["mke2fs", "-q", "-F", ...old, "-L", "root", "-d", root, image, "6M"]);
    await rm(root, { recursive: true });
  };
/** /boot in p1, followed by `second`. */
const twoParts =
  (table: "mbr" | "gpt", files: GuestFiles["files"], second: Buffer): Make =>
  async (image) => {
    await extDisk(image, { files }, { mebibytes: 6, options: [...old, "-L", "boot"] });
    await using disk = await open(image, "r+");
    await disk.truncate(64 * mib);
    const parts = [
      { start: 2048, count: 5 * 2048 },
      { start: 6 * 2048, count: 57 * 2048 },
    ];
    const head =
      table === "mbr"
        ? mbr(parts.map((one) => ({ type: 0x83, ...one })))
        : gpt(parts.map(({ start, count }) => ({ first: start, last: start + count - 1 })));
    await disk.write(head.subarray(0, mib), 0, Math.min(head.length, mib), 0);
    await disk.write(second, 0, second.length, 6 * mib);
  };
const lvm = physicalVolume(volumeGroup({ root: segment(1, 1, 2) }));
const boot = (root: string, kernelPath = "/vmlinuz-1") => ({
  "/vmlinuz-1": kernel,
  "/initrd-1": xen,
  "/grub/grub.conf": `default=0\ntitle x\n kernel ${kernelPath} ro root=${root}\n initrd /initrd-1\n`,
});

type Case = readonly [
  what: string,
  make: Make,
  target: FitnessTarget,
  mode: GuestMode,
  verdict: "fit" | "unfit" | "unknown",
  why?: RegExp,
];
const cases: readonly Case[] = [
  ["a plain guest", ext(guest({ [menuLst]: legacy() })), "xen-4.17", "pvm", "fit"],
  ["a plain guest", ext(guest({ [menuLst]: legacy() })), "ovm-3.2", "pvm", "fit"],
  ["a plain guest", ext(guest({ [menuLst]: legacy() })), "ovm-3.4.5", "pvm", "fit", /can disable PVM/],
  ["a plain guest", ext(guest({ [menuLst]: legacy() })), "ovm-3.4.6", "pvm", "unfit", /no new PVM guests/],
  ["a plain guest", ext(guest({ [menuLst]: legacy() })), "kvm", "pvm", "unfit", /not Xen/],
  ["a menu of GRUB 2", ext(guest({ [grub2Cfg]: modern })), "xen-4.17", "pvm", "fit"],
  ["a bare file system", bare(guest({ [menuLst]: legacy() })), "xen-4.17", "pvm", "fit"],
  ["a bare file system", bare(guest({ [menuLst]: legacy() })), "kvm", "kvm", "unfit", /no partition table/],
  [
    "ext4 with 64bit",
    ext(guest({ [menuLst]: legacy() }), { options: ["-t", "ext4", "-O", "64bit,metadata_csum"] }),
    "xen-4.17",
    "pvm",
    "fit",
  ],
  [
    "ext4 with 64bit",
    ext(guest({ [menuLst]: legacy() }), { options: ["-t", "ext4", "-O", "64bit"] }),
    "ovm-3.2",
    "pvm",
    "unfit",
    /64bit/,
  ],
  [
    "ext4 with metadata_csum",
    ext(guest({ [menuLst]: legacy() }), { options: ["-t", "ext4", "-O", "^64bit,metadata_csum"] }),
    "ovm-3.4.5",
    "pvm",
    "unknown",
    /metadata_csum/,
  ],
  [
    "ext4 with inline_data, which is not read in process",
    ext(guest({ [menuLst]: legacy() }), { options: ["-t", "ext4", "-O", "inline_data"] }),
    "xen-4.17",
    "pvm",
    "fit",
  ],
  [
    "a stale menu.lst before grub.conf",
    ext(guest({ [menuLst]: legacy().replaceAll("-1", "-gone"), "/boot/grub/grub.conf": legacy() })),
    "xen-4.17",
    "pvm",
    "unfit",
    /vmlinuz-gone/,
  ],
  [
    "a stale grub.cfg that wins",
    ext(guest({ "/boot/grub/grub.cfg": modern.replaceAll("-1", "-gone"), [menuLst]: legacy() })),
    "xen-4.17",
    "pvm",
    "unfit",
    /vmlinuz-gone/,
  ],
  [
    "a stale grub.cfg that may win",
    ext(guest({ "/boot/grub/grub.cfg": modern.replaceAll("-1", "-gone"), [menuLst]: legacy() })),
    "ovm-3.4.5",
    "pvm",
    "unknown",
    /which one Oracle VM's pygrub uses is unknown/,
  ],
  [
    "two menus that agree",
    ext(guest({ [grub2Cfg]: modern, [menuLst]: legacy() })),
    "ovm-3.4.5",
    "pvm",
    "fit",
  ],
  [
    "loader entries",
    ext(
      guest({
        [grub2Cfg]: "insmod blscfg\nblscfg\n",
        "/boot/loader/entries/a.conf": "linux /boot/vmlinuz-1\n",
      }),
    ),
    "xen-4.17",
    "pvm",
    "unfit",
    /loader\/entries/,
  ],
  [
    "a kernel with PVH only",
    ext(guest({ [menuLst]: legacy(), "/boot/vmlinuz-1": onlyPvh })),
    "xen-4.17",
    "pvm",
    "unfit",
    /entry point/,
  ],
  [
    "no Xen driver",
    ext(guest({ [menuLst]: legacy() }, virtioScsi)),
    "xen-4.17",
    "pvm",
    "unfit",
    /xen-blkfront/,
  ],
  ...(
    [
      [
        "an initramfs with nothing to start",
        archive({ "lib/xen-blkfront.ko": kernelModule() }),
        "unfit",
        /has no \/init/,
      ],
      [
        "an init without its shell",
        archive({ init: runs.init, "lib/xen-blkfront.ko": kernelModule() }),
        "unfit",
        /has no \/bin\/sh, which its \/init needs/,
      ],
      [
        "an empty init",
        archive({ init: "", "lib/xen-blkfront.ko": kernelModule() }),
        "unfit",
        /\/init that is not a program/,
      ],
      [
        "modules of another kernel",
        initramfs("2", "lib/modules/2/xen-blkfront.ko", "lib/modules/2/modules.dep"),
        "unfit",
        /for the kernel 2, but this one is 1/,
      ],
      [
        "a module that was built for another kernel",
        initramfs("2", "lib/xen-blkfront.ko"),
        "unfit",
        /was built for the kernel 2/,
      ],
      [
        "a module of another kernel that may fit by its symbols",
        archive({ ...runs, "lib/xen-blkfront.ko": kernelModule("2", "SMP modversions ") }),
        "unknown",
        /was built for the kernel 2/,
      ],
      [
        "a module that is not ELF",
        archive({ ...runs, "lib/xen-blkfront.ko": "abcd" }),
        "unfit",
        /xen-blkfront.ko is not a kernel module/,
      ],
      [
        "a compressed module that is none",
        archive({ ...runs, "lib/xen-blkfront.ko.gz": gzipSync("abcd") }),
        "unfit",
        /is not a kernel module/,
      ],
      [
        "a compressed module that is damaged",
        archive({ ...runs, "lib/xen-blkfront.ko.gz": gzipSync(kernelModule()).subarray(0, 40) }),
        "unknown",
        /could not be unpacked/,
      ],
      [
        "modules without an index",
        initramfs("1", "lib/modules/1/xen-blkfront.ko"),
        "unknown",
        /without lib\/modules\/1\/modules.dep/,
      ],
      [
        "compressed modules with an index",
        archive({
          ...runs,
          "lib/modules/1/xen-blkfront.ko.gz": gzipSync(kernelModule()),
          "lib/modules/1/modules.dep": "",
        }),
        "fit",
      ],
    ] as const
  ).map(
    ([what, data, verdict, why]): Case => [
      what,
      ext(guest({ [menuLst]: legacy() }, { data })),
      "xen-4.17",
      "pvm",
      verdict,
      ...(why === undefined ? ([] as const) : ([why] as const)),
    ],
  ),
  [
    "a root by LABEL that nothing looks for",
    ext(
      guest(
        { [menuLst]: legacy(), "/boot/config-1": "CONFIG_XEN_BLKDEV_FRONTEND=y\n" },
        { data: archive({ "kernel/x86/microcode": "x" }) },
      ),
    ),
    "xen-4.17",
    "pvm",
    "unfit",
    /cannot find its root by LABEL=root/,
  ],
  [
    "a root by its device, which a kernel finds by itself",
    ext(
      guest(
        { [menuLst]: legacy("/dev/xvda1"), "/boot/config-1": "CONFIG_XEN_BLKDEV_FRONTEND=y\n" },
        { data: archive({ "kernel/x86/microcode": "x" }) },
      ),
    ),
    "xen-4.17",
    "pvm",
    "fit",
  ],
  [
    "a Xen driver that is built in",
    ext(guest({ [menuLst]: legacy(), "/boot/config-1": "CONFIG_XEN_BLKDEV_FRONTEND=y\n" }, virtioScsi)),
    "xen-4.17",
    "pvm",
    "fit",
  ],
  [
    "a Xen driver in System.map",
    ext(
      guest({ [menuLst]: legacy(), "/boot/System.map-1": "ffffffff81000000 t blkfront_probe\n" }, virtioScsi),
    ),
    "xen-4.17",
    "pvm",
    "fit",
  ],
  [
    "a root by UUID that is not there",
    ext(guest({ [menuLst]: legacy("UUID=1-2") })),
    "xen-4.17",
    "pvm",
    "unfit",
    /is not a volume/,
  ],
  [
    "a root on sda",
    ext(guest({ [menuLst]: legacy("/dev/sda1") })),
    "xen-4.17",
    "pvm",
    "unfit",
    /another name/,
  ],
  ["a root on xvda", ext(guest({ [menuLst]: legacy("/dev/xvda1") })), "xen-4.17", "pvm", "fit"],
  [
    "the Xen console not last",
    ext(guest({ [menuLst]: legacy(undefined, " console=hvc0 console=tty0") })),
    "xen-4.17",
    "pvm",
    "fit",
    /last console is tty0/,
  ],
  [
    "fstab by sda",
    ext(guest({ [menuLst]: legacy(), "/etc/fstab": "/dev/sda1 / ext4 defaults 1 1\n" })),
    "xen-4.17",
    "pvm",
    "unfit",
    /\/etc\/fstab/,
  ],
  [
    "a split /boot with paths of a whole one",
    twoParts("mbr", boot("/dev/vg-a/root", "/boot/vmlinuz-1"), lvm),
    "xen-4.17",
    "pvm",
    "unfit",
    /write \/vmlinuz-1/,
  ],
  ["a root on LVM", twoParts("mbr", boot("/dev/mapper/vg--a-root"), lvm), "xen-4.17", "pvm", "fit"],
  [
    "a root on LVM that is not there",
    twoParts("mbr", boot("/dev/mapper/vg--a-gone"), lvm),
    "xen-4.17",
    "pvm",
    "unfit",
    /is not a logical volume/,
  ],
  ["a GPT", twoParts("gpt", boot("/dev/vg-a/root"), lvm), "xen-4.17", "pvm", "fit"],
  ["a GPT", twoParts("gpt", boot("/dev/vg-a/root"), lvm), "ovm-3.4.5", "pvm", "unknown", /GPT/],
  ["no boot code", ext(guest({ [menuLst]: legacy() }, all)), "ovm-3.4.6", "pvhvm", "unfit", /no boot loader/],
  [
    "GRUB and all drivers",
    ext(guest({ [menuLst]: legacy() }, all), { code: true }),
    "ovm-3.4.6",
    "pvhvm",
    "fit",
  ],
  ["GRUB and all drivers", ext(guest({ [menuLst]: legacy() }, all), { code: true }), "ovm-3.2", "hvm", "fit"],
  ["GRUB and all drivers", ext(guest({ [menuLst]: legacy() }, all), { code: true }), "kvm", "kvm", "fit"],
  [
    "GRUB and VirtIO-SCSI",
    ext(guest({ [grub2Cfg]: modern }, virtioScsi), { code: true }),
    "olvm",
    "kvm",
    "fit",
  ],
  [
    "no virtio",
    ext(guest({ [menuLst]: legacy() }), { code: true }),
    "kvm",
    "kvm",
    "unfit",
    /virtio_pci, virtio_blk or virtio_scsi/,
  ],
  [
    "no IDE driver",
    ext(guest({ [menuLst]: legacy() }), { code: true }),
    "xen-4.17",
    "hvm",
    "unfit",
    /ata_piix/,
  ],
  [
    "a root on xvda",
    ext(guest({ [menuLst]: legacy("/dev/xvda1") }, all), { code: true }),
    "kvm",
    "kvm",
    "unfit",
    /\/dev\/vda1/,
  ],
  [
    "a default entry whose kernel is gone",
    ext(guest({ [menuLst]: legacy().replace("vmlinuz-1", "vmlinuz-gone") }, all), { code: true }),
    "kvm",
    "kvm",
    "unfit",
    /missing/,
  ],
  [
    "a saved entry",
    ext(
      guest(
        {
          [grub2Cfg]:
            `${grub2(" linux /boot/gone ro root=LABEL=root")}${modern.replace("one", "two")}`.replaceAll(
              "set default=0",
              "set default=$saved_entry",
            ),
          "/boot/grub2/grubenv": "saved_entry=two\n",
        },
        all,
      ),
      { code: true },
    ),
    "kvm",
    "kvm",
    "fit",
  ],
  [
    "loader entries",
    ext(
      guest(
        {
          [grub2Cfg]: "blscfg\n",
          "/boot/loader/entries/a.conf":
            "title a\nlinux /boot/vmlinuz-1\ninitrd /boot/initrd-1\noptions ro root=LABEL=root\n",
        },
        all,
      ),
      { code: true },
    ),
    "olvm",
    "kvm",
    "fit",
  ],
  [
    "LVM's list of devices",
    ext(guest({ [menuLst]: legacy(), "/etc/lvm/devices/system.devices": "x" }, all), { code: true }),
    "kvm",
    "kvm",
    "fit",
    /system\.devices/,
  ],
];

describeWith(["mke2fs", "dpkg-deb", "apt-get", "python3"], "the check of a disk for a target", () => {
  let folder: string;
  let pygrub: Awaited<ReturnType<typeof realPygrub>>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-fitness-"));
    pygrub = await realPygrub();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const checked = async (image: string, target: FitnessTarget, mode: GuestMode) => {
    try {
      await using opened = await openImageFile(host, image, { readOnly: true });
      return await fitnessFor(host, { file: image, guest: opened }, target, mode);
    } catch (error) {
      // A disk with /boot only, or with a missing root.
      return fitnessFor(host, { file: image, why: String(error) }, target, mode);
    }
  };

  const listed = cases.map(([what, make, target, mode, verdict, why = /(?:)/]) => ({
    what,
    make,
    target,
    mode,
    verdict,
    why,
  }));
  it.each(listed)(
    "says $verdict of $what as $mode on $target",
    async ({ make, target, mode, verdict, why }) => {
      const image = join(folder, "disk.img");
      await rm(image, { force: true });
      await make(image);
      const found = await checked(image, target, mode);
      const words = JSON.stringify(found.findings, undefined, 1);
      expect(found.verdict, words).toBe(verdict);
      expect(found.findings.map((one) => `${one.about}: ${one.why}; ${one.remedy}`).join("\n")).toMatch(why);
      // Every unfit finding has a remedy, unless none exists.
      for (const one of found.findings) if (one.weight === "unfit") expect(one.remedy, words).toBeDefined();
      if (mode !== "pvm" || target !== "xen-4.17") return;
      const real = await pygrub(image, folder);
      expect(real.boots, real.said).toBe(found.boots !== undefined);
    },
  );

  itWith(
    ["mkfs.xfs", "root", "loop"],
    "XFS on /boot is unfit for every pygrub, and its guest is read all the same",
    async () => {
      const image = join(folder, "xfs.img");
      await xfsDisk(image, { files: guest({ [menuLst]: legacy() }, all) });
      for (const target of ["xen-4.17", "ovm-3.2", "ovm-3.4.5"] as const) {
        const { verdict, findings } = await checked(image, target, "pvm");
        expect([verdict, findings[0]?.why]).toEqual(["unfit", expect.stringContaining("does not read XFS")]);
      }
      await bootCode(image);
      expect((await checked(image, "kvm", "kvm")).findings).toMatchObject([
        { weight: "unfit", why: expect.stringContaining("LABEL=root is not a volume") },
      ]);
    },
  );

  it("ends a command with the exit code of its finding", async () => {
    const image = join(folder, "command.img");
    await ext(guest({ [menuLst]: legacy() }))(image);
    const run = (...args: string[]) => spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
    const fit = run("convert", "--check", "--for", "xen-4.17", "--json", image);
    expect([fit.status, JSON.parse(fit.stdout)]).toMatchObject([0, { verdict: "fit", mode: "pvm" }]);
    const both = run("convert", "--check", "--for", "kvm", image, join(folder, "gone.img"));
    expect([both.status, both.stdout]).toEqual([2, expect.stringContaining("unfit for KVM")]);
    expect(run("convert", "--for", "kvm", image).status).toBe(2);
    expect(run("convert", "--check", "--for", "kvm", "--to", "hvm", image).stderr).toContain(
      "Available there: kvm",
    );
    const scanned = run("scan", "--for", "kvm", "--json", folder).stdout.trim().split("\n");
    expect(scanned.map((line) => JSON.parse(line)).find(({ file }) => file === image)).toMatchObject({
      fitness: { target: "kvm", verdict: "unfit" },
    });
    const shown = run("inspect", "--for", "kvm", "--json", image);
    expect(JSON.parse(shown.stdout)).toMatchObject({ pv: { verdict: "fit" }, for: { verdict: "unfit" } });
  });
});
