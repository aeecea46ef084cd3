import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Reader } from "../../io/reader.ts";

/** The type of the partition in which GRUB has its core on a GPT. */
export const biosBoot = "21686148-6449-6e6f-744e-656564454649";

const sector = 512;

/** A partition that a GPT can get: where, and the sectors of the table that change with it. */
export interface NewPartition {
  readonly number: number;
  readonly start: number;
  readonly sectors: number;
  readonly writes: readonly { readonly offset: number; readonly data: Buffer }[];
}

/**
 * Works out a BIOS boot partition of at least `sectors` in a gap of a GPT. `undefined` if there is no such gap or no free entry, or
 * if the two copies of the table are not whole and alike.
 */
export async function newBiosBoot(disk: Reader, sectors: number): Promise<NewPartition | undefined> {
  const first = await copyAt(disk, 1);
  if (!first) return undefined;
  const second = await copyAt(disk, Number(first.header.readBigUInt64LE(32)));
  if (!second?.entries.equals(first.entries)) return undefined;
  const { header, entries, entryBytes } = first;
  const used: { readonly from: number; readonly to: number }[] = [];
  let free: number | undefined;
  for (let at = 0; at + entryBytes <= entries.length; at += entryBytes)
    if (entries.subarray(at, at + 16).every((byte) => byte === 0)) free ??= at;
    else used.push({ from: lbaAt(entries, at + 32), to: lbaAt(entries, at + 40) });
  if (free === undefined) return undefined;
  let start = lbaAt(header, 40);
  const end = lbaAt(header, 48) + 1;
  let gap: { readonly start: number; readonly sectors: number } | undefined;
  for (const { from, to } of [...used.sort((one, other) => one.from - other.from), { from: end, to: end }]) {
    if (from - start >= sectors && gap === undefined) gap = { start, sectors: Math.min(from - start, most) };
    start = Math.max(start, to + 1);
  }
  if (!gap) return undefined;
  const changed = Buffer.from(entries);
  guidBytes(biosBoot).copy(changed, free);
  // The same disk gets the same id, so that a plan and what is done agree.
  createHash("sha256")
    .update(header.subarray(56, 72))
    .update("bios-boot")
    .digest()
    .copy(changed, free + 16, 0, 16);
  changed.writeBigUInt64LE(BigInt(gap.start), free + 32);
  changed.writeBigUInt64LE(BigInt(gap.start + gap.sectors - 1), free + 40);
  changed.write("BIOS boot partition", free + 56, "utf16le");
  const writes = [first, second].flatMap((copy) => [
    { offset: copy.tableAt * sector, data: changed },
    { offset: copy.at * sector, data: withSums(copy.header, changed) },
  ]);
  return { number: free / entryBytes + 1, ...gap, writes };
}

// 1 MiB, as installers make it.
const most = 2048;

interface Copy {
  readonly at: number;
  readonly tableAt: number;
  readonly header: Buffer;
  readonly entries: Buffer;
  readonly entryBytes: number;
}

// UEFI specification, 5.3.2.
async function copyAt(disk: Reader, at: number): Promise<Copy | undefined> {
  if (at < 1 || (at + 1) * sector > disk.bytes) return undefined;
  const header = Buffer.from(await disk.read(at * sector, sector));
  const headerBytes = header.readUInt32LE(12);
  if (header.toString("latin1", 0, 8) !== "EFI PART" || headerBytes < 92 || headerBytes > sector)
    return undefined;
  const tableAt = lbaAt(header, 72);
  const [count, entryBytes] = [header.readUInt32LE(80), header.readUInt32LE(84)];
  const bytes = count * entryBytes;
  if (entryBytes < 128 || bytes > 1 << 20 || tableAt * sector + bytes > disk.bytes) return undefined;
  const entries = Buffer.from(await disk.read(tableAt * sector, bytes));
  return withSums(header, entries).equals(header) ? { at, tableAt, header, entries, entryBytes } : undefined;
}

function withSums(header: Buffer, entries: Buffer): Buffer {
  const made = Buffer.from(header);
  made.writeUInt32LE(crc32(entries), 88);
  made.writeUInt32LE(0, 16);
  made.writeUInt32LE(crc32(made.subarray(0, made.readUInt32LE(12))), 16);
  return made;
}

function lbaAt(data: Buffer, at: number): number {
  return Number(data.readBigUInt64LE(at));
}

/** The first three fields of a GUID are little-endian. */
function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll("-", ""), "hex");
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
