import { cp, mkdir, open, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { type CpioFile, cpioArchive } from "../src/guest/convert/cpio.ts";
import { localHost } from "../src/host/local.ts";
import { mbr } from "./image/disk-tables.ts";

/**
 * The smallest guests that boot: Debian's cloud kernel, which has PV, and busybox. What is special of a release is as there: where
 * the menu is, how its initramfs finds drivers. The first program says that it runs, and powers off.
 */
export type Flavour = "el6" | "el7";
export type Shape = "one partition" | "own /boot" | "bare";

const host = localHost();
const mib = 1048576;
const busybox = "/usr/bin/busybox";
const grubModules = "/usr/lib/grub/i386-pc";
/** What the initramfs has: the drivers of emulated disks, and no others. */
const emulated = ["ata_piix", "ata_generic", "sd_mod"];
const others = ["xen-blkfront", "xen-netfront", "virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net"];

/** Debian's cloud kernel on this machine; `undefined` if it is not installed. */
export async function cloudKernel(): Promise<string | undefined> {
  const versions = await readdir("/lib/modules").catch(() => []);
  return versions
    .filter((one) => one.endsWith("-cloud-amd64"))
    .sort()
    .at(-1);
}

export const rootUuid = "5a1ec0de-0000-4000-8000-000000000001";
const bootUuid = "5a1ec0de-0000-4000-8000-000000000002";

/** Makes a raw disk with such a guest, on which no boot loader is. */
export async function bootableGuest(image: string, flavour: Flavour, shape: Shape): Promise<void> {
  const version = (await cloudKernel()) ?? "";
  const folder = `${image}.root`;
  await rm(folder, { recursive: true, force: true });
  const put = async (path: string, data: string | Uint8Array, mode = 0o644) => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), data, { mode });
  };
  const link = async (path: string, target: string) => {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await symlink(target, join(folder, path));
  };
  for (const dir of ["proc", "sys", "dev", "run", "tmp"]) await mkdir(join(folder, dir), { recursive: true });
  const split = shape === "own /boot";
  const [disk, root] =
    shape === "bare" ? ["/dev/xvda", "/dev/xvda"] : ["/dev/sda", split ? "/dev/sda2" : "/dev/sda1"];
  const major = flavour === "el6" ? 6 : 7;
  await put("etc/oracle-release", `Oracle Linux Server release ${major}.9\n`);
  await put(
    "etc/fstab",
    `${root} / ext4 defaults 1 1\n${split ? "/dev/sda1 /boot ext3 defaults 1 2\n" : ""}`,
  );
  await put("etc/securetty", "tty1\n");
  await put("etc/inittab", "1:2345:respawn:/sbin/mingetty tty1\n");
  await put("bin/busybox", await readFile(busybox), 0o755);
  await link("bin/sh", "busybox");
  await put("sbin/init", initScript, 0o755);
  const modules = await inOrder(version, [...emulated, ...others]);
  for (const path of modules) await put(`lib/modules/${version}/${path}`, await kernelFile(version, path));
  for (const name of ["modules.builtin", "modules.order"])
    await put(`lib/modules/${version}/${name}`, await kernelFile(version, name));
  await host.run(["depmod", "-b", folder, version]);
  await put(`boot/vmlinuz-${version}`, await readFile(`/boot/vmlinuz-${version}`));
  await put(`boot/config-${version}`, await readFile(`/boot/config-${version}`));
  await put(`boot/initramfs-${version}.img`, await initramfs(version, flavour));
  const below = split ? "" : "/boot";
  const words = `root=${root} ro console=ttyS0`;
  if (flavour === "el6") {
    await put(
      "boot/grub/grub.conf",
      `default=0\ntimeout=0\ntitle one\n\troot (hd0,0)\n\tkernel ${below}/vmlinuz-${version} ${words}\n\tinitrd ${below}/initramfs-${version}.img\n`,
    );
    await link("boot/grub/menu.lst", "./grub.conf");
    await put("boot/grub/device.map", `(hd0) ${disk}\n`);
  } else {
    const uuid = split ? bootUuid : rootUuid;
    await put(
      "boot/grub2/grub.cfg",
      `set timeout=0\nmenuentry 'one' --class os {\n\tsearch --no-floppy --fs-uuid --set=root ${uuid}\n\tlinux16 ${below}/vmlinuz-${version} ${words}\n\tinitrd16 ${below}/initramfs-${version}.img\n}\n`,
    );
    await put("etc/default/grub", 'GRUB_CMDLINE_LINUX="console=ttyS0"\n');
    await cp(grubModules, join(folder, "usr/lib/grub/i386-pc"), { recursive: true });
  }
  await intoDisk(image, folder, shape);
  await rm(folder, { recursive: true });
}

