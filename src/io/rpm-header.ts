/**
 * An rpm header, as packages and rpm's database hold it: two counts, an index of entries, and a store that the entries
 * point into. In a package file, 8 bytes of magic stand before the counts. Everything is big-endian. Source:
 * `docs/manual/format_header.md` of rpm-software-management/rpm.
 */

/** Offsets from the counts. */
const at = { entries: 0, storeBytes: 4, index: 8 } as const;
/** Offsets in an entry. */
const entryAt = { tag: 0, type: 4, offset: 8, count: 12 } as const;
const entryBytes = 16;
const types = { int16: 3, int32: 4, int64: 5, text: 6, bytes: 7, texts: 8 } as const;
const widths: Readonly<Record<number, 2 | 4 | 8>> = { [types.int16]: 2, [types.int32]: 4, [types.int64]: 8 };

/** What rpm itself takes at most (`lib/header.c`). */
const mostEntries = 0xffff;
const mostStoreBytes = 256 << 20;

export const rpmHeaderMagic = 0x8eade801;
/** The magic with the 4 reserved bytes behind it. */
export const rpmMagicBytes = 8;
/** The two counts that a header begins with. */
export const rpmCountsBytes = at.index;

/** The length in bytes of the header that begins with these counts; `undefined` if rpm would refuse it. */
export function rpmHeaderBytes(counts: Buffer): number | undefined {
  const [entries, store] = [counts.readUInt32BE(at.entries), counts.readUInt32BE(at.storeBytes)];
  if (entries > mostEntries || store > mostStoreBytes) return undefined;
  return at.index + entries * entryBytes + store;
}

interface Entry {
  readonly type: number;
  readonly place: number;
  readonly count: number;
}

export class RpmHeader {
  readonly #bytes: Buffer;
  readonly #entries = new Map<number, Entry>();

  private constructor(bytes: Buffer, store: number) {
    this.#bytes = bytes;
    for (let index = at.index; index < store; index += entryBytes)
      this.#entries.set(bytes.readUInt32BE(index + entryAt.tag), {
        type: bytes.readUInt32BE(index + entryAt.type),
        place: store + bytes.readUInt32BE(index + entryAt.offset),
        count: bytes.readUInt32BE(index + entryAt.count),
      });
  }

  /** `bytes` begin with the counts. `undefined` if they are not a whole header. */
  static of(bytes: Buffer): RpmHeader | undefined {
    if (bytes.length < at.index) return undefined;
    const length = rpmHeaderBytes(bytes);
    if (length === undefined || length > bytes.length) return undefined;
    return new RpmHeader(bytes, at.index + bytes.readUInt32BE(at.entries) * entryBytes);
  }

  has(tag: number): boolean {
    return this.#entries.has(tag);
  }

  number(tag: number): number | undefined {
    return this.numbers(tag, 1)[0];
  }

  /** The numbers of a tag, at most `most`. Empty if the tag holds something else. */
  numbers(tag: number, most = Number.POSITIVE_INFINITY): number[] {
    const { type = 0, place = 0, count = 0 } = this.#entries.get(tag) ?? {};
    const bytes = this.#bytes;
    const width = widths[type];
    const values: number[] = [];
    if (width === undefined) return values;
    for (let next = place; values.length < Math.min(count, most); next += width) {
      if (next + width > bytes.length) break;
      values.push(width === 8 ? Number(bytes.readBigUInt64BE(next)) : bytes.readUIntBE(next, width));
    }
    return values;
  }

  /** The bytes of a text, without the NUL that ends it. */
  text(tag: number): Buffer | undefined {
    return this.texts(tag, 1)[0];
  }

  /** The texts of a tag, at most `most`. Empty if the tag holds something else. */
  texts(tag: number, most = Number.POSITIVE_INFINITY): Buffer[] {
    const { type, place = 0, count = 0 } = this.#entries.get(tag) ?? {};
    const values: Buffer[] = [];
    if (type !== types.text && type !== types.texts) return values;
    for (let next = place; values.length < Math.min(count, most) && next < this.#bytes.length; ) {
      const end = this.#bytes.indexOf(0, next);
      if (end < 0) break;
      values.push(this.#bytes.subarray(next, end));
      next = end + 1;
    }
    return values;
  }

  bytes(tag: number): Buffer | undefined {
    const { type, place = 0, count = 0 } = this.#entries.get(tag) ?? {};
    return type === types.bytes ? this.#bytes.subarray(place, place + count) : undefined;
  }
}
