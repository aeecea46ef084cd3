import { open, rename } from "node:fs/promises";
import { dirname, isAbsolute, relative } from "node:path";
import { z } from "zod";
import type { Runner } from "../../host/host.ts";
import { imageFormat, type VirtualDisk } from "../hypervisor.ts";

/** A machine's disk as qemu opens it. `isOwn`: it is removed with the machine. */
export const QemuDisk = z.object({
  slot: z.number(),
  mode: z.enum(["write", "read-only", "shared"]),
  file: z.string(),
  format: z.enum(["raw", "qcow2"]),
  isOwn: z.boolean(),
});
export type QemuDisk = z.infer<typeof QemuDisk>;

/** Makes a disk as `stem` with the suffix of its format. */
export async function makeDisk(
  host: Runner,
  { slot, mode, content }: VirtualDisk,
  stem: string,
): Promise<QemuDisk> {
  if ("existing" in content) return { slot, mode, file: content.existing, format: "raw", isOwn: false };
  if (mode === "shared")
    throw new Error(`disk ${slot}: only a disk that exists apart from the machine can be shared`);
  const own = { slot, mode, isOwn: true };
  if ("grownFrom" in content) {
    const file = `${stem}.qcow2`;
    const base = content.grownFrom;
    await host.run([
      ...["qemu-img", "create", "-q", "-f", "qcow2"],
      ...["-b", base, "-F", imageFormat(base), file],
    ]);
    return { ...own, file, format: "qcow2" };
  }
  const file = `${stem}.img`;
  if ("copyOf" in content) await copyAsRaw(host, content.copyOf, file);
  else {
    const handle = await open(file, "wx");
    await handle.truncate(content.blank);
    await handle.close();
  }
  return { ...own, file, format: "raw" };
}

/** A copy of a disk. A disk that does not belong to the machine is shared instead. */
export async function cloneDisk(host: Runner, disk: QemuDisk, stem: string): Promise<QemuDisk> {
  if (!disk.isOwn) return disk;
  const file = `${stem}.${disk.format === "raw" ? "img" : "qcow2"}`;
  await copyDisk(host, disk.file, file);
  return { ...disk, file };
}

export async function giveDisk(host: Runner, { file, format, isOwn }: QemuDisk, to: string): Promise<void> {
  if (!isOwn) return copyDisk(host, file, to);
  // The machine is removed next, so its disk is moved to save space.
  await rename(file, to).catch(() => copyDisk(host, file, to));
  if (format === "qcow2") await keepNear(host, to);
}

// A qcow2 file, perhaps with a backing file, has the guest's bytes in another order.
async function copyAsRaw(host: Runner, from: string, to: string): Promise<void> {
  if (imageFormat(from) === "raw") return copyDisk(host, from, to);
  await host.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", from, to]);
}

async function copyDisk(host: Runner, from: string, to: string): Promise<void> {
  await host.run(["cp", "--sparse=always", "--reflink=auto", from, to]);
}

// The backing file is named relative to the disk, so that the two can be moved or copied together.
async function keepNear(host: Runner, file: string): Promise<void> {
  const { stdout } = await host.run(["qemu-img", "info", "-f", "qcow2", "--output=json", file]);
  const info = Qcow2Info.parse(JSON.parse(stdout));
  const { "backing-filename": backing, "backing-filename-format": format } = info;
  if (backing === undefined || format === undefined || !isAbsolute(backing)) return;
  const near = relative(dirname(file), backing);
  await host.run(["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", near, "-F", format, file]);
}

const Qcow2Info = z.object({
  "backing-filename": z.string().optional(),
  "backing-filename-format": z.string().optional(),
});