async function intoDisk(image: string, folder: string, shape: Shape): Promise<void> {
  const plain = ["-q", "-F", "-O", "^64bit,^metadata_csum"];
  await rm(image, { force: true });
  if (shape === "bare") {
    await host.run(["mke2fs", ...plain, "-t", "ext4", "-U", rootUuid, "-d", folder, image, "120M"]);
    return;
  }
  const split = shape === "own /boot";
  const at = split ? 64 : 1;
  const bytes = (at + 120) * mib;
  {
    await using disk = await open(image, "w");
    await disk.truncate(bytes);
    const parts = [
      ...(split ? [{ type: 0x83, start: 2048, count: 62 * 2048 }] : []),
      { type: 0x83, start: at * 2048, count: 119 * 2048 },
    ];
    const table = mbr(parts);
    // What a partition table holds is all that there is: no program made the disk bootable.
    await disk.write(table, 0, 512, 0);
  }
  if (split) {
    await host.run([
      ...["mke2fs", ...plain, "-t", "ext3", "-U", bootUuid, "-E", `offset=${mib}`],
      ...["-d", join(folder, "boot"), image, "62M"],
    ]);
    await rm(join(folder, "boot"), { recursive: true });
    await mkdir(join(folder, "boot"));
  }
  await host.run([
    ...[
      "mke2fs",
      ...plain,
      "-t",
      "ext4",
      "-U",
      rootUuid,
      "-E",
      `offset=${at * mib}`,
      "-d",
      folder,
      image,
      "119M",
    ],
  ]);
}

function kernelFile(version: string, path: string): Promise<Buffer> {
  return readFile(`/lib/modules/${version}/${path}`);
}

/** These modules of this machine and what they need, each after what it needs; what is built in is left out. */
async function inOrder(version: string, names: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const name of names) {
    const { stdout } = await host.run(["modprobe", "-S", version, "--show-depends", name]);
    for (const [, path = ""] of stdout.matchAll(/^insmod \/(?:usr\/)?lib\/modules\/[^/]+\/(\S+)/gm))
      if (!found.includes(path)) found.push(path);
  }
  return found;
}

async function initramfs(version: string, flavour: Flavour): Promise<Buffer> {
  const modules = await inOrder(version, emulated);
  const lib = flavour === "el6" ? "lib" : "usr/lib";
  const hooks = flavour === "el6" ? "pre-udev" : "usr/lib/dracut/hooks/pre-udev";
  const dirs = ["bin", "dev", "proc", "sys", "sysroot", "lib", "usr", "usr/lib"];
  const files: CpioFile[] = [];
  const folders = new Set<string>(dirs.filter((dir) => flavour === "el6" || dir !== "lib"));
  const put = (path: string, data: Uint8Array, mode = 0o644) => {
    for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) folders.add(path.slice(0, at));
    files.push({ path, mode, data });
  };
  folders.add(hooks);
  for (let at = hooks.indexOf("/"); at > 0; at = hooks.indexOf("/", at + 1)) folders.add(hooks.slice(0, at));
  put("bin/busybox", await readFile(busybox), 0o755);
  put("init", Buffer.from(earlyScript(flavour, hooks)), 0o755);
  for (const path of modules) put(`${lib}/modules/${version}/${path}`, await kernelFile(version, path));
  const index = await indexOf(version, modules);
  for (const [name, data] of index) put(`${lib}/modules/${version}/${name}`, data);
  const all = [...[...folders].sort().map((path) => ({ path, mode: 0o755 })), ...files];
  return gzipSync(cpioArchive(all), { level: 1 });
}

