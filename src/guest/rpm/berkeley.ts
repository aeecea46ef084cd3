import { TbuildError } from "../../errors.ts";

/** Offsets in the header of a page, and of what the first page has besides (Berkeley DB, dbinc/db_page.h: DBMETA, PAGE). */
const at = { magic: 12, pageBytes: 20, next: 16, entries: 20, freeOffset: 22, type: 25, items: 26 } as const;
const hashMagic = 0x061561;
const pageType = { unsortedHash: 2, overflow: 7, hash: 13 } as const;

/** An item in overflow pages: its type, and the offsets of the first page and its size (HOFFPAGE). */
const offPage = { type: 3, page: 4, bytes: 8 } as const;

/** The values in a Berkeley DB hash file, which rpm used until 4.16: `/var/lib/rpm/Packages`. */
export function berkeleyValues(file: Buffer): Buffer[] {
  if (file.length < 512 || file.readUInt32LE(at.magic) !== hashMagic)
    throw damaged("not a hash file of Berkeley DB");
  const pageBytes = file.readUInt32LE(at.pageBytes);
  if (pageBytes < 512 || pageBytes > 65536) throw damaged(`pages of ${pageBytes} bytes`);
  const values: Buffer[] = [];
  // Each overflow page belongs to one value. A repeated page means a cycle, or a small file that expands.
  const taken = new Set<number>();
  for (let start = 0; start + pageBytes <= file.length; start += pageBytes) {
    const page = file.subarray(start, start + pageBytes);
    if (page[at.type] !== pageType.unsortedHash && page[at.type] !== pageType.hash) continue;
    // Keys and values alternate, each from its offset up to the previous one.
    const count = page.readUInt16LE(at.entries);
    const offsetOf = (index: number) => page.readUInt16LE(at.items + index * 2);
    for (let index = 1; index < count && at.items + (index + 1) * 2 <= pageBytes; index += 2)
      values.push(...valueAt(page.subarray(offsetOf(index), offsetOf(index - 1))));
  }
  return values;

  function valueAt(item: Buffer): Buffer[] {
    if (item.length < leastItem) return [];
    if (item[0] !== offPage.type) return [item.subarray(1)];
    const [first, bytes] = [item.readUInt32LE(offPage.page), item.readUInt32LE(offPage.bytes)];
    const parts: Buffer[] = [];
    let done = 0;
    for (let number = first; number !== 0 && done < bytes; ) {
      const page = file.subarray(number * pageBytes, (number + 1) * pageBytes);
      if (page.length < pageBytes || page[at.type] !== pageType.overflow)
        throw damaged(`page ${number} has the wrong type`);
      const length = page.readUInt16LE(at.freeOffset);
      if (length === 0 || taken.has(number)) throw damaged(`page ${number} has the wrong type`);
      taken.add(number);
      parts.push(page.subarray(at.items, at.items + length));
      done += length;
      number = page.readUInt32LE(at.next);
    }
    return [Buffer.concat(parts)];
  }
}

// For a value in another page: a type, three unused bytes, a page number, and a length. No package's header
// is as short.
const leastItem = 12;

function damaged(how: string): TbuildError {
  return new TbuildError("guest", `rpm database: ${how}`);
}
