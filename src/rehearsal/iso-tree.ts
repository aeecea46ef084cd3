import { createHash } from "node:crypto";
import { chmod, copyFile, link, mkdir, readdir, readFile, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { makeFolders } from "../io/folders.ts";
import { writeFile } from "../io/write-file.ts";
import { createRepository } from "./create-repository.ts";
import { assets, type Making, type MediumOptions, type RehearsalRelease } from "./rehearsal.ts";

/** Assembles the medium: packages with repodata, second stage, initrd, boot loader, and description files. */
export async function makeIso(
  making: Making,
  progress: NonNullable<MediumOptions["progress"]>,
): Promise<void> {
  const tree = join(making.folder, "tree");
  const version = `${making.release.major}.${making.release.update}`;
  for (const folder of ["isolinux", "images/pxeboot", "LiveOS", "Packages"])
    await makeFolders(join(tree, folder));
  progress("making the repository of the medium");
  for (const rpm of await readdir(join(making.folder, "rpms", "base")))
    await link(join(making.folder, "rpms", "base", rpm), join(tree, "Packages", rpm));
  await writeFile(join(making.folder, "comps.xml"), await comps(making.release));
  await making.run([...createRepository, "-g", join(making.folder, "comps.xml"), tree]);
  progress("making the installer");
  const stage2 = await makeStage2(making, tree);
  await makeInitrd(making, join(tree, "isolinux", "initrd.img"));
  await copyFile(
    join(making.folder, "work", "tree", "kernel", "boot", `vmlinuz-${making.debs.kernel}`),
    join(tree, "isolinux", "vmlinuz"),
  );
  for (const name of ["vmlinuz", "initrd.img"])
    await link(join(tree, "isolinux", name), join(tree, "images", "pxeboot", name));
  await copyFile("/usr/lib/ISOLINUX/isolinux.bin", join(tree, "isolinux", "isolinux.bin"));
  for (const name of ["ldlinux", "libcom32", "libutil", "vesamenu", "menu"])
    await copyFile(`/usr/lib/syslinux/modules/bios/${name}.c32`, join(tree, "isolinux", `${name}.c32`));
  const label = volumeId(making.release);
  await writeFile(join(tree, "isolinux", "isolinux.cfg"), isolinuxConfig(making.release, label));
  await writeFile(join(tree, ".discinfo"), `1700000000.000000\nOracle Linux ${version}\nx86_64\nALL\n`);
  await writeFile(join(tree, ".treeinfo"), await treeinfo(tree, version, stage2));
  await writeFile(
    join(tree, "media.repo"),
    `[InstallMedia]\nname=Oracle Linux ${version}\nmediaid=1700000000.000000\nmetadata_expire=-1\ngpgcheck=0\ncost=500\n`,
  );
  await writeFile(
    join(tree, "REHEARSAL"),
    `This disc was made by tbuild to rehearse an installation of Oracle Linux ${version}. What it installs is made of Debian's binaries, and is not Oracle Linux.\n`,
  );
  progress("writing the ISO");
  const boot = [
    "-b",
    "isolinux/isolinux.bin",
    "-c",
    "isolinux/boot.cat",
    "-no-emul-boot",
    "-boot-load-size",
    "4",
    "-boot-info-table",
  ];
  await making.run([
    "xorriso",
    "-as",
    "mkisofs",
    "-quiet",
    "-o",
    join(making.folder, "medium.iso"),
    "-V",
    label,
    "-J",
    "-joliet-long",
    "-R",
    ...boot,
    tree,
  ]);
}

/** Oracle's labels of these releases' discs. */
export function volumeId(release: RehearsalRelease): string {
  return release.major === 6
    ? `OL6.${release.update} x86_64 Disc 1 20180625`
    : `OL-7.${release.update} Server.x86_64`;
}

// Not needed in the second stage.
const notInStage2 =
  /^(SysVinit|systemd|kernel|initscripts|chkconfig|dracut|openssh.*|yum|ca-certificates|basesystem|oracle.*|ovm.*|ntp|oracleasm.*)$/;

/** The union of the packages' files as hard links, with the installer. Needs no package manager and no chroot. */
async function makeStage2(making: Making, tree: string): Promise<string> {
  const root = join(making.folder, "stage2");
  const packages = join(making.folder, "work", "tree");
  await mkdir(root);
  for (const name of (await readdir(packages)).sort())
    if (!notInStage2.test(name)) await making.run(["cp", "-aln", `${join(packages, name)}/.`, `${root}/`]);
  await making.run(["cp", "-al", join(packages, "kernel", "usr/lib/modules"), join(root, "usr/lib/")]);
  for (const folder of ["mnt/sysimage", "usr/share/anaconda"]) await makeFolders(join(root, folder));
  await install(["anaconda", "anaconda-init"], join(root, "usr/sbin"), 0o755);
  await install(["kickstart.py", "storage.py"], join(root, "usr/share/anaconda"), 0o644);
  await rm(join(root, "etc/hosts"), { force: true });
  await writeFile(join(root, "etc/hosts"), "127.0.0.1 localhost\n");
  await making.run(["/sbin/ldconfig", "-r", root, "-X"]);
  const image = making.release.major >= 7 ? "LiveOS/squashfs.img" : "images/install.img";
  await making.run([
    "mksquashfs",
    root,
    join(tree, image),
    "-comp",
    "zstd",
    "-Xcompression-level",
    "3",
    "-no-progress",
    "-quiet",
    "-all-root",
  ]);
  return image;
}

async function makeInitrd(making: Making, to: string): Promise<void> {
  const root = join(making.folder, "work", "initrd");
  for (const folder of ["bin", "sbin", "etc", "lib/modules"]) await makeFolders(join(root, folder));
  await copyFile(join(making.debs.extracted, "busybox-static/bin/busybox"), join(root, "bin/busybox"));
  await symlink("busybox", join(root, "bin/sh"));
  await install(["init"], root, 0o755);
  await install(["udhcpc.sh"], join(root, "bin"), 0o755);
  await writeFile(join(root, "etc/rehearsal-major"), `${making.release.major}\n`);
  await writeFile(join(root, "etc/modules"), `${drivers.join("\n")}\n`);
  await making.run([
    "cp",
    "-al",
    join(making.folder, "work/tree/kernel/usr/lib/modules", making.debs.kernel),
    join(root, "lib/modules/"),
  ]);
  const files = (await making.run(["find", root, "-print0"])).split("\0").filter((path) => path !== "");
  const names = files
    .map((path) => `.${path.slice(root.length)}`)
    .sort()
    .join("\n");
  const archive = await making.host.run(["cpio", "-o", "-R", "0:0", "-H", "newc", "--quiet"], {
    input: `${names}\n`,
    cwd: root,
  });
  const packed = await making.host.run(["zstd", "-q", "-3", "-c"], { input: archive.bytes });
  await writeFile(to, packed.bytes);
}

// The initrd has no udev, so it loads drivers by name.
const drivers = [
  ...[
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "virtio_net",
    "xen-netfront",
    "xen-blkfront",
    "ata_piix",
    "ata_generic",
    "sd_mod",
    "sr_mod",
  ],
  ...[
    "cdrom",
    "isofs",
    "squashfs",
    "overlay",
    "loop",
    "vfat",
    "nls_utf8",
    "nls_cp437",
    "nls_ascii",
    "nls_iso8859_1",
  ],
];

async function install(names: readonly string[], folder: string, mode: number): Promise<void> {
  for (const name of names) {
    await copyFile(join(assets, "installer", name), join(folder, name));
    await chmod(join(folder, name), mode);
  }
}

async function comps(release: RehearsalRelease): Promise<string> {
  const text = await readFile(join(assets, "comps.xml"), "utf8");
  return text.replace(
    "@INIT@",
    `<packagereq type="mandatory">${release.major === 6 ? "SysVinit" : "systemd"}</packagereq>`,
  );
}

function isolinuxConfig(release: RehearsalRelease, label: string): string {
  const stage2 = release.major >= 7 ? ` inst.stage2=hd:LABEL=${label.replaceAll(" ", "\\x20")}` : "";
  return `default vesamenu.c32
timeout 600
display boot.msg
menu title Welcome to Oracle Linux ${release.major}.${release.update} (tbuild rehearsal)
label linux
  menu label ^Install or upgrade an existing system
  menu default
  kernel vmlinuz
  append initrd=initrd.img${stage2}
label rescue
  menu label ^Rescue installed system
  kernel vmlinuz
  append initrd=initrd.img${stage2} rescue
`;
}

async function treeinfo(tree: string, version: string, stage2: string): Promise<string> {
  const files = ["images/pxeboot/vmlinuz", "images/pxeboot/initrd.img", stage2];
  const sums = await Promise.all(
    files.map(
      async (file) =>
        `${file} = sha256:${createHash("sha256")
          .update(await readFile(join(tree, file)))
          .digest("hex")}`,
    ),
  );
  return `[general]
family = Oracle Linux Server
timestamp = 1700000000.0
variant = Server
version = ${version}
arch = x86_64
packagedir = Packages

[stage2]
mainimage = ${stage2}

[images-x86_64]
kernel = images/pxeboot/vmlinuz
initrd = images/pxeboot/initrd.img

[checksums]
${sums.join("\n")}
`;
}
