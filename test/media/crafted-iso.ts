/** A directory record with any values: nothing here is checked. */
export interface CraftedRecord {
  readonly name: string | Uint8Array;
  /** A block of 2048 bytes. */
  readonly block: number;
  readonly bytes: number;
  readonly folder?: boolean;
  /** More of the file follows in the next record. */
  readonly more?: boolean;
  /** Rock Ridge fields. */
  readonly fields?: readonly Uint8Array[];
  /** The record's own length, if it is false. */
  readonly length?: number;
}

export interface CraftedIso {
  readonly volumeId?: string;
  /** Blocks that the volume claims to have. */
  readonly claims?: number;
  /** Content by block. */
  readonly blocks: Readonly<Record<number, Uint8Array>>;
  readonly root: { readonly block: number; readonly bytes: number };
}

const block = 2048;

/** The bytes of an image with one volume descriptor and these blocks. */
export function craftedIso({ volumeId = "CRAFTED", claims, blocks, root }: CraftedIso): Buffer {
  const last = Math.max(18, ...Object.keys(blocks).map(Number));
  const content = Object.entries(blocks).map(([, data]) => Math.ceil(data.length / block));
  const image = Buffer.alloc((last + Math.max(1, ...content)) * block);
  const descriptor = Buffer.alloc(block);
  descriptor.write("\x01CD001\x01", 0, "latin1");
  descriptor.fill(" ", 40, 72).write(volumeId, 40, "latin1");
  descriptor.writeUInt32LE(claims ?? image.length / block, 80);
  descriptor.writeUInt16LE(block, 128);
  recordBytes({ name: "\0", folder: true, ...root }).copy(descriptor, 156);
  descriptor.copy(image, 16 * block);
  image.write("\xffCD001\x01", 17 * block, "latin1");
  for (const [at, data] of Object.entries(blocks)) Buffer.from(data).copy(image, Number(at) * block);
  return image;
}

/** A directory's content: ".", ".." and what follows. */
export function crafted(own: { block: number; bytes: number }, ...records: readonly CraftedRecord[]): Buffer {
  const sp = field("SP", [0xbe, 0xef, 0]);
  return Buffer.concat([
    recordBytes({ name: "\0", folder: true, ...own, fields: [sp] }),
    recordBytes({ name: "\x01", folder: true, ...own }),
    ...records.map(recordBytes),
  ]);
}

export function field(name: string, data: readonly number[] | Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(name), Buffer.from([4 + data.length, 1]), Buffer.from(data)]);
}

/** A Rock Ridge name. */
export function nm(name: string): Buffer {
  return field("NM", [0, ...Buffer.from(name)]);
}

/** Where the fields of a record go on. */
export function ce(at: number, offset: number, length: number): Buffer {
  const data = Buffer.alloc(24);
  data.writeUInt32LE(at, 0);
  data.writeUInt32LE(offset, 8);
  data.writeUInt32LE(length, 16);
  return field("CE", data);
}

/** A symbolic link, by its parts; `..` and an empty first part are written as what they mean. */
export function sl(...parts: readonly string[]): Buffer {
  const written = parts.flatMap((part) =>
    part === ".." ? [4, 0] : part === "" ? [8, 0] : [0, part.length, ...Buffer.from(part)],
  );
  return field("SL", [0, ...written]);
}

function recordBytes({ name, block: at, bytes, folder, more, fields = [], length }: CraftedRecord): Buffer {
  const id = Buffer.from(name as string, "latin1");
  const area = Buffer.concat(fields);
  const before = 33 + id.length + (id.length % 2 === 0 ? 1 : 0);
  const record = Buffer.alloc(before + area.length + (area.length % 2));
  record[0] = length ?? record.length;
  record.writeUInt32LE(at, 2);
  record.writeUInt32LE(bytes, 10);
  record[25] = (folder ? 2 : 0) | (more ? 0x80 : 0);
  record[32] = id.length;
  id.copy(record, 33);
  area.copy(record, before);
  return record;
}
