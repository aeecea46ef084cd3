import type { Reader } from "../../io/reader.ts";
import { type GptCopy, gptCopy, gptPartitions } from "./gpt.ts";

export interface Partition {
  /** `p1`; logical partitions start at `p5`, as in Linux. */
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  readonly partUuid?: string;
  readonly partLabel?: string;
  /** The type: a lower-case UUID for GPT, two hex digits for MBR. */
  readonly partType?: string;
}

export interface PartitionTable {
  readonly table: "mbr" | "gpt" | "none";
  readonly partitions: readonly Partition[];
  /** The sector size in bytes. */
  readonly sectorBytes: number;
  /** The error in the table, and how it was read nevertheless. */
  readonly fault?: string;
  /** The location of the table itself, besides the area before the first partition; absent if unknown. */
  readonly own?: readonly Run[];
}

/** A byte range of a disk. */
export interface Run {
  readonly offset: number;
  readonly bytes: number;
}

/** The partitions of a disk with an MBR or GPT. */
export async function partitionTableOf(disk: Reader): Promise<PartitionTable> {
  const none: PartitionTable = { table: "none", partitions: [], sectorBytes: 512 };
  if (disk.bytes < 1024) return none;
  const first = await disk.read(0, 512);
  if (!hasSignature(first)) return none;
  const entries = mbrEntries(first);
  if (entries.some(({ type }) => type === protectiveType)) {
    const gpt = await gptOf(disk);
    // A hybrid GPT also lists some of its partitions in the MBR.
    const hybrid = entries
      .filter(({ type }) => type !== protectiveType)
      .map(({ start, count }) => ({ offset: start * gpt.sectorBytes, bytes: count * gpt.sectorBytes }));
    return { ...gpt, ...(gpt.own && { own: [...gpt.own, ...hybrid] }) };
  }
  // A file system's boot sector has the signature too, but no valid entries.
  if (entries.length === 0 || entries.some(({ start }) => start === 0 || start >= disk.bytes / 512))
    return none;
  return mbrOf(disk, entries, 512);
}

/**
 * The error of a disk with a GPT but no MBR before it: Linux then does not look for a GPT. `undefined` if
 * there is no GPT.
 */
export async function unprotectedGpt(disk: Reader): Promise<string | undefined> {
  const { partitions } = await gptOf(disk);
  return partitions.length > 0 ? "there is a GPT without a protective MBR; Linux ignores it" : undefined;
}

/**
 * The same MBR read with sectors of 4096 bytes. An MBR does not state its sector size.
 * `undefined` if that would exceed the disk.
 */
export async function mbrOfLargeSectors(disk: Reader): Promise<PartitionTable | undefined> {
  const entries = mbrEntries(await disk.read(0, 512));
  if (entries.some(({ start, count }) => (start + count) * 4096 > disk.bytes)) return undefined;
  return mbrOf(disk, entries, 4096);
}

async function mbrOf(
  disk: Reader,
  entries: ReturnType<typeof mbrEntries>,
  sectorBytes: number,
): Promise<PartitionTable> {
  const partitions: Partition[] = [];
  const own: Run[] = [];
  for (const { index, type, start, count } of entries)
    if (extendedTypes.includes(type)) {
      const { found, tables, isWhole } = await logicalPartitions(disk, start, sectorBytes);
      partitions.push(...found);
      // There may be more partitions after the place where the chain of tables breaks.
      const places = isWhole ? tables.map((table) => [table, 1] as const) : [[start, count] as const];
      own.push(...places.map(([at, size]) => ({ offset: at * sectorBytes, bytes: size * sectorBytes })));
    } else
      partitions.push({
        name: `p${index + 1}`,
        offset: start * sectorBytes,
        bytes: count * sectorBytes,
        partType: type.toString(16).padStart(2, "0"),
      });
  const id = Buffer.from(await disk.read(mbr.diskId, 4))
    .readUInt32LE(0)
    .toString(16)
    .padStart(8, "0");
  return {
    table: "mbr",
    sectorBytes,
    own,
    partitions: partitions.map((one) => ({ ...one, partUuid: `${id}-${numberOf(one)}` })),
  };
}

// As the kernel writes it: two hex digits.
function numberOf({ name }: Partition): string {
  return Number(name.slice(1)).toString(16).padStart(2, "0");
}

/** Offsets in a master boot record, and in each of its four entries of 16 bytes. */
const mbr = {
  diskId: 440,
  entries: 446,
  entryBytes: 16,
  type: 4,
  start: 8,
  count: 12,
  signature: 510,
} as const;
const extendedTypes = [0x05, 0x0f, 0x85];
/** The one entry beside a GPT. */
const protectiveType = 0xee;

