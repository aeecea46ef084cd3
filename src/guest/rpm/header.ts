/** One installed package. */
export interface Package {
  readonly name: string;
  readonly epoch?: number;
  readonly version: string;
  readonly release: string;
  readonly arch?: string;
}

const tags = { name: 1000, version: 1001, release: 1002, epoch: 1003, arch: 1022 } as const;

/** A package's header in rpm's database: two counts, an index of 16-byte entries, and their data. */
export function parseHeader(blob: Buffer): Package | undefined {
  const found = headerValues(blob, Object.values(tags));
  if (!found?.has(tags.name)) return undefined;
  const text = (tag: number) => String(found.get(tag) ?? "");
  const epoch = found.get(tags.epoch);
  return {
    name: text(tags.name),
    ...(typeof epoch === "number" && { epoch }),
    version: text(tags.version),
    release: text(tags.release),
    ...(found.has(tags.arch) && { arch: text(tags.arch) }),
  };
}

const types = { int32: 4, text: 6, bytes: 7 };

/** The values of `wanted` tags: a text, the first of its numbers, or bytes. `undefined` for a blob that is no header. */
export function headerValues(
  blob: Buffer,
  wanted: readonly number[],
): ReadonlyMap<number, string | number | Buffer> | undefined {
  if (blob.length < 8) return undefined;
  const [entries, bytes] = [blob.readUInt32BE(0), blob.readUInt32BE(4)];
  const data = 8 + entries * 16;
  if (entries > 65536 || data + bytes > blob.length) return undefined;
  const found = new Map<number, string | number | Buffer>();
  for (let at = 8; at < data; at += 16) {
    const [tag, type] = [blob.readUInt32BE(at), blob.readUInt32BE(at + 4)];
    const [offset, count] = [data + blob.readUInt32BE(at + 8), blob.readUInt32BE(at + 12)];
    if (!wanted.includes(tag) || offset >= blob.length) continue;
    if (type === types.text) found.set(tag, blob.toString("utf8", offset, blob.indexOf(0, offset)));
    else if (type === types.bytes) found.set(tag, blob.subarray(offset, offset + count));
    else if (type === types.int32 && offset + 4 <= blob.length) found.set(tag, blob.readUInt32BE(offset));
  }
  return found;
}