async function indexOf(version: string, modules: readonly string[]): Promise<[string, Buffer][]> {
  const work = `/tmp/tbuild-test-index-${process.pid}-${Date.now()}`;
  const base = join(work, "lib/modules", version);
  try {
    for (const path of [...modules, "modules.builtin", "modules.order"]) {
      await mkdir(dirname(join(base, path)), { recursive: true });
      await writeFile(join(base, path), await kernelFile(version, path));
    }
    await host.run(["depmod", "-b", work, version]);
    const names = (await readdir(base)).filter((name) => name.startsWith("modules."));
    return await Promise.all(
      names.map(async (name): Promise<[string, Buffer]> => [name, await readFile(join(base, name))]),
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

// Release 6 loads what it is told to, release 7 what the devices ask for, as udev does.
function earlyScript(flavour: Flavour, hooks: string): string {
  const lib = flavour === "el6" ? "" : "/bin/busybox ln -s usr/lib /lib\n";
  const load =
    flavour === "el6"
      ? `for one in ${emulated.join(" ")}; do modprobe -q $one; done`
      : `for pass in 1 2 3; do find /sys -name modalias | while read file; do cat $file; done | sort -u | while read alias; do modprobe -q "$alias"; done; done`;
  return `#!/bin/busybox sh
${lib}/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for hook in /${hooks}/*.sh; do [ -e $hook ] && . $hook; done
${load} 2>/dev/null
for word in $(cat /proc/cmdline); do case $word in root=*) root=\${word#root=} ;; esac; done
tries=0
while :; do
  case $root in UUID=*|LABEL=*) device=$(findfs $root 2>/dev/null) ;; *) device=$root ;; esac
  [ -b "$device" ] && break
  tries=$((tries + 1))
  [ $tries -gt 50 ] && { echo "NO-ROOT $root"; poweroff -f; }
  usleep 100000
done
mount -o ro "$device" /sysroot || poweroff -f
for one in dev sys proc; do mount -o move /$one /sysroot/$one; done
exec switch_root /sysroot /sbin/init
`;
}

const initScript = `#!/bin/sh
export PATH=/bin:/sbin
/bin/busybox mkdir -p /run 2>/dev/null
/bin/busybox mount -t tmpfs run /run
echo "GUEST-RUNS on $(/bin/busybox awk '$2 == "/" { print $1 }' /proc/mounts | /bin/busybox tail -n 1) with $(/bin/busybox cat /proc/cmdline)"
/bin/busybox sleep 1
/bin/busybox poweroff -f
`;

export const disks = {
  ide: ["-drive", "if=ide,format=raw,cache=unsafe,file="],
  virtio: ["-drive", "if=virtio,format=raw,cache=unsafe,file="],
  "virtio-scsi": [
    "-device",
    "virtio-scsi-pci",
    "-device",
    "scsi-hd,drive=d",
    "-drive",
    "if=none,id=d,format=raw,cache=unsafe,file=",
  ],
} as const;

/** Starts the disk in qemu with SeaBIOS, in which nothing is written, and gives what the guest says on its serial line. */
export async function bootInQemu(image: string, disk: keyof typeof disks): Promise<string> {
  const words = disks[disk];
  const { stdout } = await host.run(
    [
      ...[
        "qemu-system-x86_64",
        "-machine",
        "pc",
        "-accel",
        "tcg",
        "-cpu",
        "qemu64",
        "-smp",
        "1",
        "-m",
        "384",
      ],
      ...["-display", "none", "-nodefaults", "-no-reboot", "-serial", "stdio", "-snapshot", "-nic", "none"],
      ...words.slice(0, -1),
      `${words.at(-1)}${image}`,
    ],
    { timeoutMs: 240_000, allow: [0, 1] },
  );
  return stdout;
}
