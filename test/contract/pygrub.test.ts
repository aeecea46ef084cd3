import { mkdtemp, open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { missing } from "../fakes/missing.ts";
import { emptyDisk, extDisk, type GuestFiles, guestFolder, putIntoPartition } from "../guest-image.ts";
import { gpt, mbr } from "../image/disk-tables.ts";
import { realPygrub } from "../pygrub.ts";
import { comparePygrub } from "../pygrub-prediction.ts";

const host = localHost();
const lacking = missing("mke2fs", "mkfs.fat", "mcopy", "dpkg-deb", "apt-get", "python3");
const legacy = (body: string, head = "default=0\n") => `${head}title one\n root (hd0,0)\n${body}`;
const grub2 = (body: string, head = "set default=0\n") => `${head}menuentry 'one' --class x {\n${body}\n}\n`;
const kernels = { "/boot/vmlinuz-1": "kernel 1", "/boot/vmlinuz-2": "kernel 2", "/boot/initrd-1": "initrd" };
const ok = " kernel /boot/vmlinuz-1 ro root=LABEL=x\n initrd /boot/initrd-1\n";
const ok2 = " linux /boot/vmlinuz-1 ro root=LABEL=x\n initrd /boot/initrd-1";
const gone = " kernel /boot/vmlinuz-gone ro\n";
const two = `title a\n kernel /boot/vmlinuz-gone ro\ntitle b\n kernel /boot/vmlinuz-2 ro\n`;
const menuLst = "/boot/grub/menu.lst";
const grubConf = "/boot/grub/grub.conf";
const grubCfg = "/boot/grub/grub.cfg";
const grub2Cfg = "/boot/grub2/grub.cfg";
const extlinux = "/boot/extlinux/extlinux.conf";

type Case = readonly [
  what: string,
  files: GuestFiles["files"],
  links?: NonNullable<GuestFiles["links"]>,
  options?: readonly string[],
];
const cases: readonly Case[] = [
  ["menu.lst", { ...kernels, [menuLst]: legacy(ok) }],
  ["grub.conf", { ...kernels, [grubConf]: legacy(ok) }],
  ["menu.lst as a link to grub.conf", { ...kernels, [grubConf]: legacy(ok) }, { [menuLst]: "./grub.conf" }],
  ["menu.lst as a link that leads nowhere", { ...kernels, [grubConf]: legacy(ok) }, { [menuLst]: "./gone" }],
  [
    "a stale menu.lst before a good grub.conf",
    { ...kernels, [menuLst]: legacy(gone), [grubConf]: legacy(ok) },
  ],
  [
    "a stale grub.cfg before a good menu.lst",
    { ...kernels, [grubCfg]: grub2(" linux /boot/gone ro"), [menuLst]: legacy(ok) },
  ],
  [
    "a broken grub.cfg before a good menu.lst",
    { ...kernels, [grubCfg]: "menuentry 'x' {\n linux /boot/vmlinuz-1 ro\n", [menuLst]: legacy(ok) },
  ],
  ["grub.cfg", { ...kernels, [grubCfg]: grub2(ok2) }],
  [
    "grub2/grub.cfg",
    { ...kernels, [grub2Cfg]: grub2(ok2.replace("linux", "linux16").replace("initrd ", "initrd16 ")) },
  ],
  ["linuxefi", { ...kernels, [grub2Cfg]: grub2(ok2.replace("linux", "linuxefi")) }],
  [
    "a menuentry without a blank before its brace",
    { ...kernels, [grub2Cfg]: grub2(ok2).replace("' --class x {", "'{") },
  ],
  ["a brace on the next line", { ...kernels, [grub2Cfg]: grub2(ok2).replace(" {", "\n{") }],
  [
    "blscfg",
    {
      ...kernels,
      [grub2Cfg]: "insmod blscfg\nblscfg\n",
      "/boot/loader/entries/a.conf": "linux /boot/vmlinuz-1\n",
    },
  ],
  [
    "a function and an if",
    { ...kernels, [grub2Cfg]: grub2(ok2, "function f {\n x\n}\nif [ x ]; then\n set default=0\nfi\n") },
  ],
  ["a function with braces inside", { ...kernels, [grub2Cfg]: grub2(ok2, "function f {\n if x {\n }\n}\n") }],
  ["saved_entry", { ...kernels, [grub2Cfg]: grub2(ok2, `set default="$${"{saved_entry}"}"\n`) }],
  [
    "a default by title",
    {
      ...kernels,
      [grub2Cfg]: `${grub2(" linux /boot/gone ro", 'set default="two"\n')}${grub2(ok2, "").replace("one", "two")}`,
    },
  ],
  [
    "a set with two equals signs",
    { ...kernels, [grub2Cfg]: grub2(ok2, 'set kernelopts="root=LABEL=x ro"\n') },
  ],
  ["a set of nothing", { ...kernels, [grub2Cfg]: grub2(ok2, "set pager\n") }],
  ["root of lvm", { ...kernels, [grub2Cfg]: grub2(` set root='lvmid/a/b'\n${ok2}`) }],
  ["root of msdos", { ...kernels, [grub2Cfg]: grub2(` set root='hd0,msdos1'\n${ok2}`) }],
  ["a submenu", { ...kernels, [grub2Cfg]: `submenu 'more' {\n${grub2(ok2, "")}}\n` }],
  ["a brace too many", { ...kernels, [grub2Cfg]: `${grub2(ok2)}}\n` }],
  [
    "a menu in Latin-1",
    { ...kernels, [grub2Cfg]: { data: Buffer.from(grub2(ok2, "# caf\xe9\n"), "latin1") } },
  ],
  ["a menu in UTF-8", { ...kernels, [grub2Cfg]: grub2(ok2, "# café\n") }],
  ["no kernel", { [menuLst]: legacy(ok) }],
  ["no initrd", { "/boot/vmlinuz-1": "k", [menuLst]: legacy(ok) }],
  ["no menu", kernels],
  ["an empty menu", { ...kernels, [menuLst]: "" }],
  ["default=1", { ...kernels, [menuLst]: `default=1\n${two}` }],
  ["default 1 with a blank", { ...kernels, [menuLst]: `default 1\n${two}` }],
  [
    "default=0 whose kernel is gone, with a fallback",
    { ...kernels, [menuLst]: `default=0\nfallback=1\n${two}` },
  ],
  ["default=2 of two", { ...kernels, [menuLst]: `default=2\n${two}` }],
  ["default=9", { ...kernels, [menuLst]: `default=9\n${two}` }],
  ["default=saved", { ...kernels, [menuLst]: `default=saved\n${two}` }],
  ["default=-1", { ...kernels, [menuLst]: `default=-1\n${two}` }],
  ["a title with nothing below it", { ...kernels, [menuLst]: `default=0\ntitle a\ntitle b\n${ok}` }],
  [
    "a kernel with its disk",
    { ...kernels, [menuLst]: legacy(ok.replace("/boot/vmlinuz", "(hd0,0)/boot/vmlinuz")) },
  ],
  ["a kernel with tabs behind it", { ...kernels, [menuLst]: legacy("\tkernel\t/boot/vmlinuz-1\tro\n") }],
  [
    "tabs and line ends of Windows",
    { ...kernels, [menuLst]: legacy(ok).replaceAll("\n", "\r\n").replaceAll(" kernel", "\tkernel") },
  ],
  [
    "xen.gz with modules",
    { ...kernels, [menuLst]: legacy(" kernel /boot/xen.gz\n module /boot/vmlinuz-1 ro\n") },
  ],
  ["a root that is not a disk", { ...kernels, [menuLst]: legacy(ok).replace("(hd0,0)", "(nd)") }],
  ["a path as of a split /boot", { ...kernels, [menuLst]: legacy(ok.replaceAll("/boot/", "/")) }],
  ["a split /boot", { "/vmlinuz-1": "k", "/grub/grub.conf": legacy(" kernel /vmlinuz-1 ro root=LABEL=x\n") }],
  [
    "a split /boot with paths of a whole one",
    { "/vmlinuz-1": "k", "/grub/menu.lst": legacy(" kernel /boot/vmlinuz-1 ro\n") },
  ],
  [
    "a split /boot with its link to itself",
    { "/vmlinuz-1": "k", "/grub/menu.lst": legacy(" kernel /boot/vmlinuz-1 ro\n") },
    { "/boot": "." },
  ],
  [
    "extlinux",
    {
      ...kernels,
      [extlinux]:
        "default b\nlabel a\n kernel /boot/gone\nlabel b\n kernel /boot/vmlinuz-2\n append initrd=/boot/initrd-1 ro root=LABEL=x\n",
    },
  ],
  ["extlinux with a linux line", { ...kernels, [extlinux]: "label a\n linux /boot/vmlinuz-1\n" }],
  [
    "extlinux before menu.lst",
    { ...kernels, [extlinux]: "label a\n kernel /boot/gone\n", [menuLst]: legacy(ok) },
  ],
  ["ext3", { ...kernels, [menuLst]: legacy(ok) }, {}, ["-t", "ext3"]],
  ["ext2", { ...kernels, [menuLst]: legacy(ok) }, {}, ["-t", "ext2"]],
  [
    "ext4 without 64bit and metadata_csum",
    { ...kernels, [menuLst]: legacy(ok) },
    {},
    ["-t", "ext4", "-O", "^64bit,^metadata_csum"],
  ],
  ["ext4 with bigalloc", { ...kernels, [menuLst]: legacy(ok) }, {}, ["-t", "ext4", "-O", "bigalloc"]],
];

const wholeDisk = async (image: string, guest: GuestFiles) => {
  const root = await guestFolder(guest);
  await host.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", root, image, "6M"]);
  await rm(root, { recursive: true });
};

/** Partitions of 4 MiB each, from 1 MiB on, each with these files. */
const partitioned = async (image: string, table: "mbr" | "gpt", guests: readonly GuestFiles["files"][]) => {
  await emptyDisk(image, 2 + guests.length * 4);
  const at = (index: number) => 2048 + index * 8192;
  const head =
    table === "mbr"
      ? mbr(guests.map((_, index) => ({ type: 0x83, start: at(index), count: 8192 })))
      : gpt(guests.map((_, index) => ({ first: at(index), last: at(index) + 8191 })));
  const handle = await open(image, "r+");
  await handle.write(head, 0, head.length, 0);
  await handle.close();
  for (const [index, files] of guests.entries()) {
    const root = await guestFolder({ files });
    await host.run([
      "mke2fs",
      "-q",
      "-F",
      "-t",
      "ext4",
      "-E",
      `offset=${at(index) * 512}`,
      "-d",
      root,
      image,
      "4M",
    ]);
    await rm(root, { recursive: true });
  }
};

/** A GPT with a FAT partition of 4 MiB and, behind it, an ext4 one. */
const fatFirst = async (image: string, fat: GuestFiles["files"], ext: GuestFiles["files"]) => {
  await partitioned(image, "gpt", [{}, ext]);
  const [volume, root] = [`${image}.fat`, await guestFolder({ files: fat })];
  await host.run(["mkfs.fat", "-C", volume, "4096"]);
  for (const name of await readdir(root))
    await host.run(["mcopy", "-s", "-i", volume, join(root, name), "::/"]);
  await putIntoPartition(image, volume);
  for (const path of [volume, root]) await rm(path, { recursive: true });
};

const boot = { "/vmlinuz-1": "k", "/grub/grub.conf": legacy(" kernel /vmlinuz-1 ro root=LABEL=x\n") };
const whole = { ...kernels, [menuLst]: legacy(ok) };
const disks: readonly (readonly [string, (image: string) => Promise<void>])[] = [
  ["a file system on the whole disk", (image) => wholeDisk(image, { files: whole })],
  ["a GPT", (image) => partitioned(image, "gpt", [whole])],
  ["/boot first and the root behind it", (image) => partitioned(image, "mbr", [boot, { "/etc/fstab": "" }])],
  ["the root first and /boot behind it", (image) => partitioned(image, "mbr", [{ "/etc/fstab": "" }, boot])],
  [
    "the root first with a stale menu below its mount point",
    (image) => partitioned(image, "mbr", [{ [grubConf]: legacy(gone) }, boot]),
  ],
  ["/boot on FAT", (image) => fatFirst(image, boot, { "/etc/fstab": "" })],
  ["an EFI partition before /boot", (image) => fatFirst(image, { "/EFI/redhat/grub.cfg": "" }, boot)],
  ["a menu on the EFI partition", (image) => fatFirst(image, { "/grub/menu.lst": legacy(gone) }, boot)],
  [
    "two systems",
    (image) =>
      partitioned(image, "gpt", [{ ...kernels, [menuLst]: `title x\n kernel /boot/vmlinuz-2 ro\n` }, whole]),
  ],
];

describe.skipIf(lacking)(`pygrub itself${lacking ? ` (${lacking})` : ""}`, () => {
  let folder: string;
  let pygrub: Awaited<ReturnType<typeof realPygrub>>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-pygrub-"));
    pygrub = await realPygrub();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const asPredicted = (image: string) => comparePygrub(pygrub, image, folder);

  const listed = cases.map(([what, files, links = {}, options]) => ({ what, files, links, options }));
  it.each(listed)(
    "boots what the check says of $what, and nothing else",
    async ({ files, links, options }) => {
      const image = join(folder, "disk.img");
      await rm(image, { force: true });
      await extDisk(image, { files, links }, { mebibytes: 6, ...(options && { options }) });
      await asPredicted(image);
    },
  );

  it.each(disks)("boots what the check says of a disk with %s, and nothing else", async (_what, make) => {
    const image = join(folder, "disk.img");
    await rm(image, { force: true });
    await make(image);
    await asPredicted(image);
  });
});
