import { crc32 } from "node:zlib";
import type { Reader } from "../../io/reader.ts";

/** Offsets in the header (UEFI specification, 5.3.2). */
const headerAt = {
  signature: 0,
  size: 12,
  sum: 16,
  other: 32,
  firstUsable: 40,
  lastUsable: 48,
  diskId: 56,
  entries: 72,
  entryCount: 80,
  entryBytes: 84,
  entriesSum: 88,
} as const;
/** Offsets in the entry of a partition (UEFI specification, 5.3.3). */
const entryAt = { type: 0, id: 16, first: 32, last: 40, name: 56, end: 128 } as const;

const leastHeaderBytes = 92;
const readBytes = 512;
const mostEntriesBytes = 1 << 20;

/** One of the two copies of a GPT. All places in it are in sectors. */
export interface GptCopy {
  readonly header: Buffer;
  /** Both checksums are right. */
  readonly isWhole: boolean;
  /** The place of the other copy's header. */
  readonly other: number;
  readonly usable: { readonly first: number; readonly last: number };
  readonly diskId: Buffer;
  readonly entriesAt: number;
  readonly entries: Buffer;
  readonly entryBytes: number;
}

/** The copy with its header at byte `at`; `undefined` if there is none, or if it is not within the disk. */
export async function gptCopy(disk: Reader, at: number, sectorBytes: number): Promise<GptCopy | undefined> {
  if (at < 0 || at + readBytes > disk.bytes) return undefined;
  const header = Buffer.from(await disk.read(at, readBytes));
  if (header.toString("latin1", headerAt.signature, headerAt.signature + 8) !== "EFI PART") return undefined;
  const entriesAt = sectorAt(header, headerAt.entries);
  const entryBytes = header.readUInt32LE(headerAt.entryBytes);
  const bytes = header.readUInt32LE(headerAt.entryCount) * entryBytes;
  if (entryBytes < entryAt.end || bytes > mostEntriesBytes || entriesAt * sectorBytes + bytes > disk.bytes)
    return undefined;
  const entries = Buffer.from(await disk.read(entriesAt * sectorBytes, bytes));
  const headerBytes = header.readUInt32LE(headerAt.size);
  const hasSaneSize = headerBytes >= leastHeaderBytes && headerBytes <= readBytes;
  return {
    header,
    entriesAt,
    entries,
    entryBytes,
    isWhole: hasSaneSize && withSums(header, entries).equals(header),
    other: sectorAt(header, headerAt.other),
    usable: { first: sectorAt(header, headerAt.firstUsable), last: sectorAt(header, headerAt.lastUsable) },
    diskId: header.subarray(headerAt.diskId, headerAt.diskId + 16),
  };
}

/** A header with the right checksums for these entries. */
export function withSums(header: Buffer, entries: Buffer): Buffer {
  const made = Buffer.from(header);
  made.writeUInt32LE(crc32(entries), headerAt.entriesSum);
  made.writeUInt32LE(0, headerAt.sum);
  made.writeUInt32LE(crc32(made.subarray(0, made.readUInt32LE(headerAt.size))), headerAt.sum);
  return made;
}

export interface GptPartition {
  /** From 0. */
  readonly index: number;
  readonly type: string;
  readonly id: string;
  readonly first: number;
  readonly last: number;
  readonly name: string;
}

/** The partitions of a table; empty entries are left out. */
export function gptPartitions({
  entries,
  entryBytes,
}: Pick<GptCopy, "entries" | "entryBytes">): GptPartition[] {
  return Array.from({ length: Math.floor(entries.length / entryBytes) }, (_, index) => ({
    index,
    entry: entries.subarray(index * entryBytes, (index + 1) * entryBytes),
  }))
    .filter(({ entry }) => entry.subarray(entryAt.type, entryAt.type + 16).some((byte) => byte !== 0))
    .map(({ index, entry }) => ({
      index,
      type: guidAt(entry, entryAt.type),
      id: guidAt(entry, entryAt.id),
      first: sectorAt(entry, entryAt.first),
      last: sectorAt(entry, entryAt.last),
      name: entry.toString("utf16le", entryAt.name, entryAt.end).replace(/\0.*$/s, ""),
    }));
}

/** The entries with an additional partition in a free entry. `id` has 16 bytes. */
export function withPartition(
  { entries, entryBytes }: Pick<GptCopy, "entries" | "entryBytes">,
  { index, type, id, first, last, name }: Omit<GptPartition, "id"> & { readonly id: Buffer },
): Buffer {
  const changed = Buffer.from(entries);
  const entry = changed.subarray(index * entryBytes, (index + 1) * entryBytes);
  guidBytes(type).copy(entry, entryAt.type);
  id.copy(entry, entryAt.id, 0, 16);
  entry.writeBigUInt64LE(BigInt(first), entryAt.first);
  entry.writeBigUInt64LE(BigInt(last), entryAt.last);
  entry.write(name, entryAt.name, "utf16le");
  return changed;
}

function sectorAt(data: Buffer, at: number): number {
  return Number(data.readBigUInt64LE(at));
}

function guidAt(entry: Buffer, at: number): string {
  const hex = swapped(entry.subarray(at, at + 16)).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

function guidBytes(text: string): Buffer {
  return swapped(Buffer.from(text.replaceAll("-", ""), "hex"));
}

// The first three fields of a GUID are little-endian (UEFI specification, appendix A).
function swapped(data: Buffer): Buffer {
  const bytes = Buffer.from(data);
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
