import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readOnly } from "../../src/image/change/draft.ts";
import { ExtVolume } from "../../src/image/ext/volume.ts";
import { fileReader } from "../../src/io/reader.ts";
import { describeWith } from "../fakes/missing.ts";
import { host } from "./dirty-image.ts";

// The kinds differ in the places of superblock and descriptor copies.
const kinds = [
  ["ext4", []],
  ["ext4 of EL6", ["-O", "^64bit,^metadata_csum,uninit_bg"]],
  ["without flexible groups", ["-O", "^flex_bg"]],
  ["without room for more descriptors", ["-O", "^resize_inode"]],
  ["with two copies", ["-O", "sparse_super2"]],
  ["with blocks of 4 KiB", ["-b", "4096", "-g", "2048"]],
] as const;

describeWith(["mke2fs", "e2fsck", "dumpe2fs"], "the free blocks of ext", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-ext-free-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  // e2fsck marks the bitmap of each group without a used block as uninitialized.
  it.each(kinds)("of %s are those that dumpe2fs lists, after e2fsck too", async (_, options) => {
    const image = join(folder, "ext.img");
    await rm(image, { force: true });
    const blocks = options[0] === "-b" ? [] : ["-b", "1024"];
    await host.run(["mke2fs", "-qF", "-t", "ext4", "-i", "65536", ...blocks, ...options, image, "97M"]);
    await host.run(["e2fsck", "-fy", image], { allow: [1] });
    const { stdout } = await host.run(["dumpe2fs", image]);
    expect(stdout).toContain("BLOCK_UNINIT");
    const listed = [...stdout.matchAll(/^ {2}Free blocks: (.*)$/gm)].flatMap(([, list = ""]) =>
      numbersIn(list),
    );

    await using reader = await fileReader(image);
    const volume = await ExtVolume.open(readOnly(reader));
    const found: number[] = [];
    for await (const { block, count } of volume.freeRuns())
      for (let at = block; at < block + count; at++) found.push(at);
    expect(found.length).toBe(listed.length);
    expect(found.every((one, index) => one === listed[index])).toBe(true);
  });
});

/** `5-7, 9` is 5, 6, 7 and 9. */
function numbersIn(list: string): number[] {
  return list
    .split(", ")
    .filter((part) => part !== "")
    .flatMap((part) => {
      const [from = 0, to = from] = part.split("-").map(Number);
      return Array.from({ length: to - from + 1 }, (_, index) => from + index);
    });
}
