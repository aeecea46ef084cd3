import { crc32 } from "node:zlib";
import type { Reader } from "../../io/reader.ts";

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
  /** What is wrong with the table, and how it was read nevertheless. */
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
  const mbr = await disk.read(0, 512);
  if (!hasSignature(mbr)) return none;
  const entries = mbrEntries(mbr);
  if (entries.some(({ type }) => type === 0xee)) {
    const gpt = await gptOf(disk);
    // A hybrid GPT also lists some of its partitions in the MBR.
    const hybrid = entries
      .filter(({ type }) => type !== 0xee)
      .map(({ start, count }) => ({ offset: start * 512, bytes: count * 512 }));
    return { ...gpt, ...(gpt.own && { own: [...gpt.own, ...hybrid] }) };
  }
  // A file system's boot sector has the signature too, but no valid entries.
  if (entries.length === 0 || entries.some(({ start }) => start === 0 || start >= disk.bytes / 512))
    return none;
  return mbrOf(disk, entries, 512);
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
        ...{ name: `p${index + 1}`, offset: start * sectorBytes, bytes: count * sectorBytes },
        partType: type.toString(16).padStart(2, "0"),
      });
  const id = Buffer.from(await disk.read(440, 4))
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

const extendedTypes = [0x05, 0x0f, 0x85];

function mbrEntries(block: Uint8Array) {
  const bytes = new DataView(block.buffer, block.byteOffset);
  return [0, 1, 2, 3]
    .map((index) => {
      const at = 446 + index * 16;
      return {
        index,
        type: bytes.getUint8(at + 4),
        start: bytes.getUint32(at + 8, true),
        count: bytes.getUint32(at + 12, true),
      };
    })
    .filter(({ type, count }) => type !== 0 && count > 0);
}

// Each logical partition has a table of its own: it, counted from that table, and the next, counted from the first.
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

// The header stands in the second sector and again in the last one (UEFI specification, 5.3), and only its place
// tells how long a sector is.
async function gptOf(disk: Reader): Promise<PartitionTable> {
  const sizes = [512, 4096];
  const headers: GptHeader[] = [];
  for (const place of ["primary", "backup"] as const)
    for (const sectorBytes of sizes) {
      const at = place === "primary" ? sectorBytes : disk.bytes - sectorBytes;
      const header = await gptHeader(disk, at, sectorBytes);
      if (!header) continue;
      if (header.isWhole)
        return place === "primary"
          ? { ...gptTable(header, undefined), own: ownOfGpt(disk, header) }
          : gptTable(header, "its first header is damaged; read by the backup");
      headers.push(header);
    }
  const [first] = headers;
  // A few tools write no checksums. Their disks are read.
  if (first) return gptTable(first, "its checksums are wrong, and no backup of it is whole");
  return { table: "gpt", partitions: [], sectorBytes: 512, fault: "no header of it is left" };
}

interface GptHeader {
  readonly sectorBytes: number;
  readonly isWhole: boolean;
  /** The sector of the other header. */
  readonly other: number;
  readonly entries: Buffer;
  readonly entryBytes: number;
}

async function gptHeader(disk: Reader, at: number, sectorBytes: number): Promise<GptHeader | undefined> {
  if (at < 0 || at + 512 > disk.bytes) return undefined;
  const header = Buffer.from(await disk.read(at, 512));
  if (header.toString("latin1", 0, 8) !== "EFI PART") return undefined;
  const headerBytes = header.readUInt32LE(12);
  const table = Number(header.readBigUInt64LE(72)) * sectorBytes;
  const [count, entryBytes] = [header.readUInt32LE(80), header.readUInt32LE(84)];
  const bytes = count * entryBytes;
  if (entryBytes < 128 || bytes > 1 << 20 || table + bytes > disk.bytes) return undefined;
  const entries = Buffer.from(await disk.read(table, bytes));
  const clean = Buffer.from(header);
  clean.writeUInt32LE(0, 16);
  const isWhole =
    headerBytes >= 92 &&
    headerBytes <= 512 &&
    header.readUInt32LE(16) === crc32(clean.subarray(0, headerBytes)) &&
    header.readUInt32LE(88) === crc32(entries);
  const other = Number(header.readBigUInt64LE(32));
  return { sectorBytes, isWhole, other, entries, entryBytes };
}

// The backup of the entries ends where the backup of the header starts. On a disk that was made larger, it does not stand
// at the end, where the next program that writes the table puts it.
function ownOfGpt(disk: Reader, { sectorBytes, other, entries }: GptHeader): Run[] {
  const entrySectors = Math.max(Math.ceil(entries.length / sectorBytes), Math.ceil(16384 / sectorBytes));
  return [other, Math.floor(disk.bytes / sectorBytes) - 1].map((last) => ({
    offset: (last - entrySectors) * sectorBytes,
    bytes: (entrySectors + 1) * sectorBytes + (disk.bytes % sectorBytes),
  }));
}

function gptTable(
  { entries, entryBytes, sectorBytes }: GptHeader,
  fault: string | undefined,
): PartitionTable {
  const partitions: Partition[] = [];
  for (let index = 0; (index + 1) * entryBytes <= entries.length; index++) {
    const entry = entries.subarray(index * entryBytes, (index + 1) * entryBytes);
    if (entry.subarray(0, 16).every((byte) => byte === 0)) continue;
    const [first, last] = [Number(entry.readBigUInt64LE(32)), Number(entry.readBigUInt64LE(40))];
    if (last < first || !Number.isSafeInteger((last + 1) * sectorBytes)) continue;
    const label = entry.toString("utf16le", 56, 128).replace(/\0.*$/s, "");
    partitions.push({
      ...{ name: `p${index + 1}`, offset: first * sectorBytes, bytes: (last - first + 1) * sectorBytes },
      ...{ partType: guid(entry, 0), partUuid: guid(entry, 16) },
      ...(label !== "" && { partLabel: label }),
    });
  }
  return { table: "gpt", partitions, sectorBytes, ...(fault !== undefined && { fault }) };
}

function hasSignature(block: Uint8Array): boolean {
  return block[510] === 0x55 && block[511] === 0xaa;
}

// The first three fields are little-endian (UEFI specification, appendix A).
function guid(entry: Uint8Array, at: number): string {
  const bytes = Buffer.from(entry.subarray(at, at + 16));
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
