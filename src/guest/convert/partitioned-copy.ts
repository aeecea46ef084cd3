import { open, rm } from "node:fs/promises";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Watch } from "../../host/pace.ts";
import { isZero } from "../../image/change/draft.ts";
import { layoutOf } from "../../image/disk/disk.ts";
import { rangesOf } from "../../image/file/holes.ts";
import { readImageFile } from "../../image/file/image-file.ts";
import { writeAll } from "../../io/durable.ts";
import { fileFault } from "../../io/file-fault.ts";

/** Whether a disk is one file system without a partition table: paravirtual guests have such disks, and no firmware boots one. */
export async function isBare(file: string): Promise<boolean> {
  await using disk = await readImageFile(file);
  const { table, volumes } = await layoutOf(disk);
  return table === "none" && volumes.some(({ fs }) => /^(?:ext\d|xfs|btrfs)$/.test(fs));
}

/**
 * Copies a disk into a new raw image, with holes where it has zeros. A bare file system becomes the first partition, at 1 MiB, of
 * a disk with an MBR. Nothing is left of a copy that fails or is interrupted.
 */
export async function copyDisk(
  host: Host,
  from: string,
  to: string,
  { signal, progress }: Watch = {},
): Promise<void> {
  const start = (await isBare(from)) ? firstPartition : 0;
  await using source = await readImageFile(from);
  const target = await open(to, "wx").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "EEXIST") throw fileFault(cause, to);
    throw new TbuildError("usage", "exists already", { subject: to, hint: "Name a new file: --out.", cause });
  });
  try {
    await target.truncate(start + filledUp(source.bytes));
    let done = 0;
    for (const range of await rangesOf(host, source))
      for (let at = range.start; at < range.start + range.length; at += chunk) {
        checkInterrupted(signal);
        const data = await source.read(
          at,
          Math.min(chunk, range.start + range.length - at, source.bytes - at),
        );
        if (!isZero(data)) await writeAll(target, data, start + at);
        done += data.length;
        progress?.("copying the disk", done, source.bytes);
      }
    if (start > 0) await writeAll(target, tableFor(filledUp(source.bytes) / sector), 0);
    await target.sync();
  } catch (error) {
    await rm(to, { force: true });
    throw fileFault(error, to);
  } finally {
    await target.close();
  }
}

const sector = 512;
const chunk = 1 << 20;
const firstPartition = 1 << 20;

function filledUp(bytes: number): number {
  return Math.ceil(bytes / sector) * sector;
}

// One partition of type 83, marked as the one to boot.
function tableFor(sectors: number): Buffer {
  const block = Buffer.alloc(sector);
  block.writeUInt32LE(0x7b111d00, 440);
  block[446] = 0x80;
  block.fill(0xff, 447, 450);
  block[450] = 0x83;
  block.fill(0xff, 451, 454);
  block.writeUInt32LE(firstPartition / sector, 454);
  block.writeUInt32LE(Math.min(sectors, 0xffffffff), 458);
  block.writeUInt16LE(0xaa55, 510);
  return block;
}
