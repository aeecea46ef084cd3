import { describe, expect, it } from "vitest";
import { draftOf } from "../../src/image/change/draft.ts";
import { bytesReader } from "../../src/io/reader.ts";

async function piecesAfter(places: readonly number[]) {
  const disk = draftOf(bytesReader(Buffer.alloc(4 << 20)));
  for (const place of places) await disk.write(place, Buffer.from("new"));
  return (await disk.pieces()).map(({ offset, bytes }) => [offset, bytes]);
}

describe("what a draft changes", () => {
  it("is one piece for neighbouring sectors, such as those of a log", async () => {
    const sectors = Array.from({ length: 1000 }, (_, index) => 8192 + index * 512);
    expect(await piecesAfter(sectors)).toEqual([[8192, 999 * 512 + 32]]);
  });

  it("is apart where a sector between is left as it was", async () => {
    expect(await piecesAfter([0, 3 * 512, 1 << 20])).toEqual([
      [0, 32],
      [3 * 512, 32],
      [1 << 20, 32],
    ]);
  });

  it("is at most 1 MiB to a piece", async () => {
    const sectors = Array.from({ length: 3 << 11 }, (_, index) => index * 512);
    const pieces = await piecesAfter(sectors);
    expect(Math.max(...pieces.map(([, bytes = 0]) => bytes))).toBeLessThanOrEqual(1 << 20);
    expect(pieces).toHaveLength(3);
  });
});
