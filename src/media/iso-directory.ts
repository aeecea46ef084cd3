import { TbuildError } from "../errors.ts";

export const sector = 2048;

/** A byte range of an image. */
export interface Extent {
  readonly offset: number;
  readonly bytes: number;
}

/** A name on an ISO 9660 image. */
export interface IsoEntry {
  readonly name: string;
  readonly kind: "file" | "folder" | "link";
  /** In file order. A file of 4 GiB or more has several. */
  readonly extents: readonly Extent[];
  readonly bytes: number;
  /** The target of a symbolic link, as stored. */
  readonly target?: string;
}

/** How to read the names of a directory. */
export interface Naming {
  readonly joliet: boolean;
  /** Bytes to skip before the Rock Ridge fields, from the root's "SP" field. */
  readonly skip: number;
}

/** Reads a range of the image; less at its end. */
export type ReadAt = (offset: number, bytes: number) => Promise<Buffer>;

/** Offsets in a directory record (ECMA-119, 9.1). Numbers of 32 bits are there twice; we read the little-endian ones. */
const recordAt = { attributeSectors: 1, sector: 2, bytes: 10, flags: 25, nameBytes: 32, name: 33 } as const;
/** ECMA-119, 9.1.6. */
const flag = { folder: 0x02, multiExtent: 0x80 } as const;
const leastRecord = recordAt.name + 1;

/** A field of the system use area (SUSP 1.12, section 4.1), and flags of Rock Ridge's fields (RRIP 1.12, 4.1.3 and 4.1.4). */
const fieldAt = { bytes: 2, data: 4 } as const;
const checkBytes = [0xbe, 0xef] as const;
const continuationAt = { sector: 0, offset: 8, bytes: 16, end: 24 } as const;
const nameFlag = { current: 2, parent: 4 } as const;
const partFlag = { current: 2, parent: 4, root: 8 } as const;

// No real record or folder needs more continuation areas. A crafted one may form a loop.
const mostContinuations = 32;
const mostInFolder = 20_000;

/** The entries of a directory, without "." and "..". An impossible record is an `integrity` fault. */
export async function entriesOf(data: Buffer, naming: Naming, read: ReadAt): Promise<IsoEntry[]> {
  const entries: IsoEntry[] = [];
  let reads = 0;
  const counted: ReadAt = (offset, bytes) => {
    if (++reads > mostInFolder) throw new TbuildError("integrity", "a folder is fragmented");
    return read(offset, bytes);
  };
  let unfinished: IsoEntry | undefined;
  for (const record of recordsOf(data).slice(2)) {
    const { multiple, moved, ...entry } = await entryOf(record, naming, counted);
    const whole: IsoEntry = unfinished
      ? {
          ...entry,
          extents: [...unfinished.extents, ...entry.extents],
          bytes: unfinished.bytes + entry.bytes,
        }
      : entry;
    unfinished = multiple ? whole : undefined;
    if (!multiple && !moved) entries.push(whole);
  }
  return entries;
}

/** The root's own record says whether there is Rock Ridge, and how many bytes precede it. */
export function rockRidgeOf(rootFolder: Buffer): { readonly skip: number } | undefined {
  const own = recordsOf(rootFolder)[0];
  if (!own) return undefined;
  for (const field of fieldsOf(systemUse(own, 0)))
    if (field.name === "SP" && checkBytes.every((byte, i) => field.data[i] === byte))
      return { skip: field.data[2] ?? 0 };
  return undefined;
}

/** The range that a directory record points at. Also for the root's record in a volume descriptor. */
export function extentOf(record: Buffer): Extent {
  // After an extended attribute record, which nothing has used for decades.
  const start = record.readUInt32LE(recordAt.sector) + (record[recordAt.attributeSectors] ?? 0);
  return { offset: start * sector, bytes: record.readUInt32LE(recordAt.bytes) };
}

function recordsOf(data: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < data.length; ) {
    const length = data[at] ?? 0;
    // Records do not cross sectors. A zero length means that the rest of the sector is empty.
    if (length === 0) {
      at = (Math.floor(at / sector) + 1) * sector;
      continue;
    }
    const record = data.subarray(at, at + length);
    const nameEnd = recordAt.name + (record[recordAt.nameBytes] ?? 0);
    if (length < leastRecord || record.length < length || nameEnd > length)
      throw new TbuildError("integrity", `a directory record is damaged at its byte ${at}`);
    records.push(record);
    at += length;
  }
  return records;
}

