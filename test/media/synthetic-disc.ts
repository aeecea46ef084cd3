import { execFileSync } from "node:child_process";
import { copyFileSync, linkSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";

/** A disc in the layout of a release: what is where, how it starts, what it says of itself. Its content is made up. */
export interface Layout {
  readonly release: string;
  readonly volumeId: string;
  readonly stage2: string;
  readonly repositories: readonly string[];
  readonly packing: "gzip" | "lzma" | "xz" | "zstd";
  readonly efi?: "legacy" | "grub2";
  /** Starts from a USB stick too. */
  readonly hybrid?: boolean;
  readonly treeinfo: string;
  readonly discinfo: readonly string[];
  readonly more: readonly string[];
}

const general = (lines: Record<string, string>) =>
  `[general]\n${Object.entries(lines)
    .map(([key, value]) => `${key} = ${value}\n`)
    .join("")}`;
const images =
  "\n[images-x86_64]\nkernel = images/pxeboot/vmlinuz\ninitrd = images/pxeboot/initrd.img\nboot.iso = images/boot.iso\n";

/** As documented; OL5's label is not on record. */
export const layouts: readonly Layout[] = [
  {
    release: "5.11",
    volumeId: "OL5.11 x86_64 dvd 20140917",
    stage2: "images/stage2.img",
    repositories: ["Cluster", "ClusterStorage", "Server", "VT"],
    packing: "gzip",
    treeinfo: `${general({ family: "Oracle Linux Server", timestamp: "1410919217.28", totaldiscs: "1", version: "5.11", discnum: "1", packagedir: "Server", arch: "x86_64" })}${images}\n[images-xen]\nkernel = images/xen/vmlinuz\ninitrd = images/xen/initrd.img\n`,
    discinfo: ["1410919217.280000", "Oracle Linux Server 5.11", "x86_64", "1", "Server/base"],
    more: ["images/xen/vmlinuz", "images/xen/initrd.img", "images/minstg2.img"],
  },
  {
    release: "6.10",
    volumeId: "OL6.10 x86_64 Disc 1 20180625",
    stage2: "images/install.img",
    repositories: [".", "HighAvailability", "Server"],
    packing: "lzma",
    efi: "legacy",
    treeinfo: `${general({ family: "Oracle Linux Server", timestamp: "1529955412.01", variant: "Server", version: "6.10", packagedir: "", arch: "x86_64" })}\n[stage2]\nmainimage = images/install.img\n${images}`,
    discinfo: ["1529955412.012345", "Oracle Linux Server 6.10", "x86_64", "1"],
    more: [],
  },
  {
    release: "7.9",
    volumeId: "OL-7.9 Server.x86_64",
    stage2: "LiveOS/squashfs.img",
    repositories: [".", "addons/HighAvailability"],
    packing: "xz",
    efi: "grub2",
    hybrid: true,
    treeinfo: `${general({ name: "Oracle Linux Server-7.9", family: "Oracle Linux Server", timestamp: "1601410521.04", variant: "Server", version: "7.9", packagedir: "", arch: "x86_64" })}\n[stage2]\nmainimage = LiveOS/squashfs.img\n${images}`,
    discinfo: ["1601410486.971111", "7.9", "x86_64", "1"],
    more: [],
  },
  {
    release: "8.9",
    volumeId: "OL-8-9-0-BaseOS-x86_64",
    stage2: "images/install.img",
    repositories: ["AppStream", "BaseOS"],
    packing: "xz",
    efi: "grub2",
    hybrid: true,
    treeinfo: `[header]\ntype = productmd.treeinfo\nversion = 1.2\n\n[release]\nname = Oracle Linux\nshort = OL\nversion = 8\n\n[tree]\narch = x86_64\nplatforms = x86_64,xen\nvariants = AppStream,BaseOS\n\n; WARNING.0 = for what reads the old sections\n${general({ family: "Oracle Linux", variant: "BaseOS", version: "8.9", arch: "x86_64" })}\n[stage2]\nmainimage = images/install.img\n${images}`,
    discinfo: ["1699999999.123456", "8.9", "x86_64"],
    more: ["isolinux/ldlinux.c32"],
  },
  {
    release: "9.2",
    volumeId: "OL-9-2-0-BaseOS-x86_64",
    stage2: "images/install.img",
    repositories: ["AppStream", "BaseOS"],
    packing: "zstd",
    efi: "grub2",
    hybrid: true,
    treeinfo: `${general({ family: "Oracle Linux", variant: "BaseOS", version: "9.2", arch: "x86_64" })}\n[stage2]\nmainimage = images/install.img\n${images}`,
    discinfo: ["1683700000.123456", "9.2", "x86_64"],
    more: ["isolinux/ldlinux.c32"],
  },
];

export interface Installer {
  readonly kernel: string;
  /** A cpio archive, not packed. */
  readonly initrd: Uint8Array;
}

/** Writes such a disc. Without an installer it has the right files with the wrong content, and does not start. */
export function syntheticDisc(folder: string, layout: Layout, installer?: Installer): string {
  const tree = join(folder, `tree-${layout.release}`);
  const file = join(folder, `OL ${layout.release} dvd.iso`);
  for (const old of [tree, file]) rmSync(old, { recursive: true, force: true });
  const put = (path: string, data: Uint8Array | string) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), data);
  };
  put(".treeinfo", layout.treeinfo);
  put(".discinfo", `${layout.discinfo.join("\n")}\n`);
  put(layout.stage2, "second stage");
  for (const repository of layout.repositories) put(join(repository, "repodata/repomd.xml"), "<repomd/>");
  for (const path of layout.more) put(path, path);
  // Packages of a size that tells whether the disc was copied whole.
  put("Packages/filler-1-1.x86_64.rpm", Buffer.alloc(3 << 20, layout.release));
  put("isolinux/isolinux.cfg", `${vendorMenu}${append(layout)}`);
  for (const [file, from] of isolinuxFiles) {
    put(`isolinux/${file}`, "");
    copyFileSync(join(from, file), join(tree, "isolinux", file));
  }
  if (installer) copyFileSync(installer.kernel, join(tree, "isolinux/vmlinuz"));
  else put("isolinux/vmlinuz", "kernel");
  put("isolinux/initrd.img", packed(installer?.initrd ?? Buffer.from("initrd"), layout.packing));
  mkdirSync(join(tree, "images/pxeboot"), { recursive: true });
  for (const name of ["vmlinuz", "initrd.img"])
    linkSync(join(tree, "isolinux", name), join(tree, "images/pxeboot", name));
  if (layout.efi) putEfi(tree, layout, put);
  execFileSync(
    "xorriso",
    [
      ...["-as", "mkisofs", "-quiet", "-o", file, "-V", layout.volumeId, "-J", "-joliet-long", "-R"],
      ...(layout.hybrid ? ["-isohybrid-mbr", "/usr/lib/ISOLINUX/isohdpfx.bin"] : []),
      ...["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat"],
      ...["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"],
      ...(layout.efi ? ["-eltorito-alt-boot", "-e", "images/efiboot.img", "-no-emul-boot"] : []),
      ...(layout.hybrid ? ["-isohybrid-gpt-basdat"] : []),
      tree,
    ],
    { stdio: "ignore" },
  );
  return file;
}

