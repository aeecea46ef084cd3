import { describe, expect, it } from "vitest";
import { swapRemains } from "../../src/image/change/swap.ts";
import { fileSystemOf } from "../../src/image/disk/filesystem.ts";
import { swapAreaIn } from "../../src/image/disk/swap.ts";
import { bytesReader } from "../../src/io/reader.ts";

const uuid = "6b1f0c4e-3a5d-4c1b-9c56-0123456789ab";

/** What mkswap(8) writes: version 1, a UUID, a label, and the signature at the end of the page. */
function swap(
  pages: number,
  { pageBytes = 4096, signature = "SWAPSPACE2", bad = [] as number[] } = {},
): Buffer {
  const area = Buffer.alloc(pages * pageBytes);
  area.writeUInt32LE(1, 1024);
  area.writeUInt32LE(pages - 1, 1028);
  area.writeUInt32LE(bad.length, 1032);
  Buffer.from(uuid.replaceAll("-", ""), "hex").copy(area, 1036);
  area.write("SWAP-sda2", 1052);
  for (const [index, page] of bad.entries()) area.writeUInt32LE(page, 1536 + index * 4);
  area.write(signature, pageBytes - 10, "latin1");
  return area;
}

/** The area as `swapRemains` says it should be. */
async function renewed(area: Buffer): Promise<Buffer> {
  const now = Buffer.from(area);
  const volume = { name: "p2", offset: 0, bytes: area.length, fs: "swap" } as const;
  const whole = [{ start: 0, length: area.length }];
  for await (const { offset, fresh } of swapRemains(bytesReader(area), [volume], whole))
    now.set(fresh, offset);
  return now;
}

describe("a swap area", () => {
  it.each([4096, 8192, 16384, 65536])(
    "with pages of %i bytes becomes what mkswap made",
    async (pageBytes) => {
      const made = swap(40, { pageBytes, bad: [3, 9] });
      const used = Buffer.from(made);
      used.write("-----BEGIN RSA PRIVATE KEY-----", pageBytes * 7 + 33);
      used.write("left before the header", 10);
      used.write("left behind the label", 1200);
      used.write("the last page", used.length - 100);
      expect((await renewed(used)).equals(made)).toBe(true);
      expect((await renewed(made)).equals(made)).toBe(true);
      expect(await fileSystemOf(bytesReader(used))).toMatchObject({ fs: "swap", uuid, label: "SWAP-sda2" });
    },
  );

  it.each(["S1SUSPEND\0", "S2SUSPEND\0"])(
    "with a suspended machine (%j) is swap again, without it",
    async (signature) => {
      const made = swap(20);
      const suspended = Buffer.from(made);
      suspended.write("SWAPSPACE2", 4096 - 20, "latin1");
      suspended.write(signature, 4096 - 10, "latin1");
      suspended.fill(7, 8192, 16384);
      expect(swapAreaIn(suspended)?.isHibernated).toBe(true);
      expect(await fileSystemOf(bytesReader(suspended))).toMatchObject({ fs: "swap", uuid });
      expect((await renewed(suspended)).equals(made)).toBe(true);
    },
  );

  it("of the first version keeps its map of pages", async () => {
    const old = Buffer.alloc(10 * 4096);
    old.fill(0xff, 0, 100);
    old.write("SWAP-SPACE", 4086, "latin1");
    const used = Buffer.from(old);
    used.write("secret", 20000);
    expect((await renewed(used)).equals(old)).toBe(true);
  });

  it("that ends in the middle of a page is written to its end and no further", async () => {
    const made = Buffer.concat([swap(5), Buffer.alloc(1000)]);
    const used = Buffer.from(made);
    used.write("tail", used.length - 4);
    expect((await renewed(used)).equals(made)).toBe(true);
  });

  it("in a logical volume of two pieces is made new in both, and nothing beside them", async () => {
    const made = swap(8);
    const disk = Buffer.alloc(20 * 4096, 5);
    made.copy(disk, 4096, 0, 5 * 4096);
    made.copy(disk, 12 * 4096, 5 * 4096);
    const used = Buffer.from(disk);
    used.write("first", 3 * 4096);
    used.write("second", 13 * 4096);
    const pieces = [
      { offset: 4096, bytes: 5 * 4096 },
      { offset: 12 * 4096, bytes: 3 * 4096 },
    ];
    const volume = { name: "vg/swap", offset: 4096, bytes: made.length, fs: "swap", pieces } as const;
    for await (const { offset, fresh } of swapRemains(
      bytesReader(Buffer.from(used)),
      [volume],
      [{ start: 0, length: used.length }],
    ))
      used.set(fresh, offset);
    expect(used.equals(disk)).toBe(true);
  });

  it("that another volume overlaps is left alone", async () => {
    const area = swap(8);
    area.write("secret", 20000);
    const volumes = [
      { name: "p1", offset: 16384, bytes: 8192, fs: "ext4" },
      { name: "p2", offset: 0, bytes: area.length, fs: "swap" },
    ] as const;
    for await (const one of swapRemains(bytesReader(area), volumes, [{ start: 0, length: area.length }]))
      expect.fail(`writes at ${one.offset}`);
  });

  it.each([0, 1, 512, 4095, 4096])("is none in a volume of %i bytes without a signature", async (bytes) => {
    expect(swapAreaIn(Buffer.alloc(bytes))).toBeUndefined();
  });

  it("whose list of bad pages would reach past the page is still read", () => {
    const area = swap(4);
    area.writeUInt32LE(0xffffffff, 1032);
    expect(swapAreaIn(area)?.fresh.length).toBe(4096);
  });
});
