import { TbuildError } from "../../errors.ts";

// Offsets and values of https://www.sqlite.org/fileformat.html, by its sections. Everything is big-endian.
/** 1.3, the database header, which the first page begins with. */
const header = { pageBytes: 16, reserved: 20, bytes: 100 } as const;
/** 1.6, the header of a page of a tree. */
const pageAt = { kind: 0, cellCount: 3, rightmost: 8 } as const;
const pageKinds = { interior: 5, leaf: 13 } as const;
const pageHeaderBytes = { [pageKinds.interior]: 12, [pageKinds.leaf]: 8 } as const;
/** 1.5, an overflow page: the number of the next one, then bytes of a row. */
const overflowBytes = 4;
/** 4.1 and 4.2, the headers of the write-ahead log and of its frames. */
const logAt = { pageBytes: 8, salts: 16, frames: 32 } as const;
const frameAt = { page: 0, committedPages: 4, salts: 8, data: 24 } as const;
const saltsBytes = 8;

/**
 * The last column of every row of `table`: the headers in an rpmdb.sqlite. No library is used, because even the smallest
 * costs megabytes or needs a compiler, for one table of one shape. Damage is a `guest` fault.
 */
export function sqliteBlobs(main: Buffer, log: Buffer | undefined, table: string): Buffer[] {
  if (main.toString("latin1", 0, 15) !== "SQLite format 3") throw damaged("no SQLite file");
  const declared = main.readUInt16BE(header.pageBytes);
  const pageBytes = declared === 1 ? 65536 : declared;
  if (pageBytes < 512) throw damaged(`pages of ${pageBytes} bytes`);
  const usable = pageBytes - (main[header.reserved] ?? 0);
  const newer = log ? loggedPages(log, pageBytes) : new Map<number, Buffer>();
  const page = (number: number): Buffer => {
    const found = newer.get(number) ?? main.subarray((number - 1) * pageBytes, number * pageBytes);
    if (number < 1 || found.length < pageBytes) throw damaged(`page ${number} does not exist`);
    return found;
  };

  // Each page belongs to one tree, and each byte to one row. Otherwise a small file could be read forever.
  const taken = new Set<number>();
  let left = main.length + (log?.length ?? 0);
  const takePage = (number: number): Buffer => {
    if (taken.has(number)) throw damaged(`page ${number} is used twice`);
    taken.add(number);
    return page(number);
  };

  function* rows(root: number, depth = 0): Generator<Buffer> {
    if (depth > 20) throw damaged("its tree is too deep");
    const node = takePage(root);
    const start = root === 1 ? header.bytes : 0;
    const [kind, count] = [node[start + pageAt.kind], node.readUInt16BE(start + pageAt.cellCount)];
    if (kind !== pageKinds.interior && kind !== pageKinds.leaf)
      throw damaged(`page ${root} does not belong to a table`);
    const cells = start + pageHeaderBytes[kind];
    for (let index = 0; index < count; index++) {
      const at = node.readUInt16BE(cells + index * 2);
      if (kind === pageKinds.interior) yield* rows(node.readUInt32BE(at), depth + 1);
      else yield payload(node, at);
    }
    if (kind === pageKinds.interior) yield* rows(node.readUInt32BE(start + pageAt.rightmost), depth + 1);
  }

  // How much of a row is in its page: 1.6, "B-tree Cell Format", for a leaf of a table.
  function payload(node: Buffer, cell: number): Buffer {
    const [bytes, afterBytes] = varint(node, cell);
    const [, at] = varint(node, afterBytes);
    left -= Math.max(bytes, leastCell);
    if (left < 0) throw damaged("its rows are longer than the file");
    const most = usable - 35;
    if (bytes <= most) return node.subarray(at, at + bytes);
    const least = Math.floor(((usable - 12) * 32) / 255) - 23;
    const wanted = least + ((bytes - least) % (usable - overflowBytes));
    const here = wanted <= most ? wanted : least;
    const parts = [node.subarray(at, at + here)];
    let next = node.readUInt32BE(at + here);
    for (let left = bytes - here; left > 0; ) {
      const more = takePage(next);
      const room = usable - overflowBytes;
      parts.push(more.subarray(overflowBytes, overflowBytes + Math.min(left, room)));
      left -= room;
      next = more.readUInt32BE(0);
    }
    return Buffer.concat(parts);
  }

  for (const row of rows(1)) {
    const [, name, , root] = columns(row);
    if (name?.toString() !== table || !root) continue;
    const found: Buffer[] = [];
    for (const one of rows(root.readUIntBE(0, root.length))) found.push(...columns(one).slice(-1));
    return found;
  }
  throw damaged(`no table ${table}`);
}

const leastCell = 4;

// 2.1: types first, each with the length of its value, then the values.
function columns(row: Buffer): Buffer[] {
  const [end, first] = varint(row, 0);
  if (end > row.length) throw damaged("a row is shorter than its header");
  const found: Buffer[] = [];
  let value = end;
  for (let at = first; at < end; ) {
    const [type, next] = varint(row, at);
    const bytes =
      type >= 12 ? (type - (type % 2 === 0 ? 12 : 13)) / 2 : ([0, 1, 2, 3, 4, 6, 8, 8][type] ?? 0);
    found.push(row.subarray(value, value + bytes));
    value += bytes;
    at = next;
  }
  return found;
}

function varint(data: Buffer, start: number): [number, number] {
  let value = 0;
  for (let at = start; at < start + 8; at++) {
    const byte = data[at] ?? 0;
    value = value * 128 + (byte & 0x7f);
    if (byte < 128) return [value, at + 1];
  }
  return [value * 256 + (data[start + 8] ?? 0), start + 9];
}

// Pages newer than those of the file, as far as they were committed.
function loggedPages(log: Buffer, pageBytes: number): Map<number, Buffer> {
  const committed = new Map<number, Buffer>();
  if (log.length < logAt.frames || log.readUInt32BE(logAt.pageBytes) !== pageBytes) return committed;
  const salts = log.subarray(logAt.salts, logAt.salts + saltsBytes);
  let open = new Map<number, Buffer>();
  const frameBytes = frameAt.data + pageBytes;
  for (let at = logAt.frames; at + frameBytes <= log.length; at += frameBytes) {
    const frame = log.subarray(at, at + frameBytes);
    if (!frame.subarray(frameAt.salts, frameAt.salts + saltsBytes).equals(salts)) break;
    open.set(frame.readUInt32BE(frameAt.page), frame.subarray(frameAt.data));
    if (frame.readUInt32BE(frameAt.committedPages) === 0) continue;
    for (const [number, page] of open) committed.set(number, page);
    open = new Map();
  }
  return committed;
}

function damaged(how: string): TbuildError {
  return new TbuildError("guest", `rpm database: ${how}`);
}