const bios = "/usr/lib/syslinux/modules/bios";
// Debian's isolinux wants ldlinux.c32 on every disc; Oracle's did so from OL8 on.
const isolinuxFiles = [
  ["isolinux.bin", "/usr/lib/ISOLINUX"],
  ["ldlinux.c32", bios],
] as const;

// It waits for somebody to press a key, as the real one does for a minute: what starts here is ours.
const vendorMenu = `default nothing
prompt 1
timeout 0
label nothing
  localboot -1
label linux
  kernel vmlinuz
`;

function append(layout: Layout): string {
  const label = layout.volumeId.replaceAll(" ", "\\x20");
  const stage2 = Number(layout.release.split(".")[0]) >= 7 ? ` inst.stage2=hd:LABEL=${label}` : "";
  return `  append initrd=initrd.img${stage2} rd.live.check quiet\n`;
}

/** UEFI's menu twice, beside and inside the FAT image; the vendor's default entry starts nothing. */
function putEfi(tree: string, layout: Layout, put: (path: string, data: Uint8Array | string) => void): void {
  const label = layout.volumeId.replaceAll(" ", "\\x20");
  const [name, menu] =
    layout.efi === "legacy"
      ? [
          "BOOTX64.conf",
          "#debug --graphics\ndefault=0\nsplashimage=/EFI/BOOT/splash.xpm.gz\ntimeout 5\nhiddenmenu\ntitle Oracle Linux Server 6\n\tfindiso\n\tkernel /images/pxeboot/vmlinuz quiet\n\tinitrd /images/pxeboot/initrd.img\n",
        ]
      : [
          "grub.cfg",
          `set default="1"\n\nfunction load_video {\n  insmod efi_gop\n}\n\nload_video\ninsmod part_gpt\nset timeout=-1\nsearch --no-floppy --set=root -l '${layout.volumeId}'\n\nmenuentry 'Install' --class fedora {\n\tlinuxefi /images/pxeboot/vmlinuz inst.stage2=hd:LABEL=${label} quiet\n\tinitrdefi /images/pxeboot/initrd.img\n}\n`,
        ];
  put(`EFI/BOOT/${name}`, menu);
  const loader = join(tree, "EFI/BOOT/BOOTX64.EFI");
  const modules = "iso9660 fat part_gpt part_msdos normal linux linuxefi search search_label configfile boot";
  if (layout.efi === "grub2")
    execFileSync("grub-mkimage", [
      ...["-O", "x86_64-efi", "-p", "/EFI/BOOT", "-o", loader],
      ...modules.split(" "),
    ]);
  else writeFileSync(loader, "GRUB 0.97");
  const image = join(tree, "images/efiboot.img");
  execFileSync("mformat", ["-C", "-i", image, "-f", "2880", "::"]);
  execFileSync("mmd", ["-i", image, "::EFI", "::EFI/BOOT"]);
  execFileSync("mcopy", ["-i", image, loader, join(tree, "EFI/BOOT", name), "::EFI/BOOT/"]);
}

function packed(archive: Uint8Array, packing: Layout["packing"]): Uint8Array {
  if (packing === "gzip") return gzipSync(archive);
  const argv = {
    xz: ["xz", "-1", "--check=crc32", "-c"],
    lzma: ["xz", "-1", "--format=lzma", "-c"],
    zstd: ["zstd", "-q", "-3", "-c"],
  }[packing];
  return execFileSync(argv[0] ?? "", argv.slice(1), { input: archive, maxBuffer: 1 << 28 });
}
