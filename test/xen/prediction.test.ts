import { open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fitnessOrWhy } from "../../src/guest/fitness/fitness.ts";
import { localHost } from "../../src/host/local.ts";
import { temporaryFolder } from "../../src/host/temporary.ts";
import type { Hypervisor } from "../../src/hypervisor/hypervisor.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import { openImageFile } from "../../src/image/open.ts";
import { bzImage, pvhElf } from "../boot-sample.ts";
import { emptyDisk, extDisk, type GuestFiles, guestFolder, xfsDisk } from "../guest-image.ts";
import { testGuest } from "../test-guest.ts";
import { startXenHost, type XenHost, xenSite } from "./xen-host.ts";

const host = localHost();
const size = 48;
const label = ["-L", "root"];
const old = ["-t", "ext4", "-O", "^64bit,^metadata_csum", ...label];
const entry =
  " root (hd0,0)\n kernel /boot/vmlinuz-1 ro root=LABEL=root console=hvc0\n initrd /boot/initrd-1\n";
const legacy = `default=0\ntitle one\n${entry}`;
const linux = (linux: string, initrd: string) =>
  `set default=0\nmenuentry 'one' --class x {\n ${linux} /boot/vmlinuz-1 ro root=LABEL=root console=hvc0\n ${initrd} /boot/initrd-1\n}\n`;

/** What lies beside kernel and initramfs; which initramfs, or what instead of the kernel; and how the disk is made. */
interface Case {
  readonly menu: GuestFiles["files"];
  readonly initrd?: "without drivers";
  readonly kernel?: Uint8Array;
  readonly disk?: (image: string, guest: GuestFiles) => Promise<void>;
  readonly options?: readonly string[];
}

const cases: Readonly<Record<string, Case>> = {
  "menu.lst on ext3": { menu: { "/boot/grub/menu.lst": legacy }, options: ["-t", "ext3", ...label] },
  "grub.conf on ext4": { menu: { "/boot/grub/grub.conf": legacy } },
  "GRUB 2 on ext4 with 64bit and checksums": {
    menu: { "/boot/grub2/grub.cfg": linux("linux16", "initrd16") },
    options: ["-t", "ext4", "-O", "64bit,metadata_csum", ...label],
  },
  "a bare file system": { menu: { "/boot/grub/menu.lst": legacy }, disk: bareDisk },
  "a GPT": { menu: { "/boot/grub2/grub.cfg": linux("linux", "initrd") }, disk: gptDisk },
  "a second entry by default": {
    menu: { "/boot/grub/grub.conf": `default=1\ntitle gone\n kernel /boot/gone\ntitle one\n${entry}` },
  },
  "a stale menu.lst before a good grub.conf": {
    menu: {
      "/boot/grub/menu.lst": "default=0\ntitle gone\n root (hd0,0)\n kernel /boot/gone ro\n",
      "/boot/grub/grub.conf": legacy,
    },
  },
  "a default entry without its kernel": {
    menu: { "/boot/grub/grub.conf": `default=0\ntitle gone\n kernel /boot/gone ro\ntitle one\n${entry}` },
  },
  "entries for UEFI only": { menu: { "/boot/grub2/grub.cfg": linux("linuxefi", "initrdefi") } },
  "BLS entries": {
    menu: {
      "/boot/grub2/grub.cfg": "set default=0\ninsmod blscfg\nblscfg\n",
      "/boot/loader/entries/one.conf":
        "title one\nversion 1\nlinux /boot/vmlinuz-1\ninitrd /boot/initrd-1\noptions ro root=LABEL=root\n",
    },
  },
  XFS: {
    menu: { "/boot/grub2/grub.cfg": linux("linux", "initrd") },
    disk: (image, guest) => xfsDisk(image, guest),
  },
  "an initramfs without Xen's drivers": {
    menu: { "/boot/grub/menu.lst": legacy },
    initrd: "without drivers",
  },
  "a kernel for PVH only": {
    menu: { "/boot/grub/menu.lst": legacy },
    kernel: bzImage(gzipSync(pvhElf)),
  },
};

