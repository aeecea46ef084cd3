import { open, rm } from "node:fs/promises";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Watch } from "../../host/long-work.ts";
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

// Offsets of a master boot record, and in an entry of its table.
const recordAt = { diskId: 440, table: 446, signature: 510 } as const;
const entryAt = { status: 0, firstChs: 1, type: 4, lastChs: 5, start: 8, sectors: 12 } as const;
const [active, linux, signature] = [0x80, 0x83, 0xaa55];
/** A CHS address that means: use the address in sectors. */
const beyondChs = 0xff;

/** A master boot record with one active partition of type 83. */
function tableFor(sectors: number): Buffer {
  const block = Buffer.alloc(sector);
  block.writeUInt32LE(0x7b111d00, recordAt.diskId);
  const entry = block.subarray(recordAt.table);
  entry[entryAt.status] = active;
  entry.fill(beyondChs, entryAt.firstChs, entryAt.firstChs + 3);
  entry[entryAt.type] = linux;
  entry.fill(beyondChs, entryAt.lastChs, entryAt.lastChs + 3);
  entry.writeUInt32LE(firstPartition / sector, entryAt.start);
  entry.writeUInt32LE(Math.min(sectors, 0xffffffff), entryAt.sectors);
  block.writeUInt16LE(signature, recordAt.signature);
  return block;
}