async function entryOf(record: Buffer, naming: Naming, read: ReadAt) {
  const flags = record[recordAt.flags] ?? 0;
  const extent = extentOf(record);
  const alternate = naming.joliet ? {} : await rockRidge(record, naming.skip, read);
  const isFolder = (flags & flag.folder) !== 0 || alternate.child !== undefined;
  return {
    name: alternate.name ?? plainName(record, naming),
    kind:
      alternate.target !== undefined ? ("link" as const) : isFolder ? ("folder" as const) : ("file" as const),
    extents: [alternate.child === undefined ? extent : await childFolder(alternate.child, read)],
    bytes: extent.bytes,
    ...(alternate.target !== undefined && { target: alternate.target }),
    multiple: (flags & flag.multiExtent) !== 0,
    moved: alternate.moved === true,
  };
}

function plainName(record: Buffer, { joliet }: Naming): string {
  const bytes = record.subarray(recordAt.name, recordAt.name + (record[recordAt.nameBytes] ?? 0));
  // UCS-2, big-endian.
  const text = joliet
    ? Buffer.from(bytes.subarray(0, bytes.length & ~1))
        .swap16()
        .toString("utf16le")
    : bytes.toString("latin1");
  return text.replace(/;\d+$/, "").replace(/\.$/, "");
}

interface RockRidge {
  name?: string;
  target?: string;
  /** The sector of a folder that was relocated because it would be too deep here. */
  child?: number;
  /** A relocated folder at its real place. */
  moved?: boolean;
}

async function rockRidge(record: Buffer, skip: number, read: ReadAt): Promise<RockRidge> {
  const found: RockRidge = {};
  let area: Buffer | undefined = systemUse(record, skip);
  for (let areas = 0; area; areas++) {
    if (areas > mostContinuations) throw new TbuildError("integrity", "a directory record forms a loop");
    let next: Promise<Buffer> | undefined;
    for (const { name, data } of fieldsOf(area)) {
      if (name === "NM" && ((data[0] ?? 0) & (nameFlag.current | nameFlag.parent)) === 0)
        found.name = (found.name ?? "") + data.toString("utf8", 1);
      if (name === "SL") found.target = (found.target ?? "") + linkParts(data, found.target);
      if (name === "CL" && data.length >= 8) found.child = data.readUInt32LE(0);
      if (name === "RE") found.moved = true;
      if (name === "CE" && data.length >= continuationAt.end)
        next = read(
          data.readUInt32LE(continuationAt.sector) * sector + data.readUInt32LE(continuationAt.offset),
          Math.min(data.readUInt32LE(continuationAt.bytes), 16 * sector),
        );
    }
    area = await next;
  }
  return found;
}

function systemUse(record: Buffer, skip: number): Buffer {
  const end = recordAt.name + (record[recordAt.nameBytes] ?? 0);
  // It starts at the next even byte after the name.
  return record.subarray(end + (end % 2) + skip);
}

function fieldsOf(area: Buffer): { name: string; data: Buffer }[] {
  const fields: { name: string; data: Buffer }[] = [];
  for (let at = 0; at + fieldAt.data <= area.length; ) {
    const length = area[at + fieldAt.bytes] ?? 0;
    if (length < fieldAt.data || at + length > area.length) break;
    const data = area.subarray(at + fieldAt.data, at + length);
    fields.push({ name: area.toString("latin1", at, at + fieldAt.bytes), data });
    at += length;
  }
  return fields;
}

// A link is stored as its parts, each with flags and a length.
function linkParts(data: Buffer, before: string | undefined): string {
  let text = "";
  for (let at = 1; at + 2 <= data.length; ) {
    const [flags = 0, length = 0] = [data[at], data[at + 1]];
    const glue = before === undefined && text === "" ? "" : "/";
    const name = data.toString("utf8", at + 2, at + 2 + length);
    if (flags & partFlag.root) text += "/";
    else text += glue + (flags & partFlag.current ? "." : flags & partFlag.parent ? ".." : name);
    at += 2 + length;
  }
  return text;
}

async function childFolder(location: number, read: ReadAt): Promise<Extent> {
  const own = await read(location * sector, leastRecord);
  if (own.length < leastRecord) throw new TbuildError("integrity", "a folder is outside the image");
  return extentOf(own);
}
