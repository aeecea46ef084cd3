import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pvCheck } from "../../src/guest/fitness/pv.ts";
import { targets } from "../../src/guest/fitness/targets.ts";
import { localHost } from "../../src/host/local.ts";
import { describeWith } from "../fakes/missing.ts";
import { emptyDisk, extDisk, type GuestFiles, guestFolder } from "../guest-image.ts";
import { mbr } from "../image/disk-tables.ts";
import { realPygrub } from "../pygrub.ts";
import { comparePygrub } from "../pygrub-prediction.ts";

const host = localHost();
const kernels = { "/boot/vmlinuz-1": "kernel 1", "/boot/vmlinuz-2": "kernel 2", "/boot/initrd-1": "initrd" };
const legacy = (text: string): GuestFiles["files"] => ({ ...kernels, "/boot/grub/menu.lst": text });
const grub2 = (text: string): GuestFiles["files"] => ({ ...kernels, "/boot/grub2/grub.cfg": text });
const one = "title one\n kernel /boot/vmlinuz-1 ro root=LABEL=x\n initrd /boot/initrd-1\n";
const other = "title two\n kernel /boot/vmlinuz-2 ro\n";
const entry = (title: string, number = 1, more = "") =>
  `menuentry ${title} {\n${more} linux /boot/vmlinuz-${number} ro root=LABEL=x\n initrd /boot/initrd-1\n}\n`;
const generated = `set timeout=5
if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "\${next_entry}" ] ; then
   set default="\${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="\${saved_entry}"
fi
if [ x"\${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
export menuentry_id_option
function savedefault {
  if [ -z "\${boot_once}" ]; then
    saved_entry="\${chosen}"
    save_env saved_entry
  fi
}
function load_video {
  insmod all_video
}
terminal_output console
if [ x$feature_timeout_style = xy ] ; then
  set timeout_style=menu
  set timeout=5
else
  set timeout=5
fi
menuentry 'Oracle Linux Server (3.10.0) 7.9' --class red --class gnu-linux --unrestricted $menuentry_id_option 'gnulinux-3.10-advanced-1' {
	load_video
	set gfxpayload=keep
	insmod gzio
	insmod part_msdos
	insmod ext2
	set root='hd0,msdos1'
	if [ x$feature_platform_search_hint = xy ]; then
	  search --no-floppy --fs-uuid --set=root --hint-bios=hd0,msdos1 1-2-3
	else
	  search --no-floppy --fs-uuid --set=root 1-2-3
	fi
	linux16 /boot/vmlinuz-1 root=UUID=1-2-3 ro crashkernel=auto rhgb quiet LANG=en_US.UTF-8
	initrd16 /boot/initrd-1
}
`;

