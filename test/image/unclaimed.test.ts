import { describe, expect, it } from "vitest";
import { layoutOf } from "../../src/image/disk/disk.ts";
import { unclaimedPlaces } from "../../src/image/disk/unclaimed.ts";
import { bytesReader } from "../../src/io/reader.ts";
import { mbr, physicalVolume, segment, volumeGroup } from "./disk-tables.ts";

const mib = 1 << 20;
const extent = 4 * mib;

/** The free extents of a group whose physical volume has ten extents, by number. */
async function freeOf(group: string) {
  const disk = Buffer.alloc(44 * mib);
  mbr([{ type: 0x8e, start: 2048, count: 43 * 2048 }]).copy(disk);
  physicalVolume(group).copy(disk, mib);
  const reader = bytesReader(disk);
  const places = await unclaimedPlaces(reader, await layoutOf(reader));
  const found = places.find(({ name }) => name.startsWith("the free extents"));
  const numbers = found?.pieces.flatMap(({ offset, bytes }) =>
    Array.from({ length: bytes / extent }, (_, index) => (offset - 2 * mib) / extent + index),
  );
  return found?.unread ?? numbers;
}

const hidden = (text: string) => `status = ["READ", "WRITE"]\n${text}`;
const group = (change: (text: string) => string) => change(volumeGroup({ root: segment(1, 0, 2) }));

describe("the free extents of a group", () => {
  it("are those that no volume has, hidden or not", async () => {
    const pool =
      'segment1 {\nstart_extent = 0\nextent_count = 1\ntype = "thin-pool"\nmetadata = "pool_tmeta"\npool = "pool_tdata"\n}';
    const moved =
      'segment1 {\nstart_extent = 0\nextent_count = 2\ntype = "mirror"\nmirror_count = 2\nmirrors = [\n"pv0", 4,\n"pv0", 7\n]\n}';
    const volumes = {
      root: segment(1, 0, 1),
      pool,
      pool_tdata: hidden(segment(1, 1, 1)),
      pool_tmeta: hidden(segment(1, 2, 1)),
      pvmove0: hidden(moved),
    };
    expect(await freeOf(volumeGroup(volumes))).toEqual([3, 6, 9]);
  });

  it.each([
    ["it is exported", group((text) => text.replace('"RESIZEABLE"', '"RESIZEABLE", "EXPORTED"'))],
    [
      "other machines share it",
      group((text) => text.replace("extent_size", 'lock_type = "sanlock"\nextent_size')),
    ],
    ["its metadata has invalid numbers", group((text) => text.replace("pe_count = 10", "pe_count = 99"))],
    [
      "its metadata has invalid numbers",
      group((text) => text.replace("extent_count = 2", "extent_count = x")),
    ],
    ["its metadata has invalid numbers", group((text) => text.replace('"pv0", 0', '"pv0", -1'))],
  ])("are not told where %s (%#)", async (why, text) => expect(await freeOf(text)).toBe(why));
});