describe("the check of a guest for xen-4.17", () => {
  let folder: string;
  let xenHost: XenHost;
  let xen: Hypervisor;
  const boots: Record<string, { kernel: Uint8Array; initrd: Uint8Array }> = {};
  const table: string[] = [];
  beforeAll(async () => {
    folder = (await temporaryFolder("prediction")).path;
    const script = `/busybox mkdir /mnt; left=50
until /busybox mount -o ro /dev/xvda1 /mnt 2>/dev/null || /busybox mount -o ro /dev/xvda /mnt 2>/dev/null || [ $left = 0 ]
do left=$((left - 1)); /busybox usleep 100000; done
[ ! -e /mnt/etc/oracle-release ] || echo "the root is $(/busybox cat /mnt/etc/oracle-release)"`;
    for (const [name, drivers] of [
      ["with", ["xen-blkfront", "xen-netfront", "ext4", "xfs"]],
      ["without", ["ext4"]],
    ] as const) {
      const { kernel, initrd } = await testGuest(folder, script, writeFile, drivers, "hvc0");
      boots[name] = { kernel: await readFile(kernel), initrd: await readFile(initrd) };
    }
    xenHost = await startXenHost();
    const places = { folder: join(folder, "machines"), memory: folder };
    xen = await openHypervisor(host, xenSite(xenHost), places);
  });
  afterAll(async () => {
    process.stdout.write(`${table.join("\n")}\n`);
    await xenHost?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(Object.entries(cases))("agrees with Xen about %s", async (what, one) => {
    const image = join(folder, "disk.img");
    await rm(image, { force: true });
    const { kernel, initrd } = boots[one.initrd ? "without" : "with"] ?? expect.unreachable();
    const files = {
      "/etc/fstab": "LABEL=root / ext4 defaults 1 1\n",
      "/etc/oracle-release": "Oracle Linux Server release 6.10\n",
      "/boot/vmlinuz-1": { data: one.kernel ?? kernel },
      "/boot/initrd-1": { data: initrd },
      ...one.menu,
    };
    if (one.disk) await one.disk(image, { files });
    else await extDisk(image, { files }, { mebibytes: size, options: one.options ?? old });
    const { verdict, findings } = await predicted(image);
    const works = await worksOnXen(image);
    table.push(`${verdict.padEnd(8)} ${works ? "boots" : "does not boot"}: ${what}`);
    expect(verdict, JSON.stringify(findings)).toBe(works ? "fit" : "unfit");
  });

  async function predicted(image: string) {
    try {
      await using guest = await openImageFile(host, image, { readOnly: true });
      return await fitnessOrWhy(host, { file: image, guest }, "xen-4.17", "pvm");
    } catch (error) {
      return fitnessOrWhy(host, { file: image, why: String(error) }, "xen-4.17", "pvm");
    }
  }

  /** Whether a domain with this disk comes to its root file system. */
  async function worksOnXen(image: string): Promise<boolean> {
    const name = "prediction";
    await xen.define({
      name,
      domainType: "pvm",
      vcpus: 1,
      memoryMib: 256,
      disks: [{ slot: 0, mode: "write", content: { copyOf: image } }],
      cdroms: [],
      nics: [],
      guest: { release: 6 },
    });
    try {
      await xen.start(name).catch((error) => {
        expect(String((error as { lines?: string[] }).lines)).toMatch(
          /boot ?loader|kernel|xc_dom|ELF|domain build/i,
        );
      });
      await xen.waitStopped(name, { timeoutMs: 300_000 });
      return (await xen.consoleText(name)).includes("the root is Oracle Linux");
    } finally {
      await xen.destroy(name);
    }
  }
});

async function bareDisk(image: string, guest: GuestFiles): Promise<void> {
  const root = await guestFolder(guest);
  await host.run(["mke2fs", "-q", "-F", ...old, "-d", root, image, `${size}M`]);
  await rm(root, { recursive: true });
}

async function gptDisk(image: string, guest: GuestFiles): Promise<void> {
  const inside = `${image}.inside`;
  await bareDisk(inside, guest);
  await emptyDisk(image, size + 2);
  await host.run(["sfdisk", "-q", image], { input: "label: gpt\nstart=2048, type=linux\n" });
  const bytes = await readFile(inside);
  await using disk = await open(image, "r+");
  await disk.write(bytes, 0, bytes.length, 1024 * 1024);
  await rm(inside);
}