type Case = readonly [what: string, files: GuestFiles["files"], links?: GuestFiles["links"]];
const cases: readonly Case[] = [
  ["a default that stands twice", legacy(`default=0\ndefault=1\n${one}${other}`)],
  ["a default below a title", legacy(`${one}default=1\n${other}`)],
  ["a default in quotation marks", legacy(`default="1"\n${one}${other}`)],
  ["a default with a comment behind it", legacy(`default=1 # new\n${one}${other}`)],
  ["a default in hexadecimal", legacy(`default=0x1\n${one}${other}`)],
  ["a default with an underscore", legacy(`default=1_0\n${one}${other}`)],
  ["a default with a plus sign", legacy(`default=+1\n${one}${other}`)],
  ["default=saved with savedefault", legacy(`default saved\n${one} savedefault\n${other} savedefault\n`)],
  [
    "a hidden menu, a password and a splash",
    legacy(`hiddenmenu\npassword --md5 $1$x\nsplashimage=(hd0,0)/boot/x.gz\n${one}`),
  ],
  ["a splash on a disk that is not closed", legacy(`splashimage=(hd0,0/boot/x.gz\n${one}`)],
  ["a locked entry", legacy(one.replace(" kernel", " lock\n kernel"))],
  ["an entry for another system first", legacy(`title DOS\n rootnoverify (hd0,1)\n chainloader +1\n${one}`)],
  ["root on the second partition", legacy(one.replace(" kernel", " root (hd0,1)\n kernel"))],
  ["root of a whole disk", legacy(one.replace(" kernel", " root (hd0)\n kernel"))],
  ["root in Xen's words", legacy(one.replace(" kernel", " root (/dev/xvda,0)\n kernel"))],
  ["root without parentheses", legacy(one.replace(" kernel", " root hd0,0\n kernel"))],
  ["root of three numbers", legacy(one.replace(" kernel", " root (hd0,0,a)\n kernel"))],
  ["a kernel after an equals sign", legacy(one.replace("kernel ", "kernel="))],
  ["an initrd after an equals sign", legacy(one.replace("initrd ", "initrd="))],
  ["a kernel of another disk", legacy(one.replace(" /boot/vmlinuz", " (hd1,2)/boot/vmlinuz"))],
  ["a kernel with an option first", legacy(one.replace("kernel ", "kernel --type=linux "))],
  ["two kernels in one entry", legacy(one.replace(" initrd", " kernel /boot/vmlinuz-2 rw\n initrd"))],
  ["two initrds on one line", legacy(one.replace("initrd-1", "initrd-1 /boot/initrd-1"))],
  ["an initrd that is empty", legacy(one.replace(/ initrd.*/, " initrd"))],
  ["commands in capitals", legacy(one.toUpperCase().replaceAll("/BOOT/", "/boot/"))],
  ["a title with signs", legacy(`title Überfall "(1)" {a=b} \\ $x\n${one.replace("title one\n", "")}`)],
  ["a title without text", legacy(one.replace("title one", "title"))],
  ["a title after an equals sign", legacy(one.replace("title one", "title=one"))],
  ["a menu that begins with a mark of its encoding", legacy(`\ufeff${one}`)],
  ["a byte of zero in the menu", legacy(one.replace("ro ", "ro \0 "))],
  ["a kernel in a folder with dots", legacy(one.replace("/boot/vmlinuz", "/boot/../boot/./vmlinuz"))],
  ["a kernel with two slashes", legacy(one.replace("/boot/vmlinuz", "//boot//vmlinuz"))],
  ["a kernel without a slash", legacy(one.replace("/boot/vmlinuz", "boot/vmlinuz"))],
  ["a menu as grub2-mkconfig writes it", grub2(generated)],
  ["a default by id", grub2(`set default="two"\n${entry("'a' --id one")}${entry("'b' --id two", 2)}`)],
  [
    "a default by submenu and title",
    grub2(`set default="more>b"\n${entry("'a' ")}submenu "more" {\n${entry("'b' ", 2)}}\n`),
  ],
  [
    "a default by number of a submenu",
    grub2(`set default="1>0"\n${entry("'a' ")}submenu "more" {\n${entry("'b' ", 2)}}\n`),
  ],
  [
    "a submenu in a submenu",
    grub2(`submenu 'x' {\nsubmenu 'y' {\n${entry("'b' ", 2)}}\n}\n${entry("'a' ")}`),
  ],
  ["default= without set", grub2(`default=1\n${entry("'a' ")}${entry("'b' ", 2)}`)],
  ["a default in single quotes", grub2(`set default='1'\n${entry("'a' ")}${entry("'b' ", 2)}`)],
  [
    "an if around the default",
    grub2(`if true; then\n set default=1\nelse\n set default=0\nfi\n${entry("'a' ")}${entry("'b' ", 2)}`),
  ],
  ["an if around an entry", grub2(`if true; then\n${entry("'a' ", 2)}fi\n${entry("'b' ")}`)],
  ["an if inside an entry", grub2(entry("'a' ", 1, " if true; then\n  linux /boot/vmlinuz-2 ro\n fi\n"))],
  ["a title in double quotes with signs", grub2(entry('"a (1) {x} \\"y\\"" --class x'))],
  ["a title with an apostrophe", grub2(entry("'it'\\''s' --class x"))],
  ["a title of two kinds of quotes", grub2(entry("'a \"b\"' --class x"))],
  ["a title without quotes", grub2(entry("one --class x"))],
  ["variables in the kernel's path", grub2(entry("'a' ").replace("/boot/vmlinuz", "$prefix/vmlinuz"))],
  ["variables in the arguments", grub2(entry("'a' ").replace("ro root", "$kernelopts $x root"))],
  ["a kernel in quotes", grub2(entry("'a' ").replace("/boot/vmlinuz-1", '"/boot/vmlinuz-1"'))],
  ["a kernel of a named disk", grub2(entry("'a' ").replace("/boot/vmlinuz-1", "($root)/boot/vmlinuz-1"))],
  [
    "a kernel of a numbered disk",
    grub2(entry("'a' ").replace("/boot/vmlinuz-1", "(hd0,msdos1)/boot/vmlinuz-1")),
  ],
  ["root of a GPT", grub2(entry("'a' ", 1, " set root='hd0,gpt2'\n"))],
  ["root of a named disk", grub2(entry("'a' ", 1, " set root=(hd0,1)\n"))],
  ["root of a RAID", grub2(entry("'a' ", 1, " set root='mduuid/12'\n"))],
  ["root found by label", grub2(entry("'a' ", 1, " search --no-floppy --set=root --label boot\n"))],
  ["several initrds", grub2(entry("'a' ").replace("initrd-1", "initrd-1 /boot/initrd-1"))],
  ["a line that goes on", grub2(entry("'a' ").replace("ro root", "ro \\\n root"))],
  ["Xen's own entry", grub2("menuentry 'x' {\n multiboot2 /boot/xen.gz\n module2 /boot/vmlinuz-1 ro\n}\n")],
  ["line ends of Windows", grub2(entry("'a' --class x").replaceAll("\n", "\r\n"))],
  ["a comment and a blank line inside", grub2(entry("'a' ", 1, "# menuentry 'x' {\n\n"))],
  ["a word that begins like function", grub2(`functional=1\n${entry("'a' ")}}\n`)],
  ["entries only in another file", grub2("configfile /boot/grub2/other.cfg\nsource /boot/grub2/more.cfg\n")],
  [
    "a kernel that is a link",
    {
      ...kernels,
      "/boot/real": "kernel 1",
      "/boot/vmlinuz-1": "unused",
      "/boot/grub/menu.lst": one.replace("vmlinuz-1", "link-1"),
    },
    { "/boot/link-1": "real" },
  ],
  [
    "a kernel that is a link from the root",
    { ...kernels, "/boot/real": "kernel 1", "/boot/grub/menu.lst": one.replace("vmlinuz-1", "link-1") },
    { "/boot/link-1": "/boot/real" },
  ],
  [
    "a kernel that is a link to a link out of its folder",
    { ...kernels, "/lib/real": "kernel 1", "/boot/grub/menu.lst": one.replace("vmlinuz-1", "link-1") },
    { "/boot/link-1": "next", "/boot/next": "../lib/real" },
  ],
  [
    "a kernel that is a link to itself",
    { ...kernels, "/boot/grub/menu.lst": one.replace("vmlinuz-1", "link-1") },
    { "/boot/link-1": "link-1" },
  ],
  [
    "a folder of the menu that is a link",
    { ...kernels, "/boot/grub2/menu.lst": one },
    { "/boot/grub": "grub2" },
  ],
  ["a menu that is a folder", { ...kernels, "/boot/grub/menu.lst/x": "", "/boot/grub/grub.conf": one }],
];

