import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { type CpioFile, cpioArchive } from "../../src/guest/convert/cpio.ts";
import { localHost, streamHere } from "../../src/host/local.ts";
import { type Flavour, flavours } from "./flavours.ts";
import { kernelFile, modulesInOrder, withLibraries } from "./machine.ts";

const host = localHost();

export interface Early {
  readonly flavour: Flavour;
  /** This machine's kernel, and the guest's name for it. */
  readonly own: string;
  readonly version: string;
  /** The initramfs has only drivers for emulated disks. */
  readonly modules: readonly string[];
  /** LVM's files, if the root is a logical volume. */
  readonly lvm: Readonly<Record<string, string>> | undefined;
}

/** An initramfs that finds its root like the release's own: the same init, folders and way to load drivers. */
export async function earlySystem(early: Early): Promise<Buffer> {
  const { flavour, own, version, lvm } = early;
  const { major, packed } = flavours[flavour];
  const links = major >= 7;
  const files: CpioFile[] = [];
  const folders = new Set([
    "bin",
    "sbin",
    "dev",
    "proc",
    "sys",
    "sysroot",
    "usr/lib",
    ...(links ? [] : ["lib"]),
  ]);
  const put = (path: string, data: Uint8Array | string, mode = 0o644) => {
    files.push({ path, mode, data: Buffer.from(data) });
    folders.add(dirname(path));
  };
  const program = async (path: string, as = path) => {
    for (const [index, one] of (await withLibraries(path)).entries())
      put(
        index === 0 ? as : one.replace(/^\/(lib64\/|lib\/)/, links ? "usr/$1" : "$1"),
        await readFile(one),
        0o755,
      );
  };
  put("bin/busybox", await readFile("/usr/bin/busybox"), 0o755);
  if (lvm) {
    await program("/usr/sbin/lvm", "sbin/lvm");
    for (const [path, text] of Object.entries(lvm)) put(path, text);
  }
  const modules = await modulesInOrder(own, early.modules);
  if (major === 5) {
    put("bin/nash", nash, 0o755);
    const loads = modules.map((path) => {
      const name = path.replace(/^.*\//, "");
      return `echo "Loading ${name} module"\ninsmod /lib/${name}\n`;
    });
    for (const path of modules) put(`lib/${path.replace(/^.*\//, "")}`, await kernelFile(own, path), 0o600);
    const groups = "lvm vgscan --ignorelockingfailure\nlvm vgchange -ay --ignorelockingfailure vg0\n";
    put("init", nashInit(loads.join(""), lvm ? groups : ""), 0o755);
  } else {
    const hooks = major === 6 ? "pre-udev" : "usr/lib/dracut/hooks/pre-udev";
    folders.add(hooks);
    // busybox's modprobe does not unpack zstd, and its shell prefers that one.
    if (flavours[flavour].modules === ".zst") await program("/usr/bin/kmod", "sbin/modprobe");
    for (const [path, data] of await moduleTree(early, modules))
      put(`${links ? "usr/" : ""}lib/modules/${version}/${path}`, data);
    put("init", dracutInit(flavour, hooks, early.modules, lvm !== undefined), 0o755);
  }
  for (const path of [...folders])
    for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) folders.add(path.slice(0, at));
  const all = [
    ...[...folders].sort().map((path) => ({ path, mode: 0o755 })),
    ...(links ? ["lib", "lib64"].map((path) => ({ path, mode: 0o777, target: `usr/${path}` })) : []),
    ...files.filter(({ path }, index) => files.findLastIndex((one) => one.path === path) === index),
  ];
  const archive = cpioArchive(all);
  return packed === "gzip"
    ? gzipSync(archive, { level: 1 })
    : await piped(["zstd", "-1", "-q", "-c"], archive);
}

/** A module as the release packs it. */
export async function packedModule(flavour: Flavour, data: Buffer): Promise<Buffer> {
  const argv = {
    "": undefined,
    ".xz": ["xz", "-0", "--check=crc32", "-c"],
    ".zst": ["zstd", "-1", "-q", "-c"],
  };
  const how = argv[flavours[flavour].modules];
  return how ? piped(how, data) : data;
}

async function piped(argv: readonly string[], data: Buffer): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of streamHere(argv, data)) parts.push(part);
  return Buffer.concat(parts);
}

