import { TbuildError } from "../../errors.ts";

/** The values in a Berkeley DB hash file, which rpm used until 4.16: `/var/lib/rpm/Packages`. */
export function berkeleyValues(file: Buffer): Buffer[] {
  if (file.length < 512 || file.readUInt32LE(12) !== 0x061561) throw damaged("no hash file of Berkeley DB");
  const pageBytes = file.readUInt32LE(20);
  if (pageBytes < 512 || pageBytes > 65536) throw damaged(`pages of ${pageBytes} bytes`);
  const values: Buffer[] = [];
  // Each overflow page belongs to one value. A repeated page means a cycle, or a small file that expands.
  const taken = new Set<number>();
  for (let start = 0; start + pageBytes <= file.length; start += pageBytes) {
    const page = file.subarray(start, start + pageBytes);
    if (page[25] !== 2 && page[25] !== 13) continue;
    // Keys and values alternate, each from its offset up to the previous one.
    const count = page.readUInt16LE(20);
    const offsetOf = (index: number) => page.readUInt16LE(26 + index * 2);
    for (let index = 1; index < count && 28 + index * 2 <= pageBytes; index += 2)
      values.push(...valueAt(page.subarray(offsetOf(index), offsetOf(index - 1))));
  }
  return values;

  function valueAt(item: Buffer): Buffer[] {
    if (item.length < leastItem) return [];
    if (item[0] !== 3) return [item.subarray(1)];
    const [first, bytes] = [item.readUInt32LE(4), item.readUInt32LE(8)];
    const parts: Buffer[] = [];
    let done = 0;
    for (let number = first; number !== 0 && done < bytes; ) {
      const page = file.subarray(number * pageBytes, (number + 1) * pageBytes);
      if (page.length < pageBytes || page[25] !== 7) throw damaged(`page ${number} is not what it should be`);
      const length = page.readUInt16LE(22);
      if (length === 0 || taken.has(number)) throw damaged(`page ${number} is not what it should be`);
      taken.add(number);
      parts.push(page.subarray(26, 26 + length));
      done += length;
      number = page.readUInt32LE(16);
    }
    return [Buffer.concat(parts)];
  }
}

// Of a value in another page: a type, three unused bytes, a page number, and a length. No package's header is as short.
const leastItem = 12;

function damaged(how: string): TbuildError {
  return new TbuildError("guest", `rpm database: ${how}`);
}