const features: readonly (readonly [string, readonly string[]])[] = [
  ["what mke2fs makes by default", ["-t", "ext4"]],
  ["blocks of 4096 bytes", ["-t", "ext4", "-b", "4096"]],
  ["checksums by a seed", ["-t", "ext4", "-O", "metadata_csum_seed"]],
  ["quota and project", ["-t", "ext4", "-O", "quota,project"]],
  ["encryption", ["-t", "ext4", "-O", "encrypt"]],
  ["sparse_super2 and no flex_bg", ["-t", "ext4", "-O", "sparse_super2,^flex_bg,^resize_inode"]],
  ["meta_bg", ["-t", "ext4", "-O", "meta_bg,^resize_inode"]],
  ["no journal", ["-t", "ext4", "-O", "^has_journal"]],
  ["inodes of 128 bytes", ["-t", "ext3", "-I", "128"]],
];

describeWith(["mke2fs", "dpkg-deb", "apt-get", "python3"], "pygrub itself, of menus that people have", () => {
  let folder: string;
  let pygrub: Awaited<ReturnType<typeof realPygrub>>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-menus-"));
    pygrub = await realPygrub();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const listed = cases.map(([what, files, links = {}]) => ({ what, files, links }));
  it.each(listed)("boots what the check says of $what", async ({ files, links }) => {
    const image = join(folder, "disk.img");
    await rm(image, { force: true });
    await extDisk(image, { files, links }, { mebibytes: 6 });
    await comparePygrub(pygrub, image, folder);
  });

  it.each(features)("boots what the check says of ext4 with %s", async (_what, options) => {
    const image = join(folder, "disk.img");
    await rm(image, { force: true });
    await extDisk(image, { files: legacy(one) }, { mebibytes: 8, options });
    await comparePygrub(pygrub, image, folder);
  });

  it("boots the first partition, and that of Oracle VM maybe the active one", async () => {
    const image = join(folder, "active.img");
    await emptyDisk(image, 10);
    const starts = [2048, 2048 + 8192];
    const table = mbr(starts.map((start) => ({ type: 0x83, start, count: 8192 })));
    table[446 + 16] = 0x80;
    await using file = await open(image, "r+");
    await file.write(table, 0, 512, 0);
    for (const [index, files] of [legacy(one), legacy(other)].entries()) {
      const root = await guestFolder({ files });
      const place = `offset=${(starts[index] ?? 0) * 512}`;
      await host.run([...["mke2fs", "-q", "-F", "-t", "ext3", "-E", place, "-d", root, image, "4M"]]);
      await rm(root, { recursive: true });
    }
    await comparePygrub(pygrub, image, folder);
    const { boots, findings } = await pvCheck(host, image, targets["ovm-3.4.5"].pygrub);
    expect(boots).toBeUndefined();
    expect(findings.map(({ why }) => why).join()).toMatch(/active partition.*vmlinuz-2 .* of p2/);
  });

  it("skips a partition of type swap, which it takes for one of Solaris", async () => {
    const image = join(folder, "swap-type.img");
    await extDisk(image, { files: legacy(one) }, { mebibytes: 6 });
    await using file = await open(image, "r+");
    await file.write(Buffer.from([0x82]), 0, 1, 446 + 4);
    await comparePygrub(pygrub, image, folder);
  });
});
