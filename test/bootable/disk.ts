import { mkdir, mkdtemp, open, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localHost } from "../../src/host/local.ts";
import { mbr } from "../image/disk-tables.ts";

/**
 * The layout of a guest's disk. `own /boot` has /boot in p1 and the root in p2; `GPT` is the same, without room for GRUB.
 * `UEFI` is a GPT with the EFI partition in p1, /boot in p2 and the root in p3.
 */
export type Shape = "one partition" | "own /boot" | "bare" | "LVM" | "GPT" | "UEFI";

export const uuids = {
  root: "5a1ec0de-0000-4000-8000-000000000001",
  boot: "5a1ec0de-0000-4000-8000-000000000002",
};

const host = localHost();
const mib = 1048576;
const rootMib = 160;
const bootMib = 80;
const efiMib = 16;
const plain = ["-q", "-F", "-O", "^64bit,^metadata_csum"];

/** Copies the folder's contents to a disk without a boot loader. */
export async function intoDisk(image: string, folder: string, shape: Shape): Promise<void> {
  await rm(image, { force: true });
  const ext4 = ["mke2fs", ...plain, "-t", "ext4", "-U", uuids.root];
  if (shape === "bare") {
    await host.run([...ext4, "-d", folder, image, `${rootMib}M`]);
    return;
  }
  const split = shape !== "one partition";
  const sizes = [...(shape === "UEFI" ? [efiMib] : []), ...(split ? [bootMib] : []), rootMib];
  const starts = sizes.map((_, index) => sizes.slice(0, index).reduce((sum, one) => sum + one, 1));
  const at = starts.at(-1) ?? 1;
  {
    await using disk = await open(image, "w");
    // The backup GPT comes after the last partition.
    await disk.truncate((at + rootMib + 1) * mib);
    // The disk has partitions only: no program made it bootable.
    const parts = starts.map((start, index) => ({
      type: shape === "LVM" && index === 1 ? 0x8e : 0x83,
      start: start * 2048,
      count: (sizes[index] ?? 0) * 2048,
    }));
    if (!hasGpt(shape)) await disk.write(mbr(parts), 0, 512, 0);
  }
  if (hasGpt(shape))
    await host.run([
      "sgdisk",
      ...starts.map((start, index) => `--new=${index + 1}:${start}M:+${sizes[index]}M`),
      ...(shape === "UEFI" ? ["--typecode=1:ef00"] : []),
      image,
    ]);
  if (shape === "UEFI") await efiPartition(image, join(folder, "boot/efi"), mib);
  if (split) {
    const offset = (at - bootMib) * mib;
    const boot = ["mke2fs", ...plain, "-t", bootFs(shape), "-U", uuids.boot, "-E", `offset=${offset}`];
    await host.run([...boot, "-d", join(folder, "boot"), image, `${bootMib}M`]);
    await rm(join(folder, "boot"), { recursive: true });
    await mkdir(join(folder, "boot"));
  }
  let offset = at * mib;
  let size = `${rootMib}M`;
  if (shape === "LVM") {
    await volumeGroup(image, offset);
    offset += mib;
    size = `${rootMib - 4}M`;
  }
  await host.run([...ext4, "-E", `offset=${offset}`, "-d", folder, image, size]);
}

/** Releases that boot by UEFI have a newer file system than ext3 for /boot. */
export const bootFs = (shape: Shape) => (shape === "UEFI" ? "ext4" : "ext3");
const hasGpt = (shape: Shape) => shape === "GPT" || shape === "UEFI";

/** Moves the folder's contents to a FAT file system. */
async function efiPartition(image: string, folder: string, offset: number): Promise<void> {
  const part = `${image}.efi`;
  await host.run(["mkfs.fat", "-C", "-i", "5A1EC0DE", part, String(efiMib * 1024)]);
  for (const name of await readdir(folder))
    await host.run(["mcopy", "-s", "-i", part, join(folder, name), "::/"]);
  await host.run([
    "dd",
    "status=none",
    "conv=notrunc",
    "bs=1M",
    `seek=${offset / mib}`,
    `if=${part}`,
    `of=${image}`,
  ]);
  await rm(part);
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true });
}

// LVM's own programs write the volume group; without device-mapper they activate nothing. The volume begins at 1 MiB.
async function volumeGroup(image: string, offset: number): Promise<void> {
  const own = await mkdtemp(join(tmpdir(), "tbuild-test-lvm-"));
  const sizes = ["--offset", String(offset), "--sizelimit", String(rootMib * mib)];
  const loop = (await host.run(["losetup", "--find", "--show", ...sizes, image])).stdout.trim();
  try {
    const only = `devices {\nuse_devicesfile=0\nfilter=["a|^${loop}$|","r|.*|"]\nobtain_device_list_from_udev=0\n}\n`;
    const nothing = `global {\nactivation=0\nlocking_dir="${own}"\n}\nbackup {\nbackup=0\narchive=0\n}\n`;
    await writeFile(join(own, "lvm.conf"), `${only}${nothing}`);
    const env = { LVM_SYSTEM_DIR: own, LVM_SUPPRESS_FD_WARNINGS: "1" };
    const extents = String(rootMib / 4 - 1);
    for (const argv of [
      ["pvcreate", "--yes", loop],
      ["vgcreate", "vg0", loop],
      ["lvcreate", "-an", "-Zn", "-Wn", "--name", "root", "--extents", extents, "vg0"],
    ])
      await host.run(argv, { env });
  } finally {
    await host.run(["losetup", "--detach", loop]);
    await rm(own, { recursive: true });
  }
}
