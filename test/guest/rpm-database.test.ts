import { describe, expect, it } from "vitest";
import { berkeleyValues } from "../../src/guest/rpm/berkeley.ts";
import { sqliteBlobs } from "../../src/guest/rpm/sqlite.ts";

const pageBytes = 512;

/** An SQLite file with a table "Packages" that starts on page 2, which `table` fills. */
function sqlite(table: (page: Buffer, next: Buffer) => void, pages = 4): Buffer {
  const file = Buffer.alloc(pages * pageBytes);
  file.write("SQLite format 3");
  file.writeUInt16BE(pageBytes, 16);
  const row = Buffer.concat([Buffer.from([5, 13, 29, 13, 1]), Buffer.from("Packages"), Buffer.from([2])]);
  leaf(file.subarray(0, pageBytes), [Buffer.concat([Buffer.from([row.length, 1]), row])], 100);
  const next = file.subarray(2 * pageBytes, 3 * pageBytes);
  leaf(next, []);
  table(file.subarray(pageBytes, 2 * pageBytes), next);
  return file;
}

function leaf(page: Buffer, cells: readonly Buffer[], start = 0): void {
  page[start] = 13;
  page.writeUInt16BE(cells.length, start + 3);
  let end = pageBytes;
  for (const [index, cell] of cells.entries()) {
    end -= cell.length;
    cell.copy(page, end);
    page.writeUInt16BE(end, start + 8 + index * 2);
  }
}

function inner(page: Buffer, children: readonly number[]): void {
  page[0] = 5;
  page.writeUInt16BE(children.length, 3);
  for (const [index, child] of children.entries()) {
    const at = 400 + index * 4;
    page.writeUInt32BE(child, at);
    page.writeUInt16BE(at, 12 + index * 2);
  }
  page.writeUInt32BE(children[0] ?? 0, 8);
}

/** A hash file of Berkeley DB with an item on page 1 that continues on page 2. */
function berkeley(bytes: number, length: number, next: number): Buffer {
  const file = Buffer.alloc(3 * pageBytes);
  file.writeUInt32LE(0x061561, 12);
  file.writeUInt32LE(pageBytes, 20);
  const [page, overflow] = [file.subarray(pageBytes, 2 * pageBytes), file.subarray(2 * pageBytes)];
  page[25] = 13;
  page.writeUInt16LE(2, 20);
  page.writeUInt16LE(pageBytes - 4, 26);
  page.writeUInt16LE(pageBytes - 16, 28);
  page[pageBytes - 16] = 3;
  page.writeUInt32LE(2, pageBytes - 12);
  page.writeUInt32LE(bytes, pageBytes - 8);
  overflow[25] = 7;
  overflow.writeUInt16LE(length, 22);
  overflow.writeUInt32LE(next, 16);
  return file;
}

describe("a crafted rpm database is refused, however small it is", () => {
  it("and a whole one is read", () => {
    const cell = Buffer.concat([
      Buffer.from([9, 1]),
      Buffer.from([3, 1, 22]),
      Buffer.from([1]),
      Buffer.from("blob!"),
    ]);
    const blobs = sqliteBlobs(
      sqlite((page) => leaf(page, [cell])),
      undefined,
      "Packages",
    );
    expect(blobs.map(String)).toEqual(["blob!"]);
    expect(berkeleyValues(berkeley(4, 4, 0))).toEqual([Buffer.alloc(4)]);
  });

  it.each([
    [
      "a row that goes round in a circle",
      (page: Buffer, next: Buffer) => {
        leaf(page, [longRow(0x8b, 0x61)]);
        next.writeUInt32BE(3);
      },
    ],
    ["a row longer than the file", (page: Buffer) => leaf(page, [longRow(0xff, 0x7f)])],
    [
      "a row shorter than its header",
      (page: Buffer) => leaf(page, [Buffer.from([9, 1, ...Array.from({ length: 9 }, () => 0xff)])]),
    ],
    ["a tree that goes round in a circle", (page: Buffer) => inner(page, [2, 2, 2, 2])],
    ["a tree with a page in many places", (page: Buffer) => inner(page, [3, 3, 3, 3])],
  ] as const)("with %s", (_what, table) => {
    const file = sqlite(table);
    expect(() => sqliteBlobs(file, undefined, "Packages")).toThrow(
      expect.objectContaining({ name: "TbuildError", fault: "guest" }),
    );
  });

  it.each([
    ["goes round in a circle", berkeley(0xffffffff, 1, 2)],
    ["is empty", berkeley(100, 0, 2)],
  ])("of Berkeley DB with a value that %s", (_what, file) => {
    expect(() => berkeleyValues(file)).toThrow(
      expect.objectContaining({ name: "TbuildError", fault: "guest" }),
    );
  });
});

// A row that continues on page 3; two bytes give its length.
function longRow(...length: readonly number[]): Buffer {
  const cell = Buffer.alloc(300, 1);
  cell.set([...length, 1]);
  // As SQLite's file format has it, 39 bytes of it stand here.
  cell.writeUInt32BE(3, 3 + 39);
  return cell;
}
