import type { Reader } from "../../io/reader.ts";

export interface Partition {
  /** `p1`; logical partitions start at `p5`, as Linux counts them. */
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  readonly partUuid?: string;
  readonly partLabel?: string;
  /** GPT's type, a UUID in lower case; MBR's, two hex digits. */
  readonly partType?: string;
}

export interface PartitionTable {
  readonly table: "mbr" | "gpt" | "none";
  readonly partitions: readonly Partition[];
}

/** The partitions of a disk with an MBR or GPT table. */
export async function partitionTableOf(disk: Reader): Promise<PartitionTable> {
  const none: PartitionTable = { table: "none", partitions: [] };
  if (disk.bytes < 1024) return none;
  const mbr = await disk.read(0, sector);
  if (!hasSignature(mbr)) return none;
  const entries = mbrEntries(mbr);
  if (entries.some(({ type }) => type === 0xee))
    return { table: "gpt", partitions: await gptPartitions(disk) };
  // A boot sector of a file system has the signature too, but no sensible entries.
  if (entries.length === 0 || entries.some(({ start }) => start === 0 || start >= disk.bytes / sector))
    return none;
  const id = new DataView(mbr.buffer, mbr.byteOffset).getUint32(440, true).toString(16).padStart(8, "0");
  const partitions = await mbrPartitions(disk, entries);
  return {
    table: "mbr",
    partitions: partitions.map((one) => ({ ...one, partUuid: `${id}-${numberOf(one)}` })),
  };
}

async function mbrPartitions(disk: Reader, entries: ReturnType<typeof mbrEntries>): Promise<Partition[]> {
  const found: Partition[] = [];
  for (const { index, type, start, count } of entries)
    if (extendedTypes.includes(type)) found.push(...(await logicalPartitions(disk, start)));
    else
      found.push({
        ...{ name: `p${index + 1}`, offset: start * sector, bytes: count * sector },
        partType: type.toString(16).padStart(2, "0"),
      });
  return found;
}

// As the kernel writes it: two hex digits.
function numberOf({ name }: Partition): string {
  return Number(name.slice(1)).toString(16).padStart(2, "0");
}

const sector = 512;
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
async function logicalPartitions(disk: Reader, first: number): Promise<Partition[]> {
  const found: Partition[] = [];
  for (let table = first; found.length < 60; ) {
    const block = await disk.read(table * sector, sector);
    if (!hasSignature(block)) break;
    const entries = mbrEntries(block);
    const own = entries.find(({ type }) => !extendedTypes.includes(type));
    const next = entries.find(({ type }) => extendedTypes.includes(type));
    if (own)
      found.push({
        name: `p${5 + found.length}`,
        offset: (table + own.start) * sector,
        bytes: own.count * sector,
        partType: own.type.toString(16).padStart(2, "0"),
      });
    if (!next) break;
    table = first + next.start;
  }
  return found;
}

async function gptPartitions(disk: Reader): Promise<Partition[]> {
  const header = await disk.read(sector, sector);
  if (Buffer.from(header.subarray(0, 8)).toString("latin1") !== "EFI PART") return [];
  const head = new DataView(header.buffer, header.byteOffset);
  const table = Number(head.getBigUint64(72, true)) * sector;
  const [count, size] = [Math.min(head.getUint32(80, true), 256), head.getUint32(84, true)];
  const found: Partition[] = [];
  for (let index = 0; index < count; index++) {
    const entry = await disk.read(table + index * size, 128);
    if (entry.subarray(0, 16).every((byte) => byte === 0)) continue;
    const bytes = new DataView(entry.buffer, entry.byteOffset);
    const first = Number(bytes.getBigUint64(32, true));
    const last = Number(bytes.getBigUint64(40, true));
    const label = Buffer.from(entry.subarray(56, 128)).toString("utf16le").replace(/\0.*$/s, "");
    found.push({
      ...{ name: `p${index + 1}`, offset: first * sector, bytes: (last - first + 1) * sector },
      ...{ partType: guid(entry, 0), partUuid: guid(entry, 16) },
      ...(label !== "" && { partLabel: label }),
    });
  }
  return found;
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