/** Modules below `/lib/modules/VERSION`, and depmod's index of them. */
export async function moduleTree(
  { flavour, own, version }: Pick<Early, "flavour" | "own" | "version">,
  modules: readonly string[],
): Promise<ReadonlyMap<string, Buffer>> {
  const end = flavours[flavour].modules;
  const work = await mkdtemp(join(tmpdir(), "tbuild-test-index-"));
  const base = join(work, "lib/modules", version);
  try {
    const found = new Map<string, Buffer>();
    for (const path of modules)
      found.set(`${path}${end}`, await packedModule(flavour, await kernelFile(own, path)));
    for (const path of ["modules.builtin", "modules.order"]) found.set(path, await kernelFile(own, path));
    for (const [path, data] of found) {
      await mkdir(dirname(join(base, path)), { recursive: true });
      await writeFile(join(base, path), data);
    }
    await host.run(["depmod", "-b", work, version]);
    for (const name of await readdir(base))
      if (name.startsWith("modules.")) found.set(name, await readFile(join(base, name)));
    return found;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

// Release 6 loads the drivers that it is told to; later releases load those that the devices ask for, as udev does.
function dracutInit(flavour: Flavour, hooks: string, modules: readonly string[], lvm: boolean): string {
  const load =
    flavours[flavour].major === 6
      ? `for one in ${modules.join(" ")}; do modprobe -q $one; done`
      : `for pass in 1 2 3; do find /sys -name modalias | while read file; do cat $file; done | sort -u | while read alias; do modprobe -q "$alias"; done; done\n${lvm ? "modprobe -q dm-mod" : ":"}`;
  return `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
${flavours[flavour].modules === ".zst" ? 'modprobe() { /sbin/modprobe "$@"; }' : ":"}
for hook in /${hooks}/*.sh; do [ -e $hook ] && . $hook; done
${load} 2>/dev/null
for word in $(cat /proc/cmdline); do case $word in root=*) root=\${word#root=} ;; esac; done
${findRoot("lvm")}
mount -o ro "$device" /sysroot || poweroff -f
for one in dev sys proc; do mount -o move /$one /sysroot/$one; done
exec switch_root /sysroot /sbin/init
`;
}

// dracut activates the volumes that the kernel line names, and only those.
function findRoot(how: "lvm" | "device"): string {
  const activate = `[ -e /sbin/lvm ] && for word in $(cat /proc/cmdline); do case $word in
    rd.lvm.lv=*|rd_LVM_LV=*) /sbin/lvm lvchange -ay --ignorelockingfailure \${word#*=} >/dev/null 2>&1 ;; esac; done`;
  return `tries=0
while :; do
  ${how === "lvm" ? activate : ":"}
  case $root in UUID=*|LABEL=*) device=$(findfs $root 2>/dev/null) ;; *) device=$root ;; esac
  [ -b "$device" ] && break
  tries=$((tries + 1))
  [ $tries -gt 30 ] && { echo "NO-ROOT $root"; poweroff -f; }
  usleep 200000
done`;
}

/** The script that mkinitrd of release 5 writes, line by line. */
function nashInit(loads: string, groups: string): string {
  return `#!/bin/nash

mount -t proc /proc /proc
setquiet
echo Mounting proc filesystem
mount -t sysfs /sys /sys
echo Creating /dev
makedev
${loads}stabilized /proc/bus/usb/devices
mkblkdevs
${groups}resume LABEL=SWAP-sda2
echo Creating root device.
mkrootdev -t ext3 -o defaults,ro sda1
echo Mounting root filesystem.
mount /sysroot
setuproot
switchroot
`;
}

// The commands of nash(8) as functions of busybox's shell. Like nash, it reads root= from the kernel line.
const nash = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/sbin:/bin
setquiet() { :; }
makedev() { /bin/mount -t devtmpfs dev /dev; }
stabilized() { sleep 1; }
mkblkdevs() { :; }
resume() { :; }
setuproot() { for one in dev sys proc; do /bin/mount -o move /$one /sysroot/$one; done; }
mkrootdev() {
  root=$6
  for word in $(cat /proc/cmdline); do case $word in root=*) root=\${word#root=} ;; esac; done
  ${findRoot("device").replaceAll("\n", "\n  ")}
}
mount() { if [ "$1" = /sysroot ]; then /bin/mount -o ro "$device" /sysroot || poweroff -f; else /bin/mount "$@"; fi; }
switchroot() { exec switch_root /sysroot /sbin/init; }
. "$1"
`;
