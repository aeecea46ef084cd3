import { rm, stat } from "node:fs/promises";
import { checkInterrupted, TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { Volume } from "./access.ts";
import { freeRuns, tellsFreeBlocks } from "./change/free-space.ts";
import { takeImage } from "./change/planned-change.ts";
import { settle, undoRecords } from "./change/undo.ts";
import { insideOf } from "./disk/disk.ts";
import { Unfit } from "./ext/faults.ts";
import { type DataRange, joined, storedRanges } from "./file/holes.ts";
import { type ImageFile, readImageFile } from "./file/image-file.ts";
import { imageFacts, refuseChange } from "./open.ts";

/** Free space of an image that its file still stores. The image is locked until this is closed. */
export interface PlannedDiscard extends AsyncDisposable {
  /** By volume, in bytes. */
  readonly found: readonly { readonly volume: string; readonly bytes: number }[];
  /** Volumes whose free space is unknown, or must be kept. */
  readonly left: readonly { readonly volume: string; readonly why: string }[];
  /** The file's current size on its own disk. */
  readonly stored: number;
  readonly undoRecords: number;
  /** Discards it, and returns the file's new size on disk. */
  apply(signal: AbortSignal): Promise<number>;
}

/**
 * Finds the free blocks of the file systems in an image that take space in its file: `apply` turns them into
 * holes, or into free clusters of a qcow2 file. Used blocks do not change. It cannot be undone: a record
 * would take the space that is freed.
 */
export async function planDiscard(
  host: Host,
  file: string,
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<PlannedDiscard> {
  const { image, lock, users } = await takeImage(file);
  const close = () => lock.release();
  try {
    const settled = await settle(image);
    if (settled !== undefined) note(`${file}: ${settled}`);
    const facts = await imageFacts(image, users);
    await refuseChange(facts);
    if (facts.arrays.length > 0)
      throw new TbuildError("environment", "contains a mirror, whose members would differ", {
        subject: file,
        hint: "Discard inside the guest: fstrim --all",
      });
    await using disk = await readImageFile(image);
    const stored = await storedRanges(host, image, disk.format);
    const granule = await granuleOf(host, disk);
    const found: { volume: string; bytes: number }[] = [];
    const left: { volume: string; why: string }[] = [];
    const ranges: DataRange[] = [];
    for (const volume of facts.volumes) {
      checkInterrupted(signal);
      const why = whyNot(volume);
      if (why !== undefined) {
        if (volume.fs !== "swap") left.push({ volume: volume.name, why });
        continue;
      }
      const free: DataRange[] = [];
      try {
        for await (const { offset, bytes } of freeRuns(insideOf(disk, volume), volume))
          free.push(...onDisk(volume, offset, bytes));
      } catch (error) {
        if (!(error instanceof Unfit)) throw error;
        left.push({ volume: volume.name, why: error.what });
        continue;
      }
      const own = aligned(common(joined(free), stored), granule);
      found.push({ volume: volume.name, bytes: own.reduce((sum, { length }) => sum + length, 0) });
      ranges.push(...own);
    }
    const before = await stat(image);
    const records = await undoRecords(image);
    return {
      found,
      left,
      stored: before.blocks * 512,
      undoRecords: records.length,
      async apply(raised) {
        const now = await stat(image);
        if (now.mtimeMs !== before.mtimeMs || now.size !== before.size)
          throw new TbuildError("environment", "was changed by another program in the meantime", {
            subject: file,
            hint: "Nothing was discarded. Find out who uses the image, and run the command again.",
          });
        // They would restore files whose blocks are gone.
        for (const record of records) await rm(record.file);
        await discard(host, disk, ranges, raised);
        return (await stat(image)).blocks * 512;
      },
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
}

function whyNot(volume: Volume): string | undefined {
  if (volume.refused !== undefined) return volume.refused;
  if (!tellsFreeBlocks(volume))
    return `has a file system that tbuild cannot read (${volume.holds ?? volume.fs})`;
  return volume.isDirty ? "was not cleanly unmounted: its journal must be replayed" : undefined;
}

// A qcow2 file frees whole clusters. Other files free blocks of the host's file system.
async function granuleOf(host: Host, { file, format }: ImageFile): Promise<number> {
  if (format !== "qcow2") return 4096;
  const { stdout } = await host.run(["qemu-img", "info", "-U", "--output=json", file]);
  return (JSON.parse(stdout) as { "cluster-size": number })["cluster-size"];
}

/** A range of a volume, as ranges of the disk. */
function onDisk(volume: Volume, offset: number, bytes: number): DataRange[] {
  const found: DataRange[] = [];
  let start = 0;
  for (const piece of volume.pieces ?? [volume]) {
    const [from, to] = [Math.max(offset, start), Math.min(offset + bytes, start + piece.bytes)];
    if (from < to) found.push({ start: piece.offset + from - start, length: to - from });
    start += piece.bytes;
  }
  return found;
}

/** The intersection of both. Each is sorted. */
function common(ones: readonly DataRange[], others: readonly DataRange[]): DataRange[] {
  const found: DataRange[] = [];
  let [i, j] = [0, 0];
  for (;;) {
    const [one, other] = [ones[i], others[j]];
    if (!one || !other) return found;
    const [oneEnd, otherEnd] = [one.start + one.length, other.start + other.length];
    const [from, to] = [Math.max(one.start, other.start), Math.min(oneEnd, otherEnd)];
    if (from < to) found.push({ start: from, length: to - from });
    if (oneEnd < otherEnd) i++;
    else j++;
  }
}

function aligned(ranges: readonly DataRange[], granule: number): DataRange[] {
  return ranges.flatMap(({ start, length }) => {
    const from = Math.ceil(start / granule) * granule;
    const to = Math.floor((start + length) / granule) * granule;
    return from < to ? [{ start: from, length: to - from }] : [];
  });
}

async function discard(
  host: Host,
  { file, format }: ImageFile,
  ranges: readonly DataRange[],
  signal: AbortSignal,
): Promise<void> {
  const commands = ranges.flatMap(({ start, length }) => {
    const parts: string[] = [];
    for (let at = 0; at < length; at += mostBytes)
      parts.push(`discard ${start + at} ${Math.min(mostBytes, length - at)}`);
    return parts;
  });
  for (let at = 0; at < commands.length; at += atOnce) {
    checkInterrupted(signal);
    const some = commands.slice(at, at + atOnce).flatMap((command) => ["-c", command]);
    await host.run(["qemu-io", "-d", "unmap", "-f", format, ...some, file]);
  }
}

// The limit of one qemu-io command, and a suitable length of a command line.
const mostBytes = 1 << 30;
const atOnce = 1000;