function mbrEntries(block: Uint8Array) {
  const bytes = new DataView(block.buffer, block.byteOffset);
  return [0, 1, 2, 3]
    .map((index) => {
      const at = mbr.entries + index * mbr.entryBytes;
      return {
        index,
        type: bytes.getUint8(at + mbr.type),
        start: bytes.getUint32(at + mbr.start, true),
        count: bytes.getUint32(at + mbr.count, true),
      };
    })
    .filter(({ type, count }) => type !== 0 && count > 0);
}

// Each logical partition has its own table with two entries: itself, relative to that table, and the next table, relative to the first.
async function logicalPartitions(
  disk: Reader,
  first: number,
  sectorBytes: number,
): Promise<{
  readonly found: readonly Partition[];
  /** The sectors that contain the tables. */
  readonly tables: readonly number[];
  /** True if the last table is marked as the last. */
  readonly isWhole: boolean;
}> {
  const found: Partition[] = [];
  const seen = new Set<number>();
  for (let table = first; found.length < 60 && !seen.has(table) && seen.size < 256; ) {
    seen.add(table);
    if ((table + 1) * sectorBytes > disk.bytes) break;
    const block = await disk.read(table * sectorBytes, 512);
    if (!hasSignature(block)) break;
    const entries = mbrEntries(block);
    const own = entries.find(({ type }) => !extendedTypes.includes(type));
    const next = entries.find(({ type }) => extendedTypes.includes(type));
    if (own)
      found.push({
        name: `p${5 + found.length}`,
        offset: (table + own.start) * sectorBytes,
        bytes: own.count * sectorBytes,
        partType: own.type.toString(16).padStart(2, "0"),
      });
    if (!next) return { found, tables: [...seen], isWhole: true };
    table = first + next.start;
  }
  return { found, tables: [...seen], isWhole: false };
}

// The header is in the second sector and again in the last one (UEFI specification, 5.3). Only its
// position shows the sector size.
async function gptOf(disk: Reader): Promise<PartitionTable> {
  const sizes = [512, 4096];
  const headers: FoundGpt[] = [];
  for (const place of ["primary", "backup"] as const)
    for (const sectorBytes of sizes) {
      const at = place === "primary" ? sectorBytes : disk.bytes - sectorBytes;
      const copy = await gptCopy(disk, at, sectorBytes);
      if (!copy) continue;
      const header = { ...copy, sectorBytes };
      if (header.isWhole)
        return place === "primary"
          ? { ...gptTable(header, undefined), own: ownOfGpt(disk, header) }
          : gptTable(header, "its first header is damaged; the backup was read");
      headers.push(header);
    }
  const [first] = headers;
  // A few tools write no checksums. Their disks are read.
  if (first) return gptTable(first, "its checksums are wrong, and it has no valid backup");
  return {
    table: "gpt",
    partitions: [],
    sectorBytes: 512,
    fault: "it has no header at the start or at the end of the disk",
  };
}

interface FoundGpt extends GptCopy {
  readonly sectorBytes: number;
}

// The backup of the entries ends where the backup of the header starts. On an enlarged disk it is not at
// the end yet; the next program that writes the table moves it there.
function ownOfGpt(disk: Reader, { sectorBytes, other, entries }: FoundGpt): Run[] {
  const entrySectors = Math.max(Math.ceil(entries.length / sectorBytes), Math.ceil(16384 / sectorBytes));
  return [other, Math.floor(disk.bytes / sectorBytes) - 1].map((last) => ({
    offset: (last - entrySectors) * sectorBytes,
    bytes: (entrySectors + 1) * sectorBytes + (disk.bytes % sectorBytes),
  }));
}

function gptTable(gpt: FoundGpt, fault: string | undefined): PartitionTable {
  const { sectorBytes } = gpt;
  const partitions = gptPartitions(gpt)
    .filter(({ first, last }) => last >= first && Number.isSafeInteger((last + 1) * sectorBytes))
    .map(({ index, type, id, first, last, name }) => ({
      name: `p${index + 1}`,
      offset: first * sectorBytes,
      bytes: (last - first + 1) * sectorBytes,
      partType: type,
      partUuid: id,
      ...(name !== "" && { partLabel: name }),
    }));
  return { table: "gpt", partitions, sectorBytes, ...(fault !== undefined && { fault }) };
}

function hasSignature(block: Uint8Array): boolean {
  return block[mbr.signature] === 0x55 && block[mbr.signature + 1] === 0xaa;
}
