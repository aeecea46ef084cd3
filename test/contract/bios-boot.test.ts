import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { biosBoot, newBiosBoot } from "../../src/image/disk/bios-boot.ts";
import { layoutOf } from "../../src/image/disk/disk.ts";
import { readImageFile } from "../../src/image/file/image-file.ts";
import { describeWith } from "../fakes/missing.ts";

const host = localHost();

describeWith(["sgdisk"], "a BIOS boot partition on a GPT", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-gpt-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const diskOf = async (...parts: readonly string[]) => {
    const image = join(folder, "disk.img");
    await rm(image, { force: true });
    await (await open(image, "w")).close();
    await host.run(["truncate", "-s", "32M", image]);
    await host.run(["sgdisk", "--set-alignment=1", ...parts, image]);
    return image;
  };
  const added = async (image: string, sectors: number) => {
    const made = await (async () => {
      await using disk = await readImageFile(image);
      return await newBiosBoot(disk, sectors);
    })();
    if (!made) return undefined;
    await using file = await open(image, "r+");
    for (const { offset, data } of made.writes) await file.write(data, 0, data.length, offset);
    return made;
  };

  it("goes into the gap at the front, as another partition, and sgdisk finds no fault", async () => {
    const image = await diskOf("--new=1:1M:+8M", "--new=2:9M:0");
    expect(await added(image, 100)).toMatchObject({ number: 3, start: 34, sectors: 2014 });
    expect((await host.run(["sgdisk", "--verify", image])).stdout).toContain("No problems found");
    await using disk = await readImageFile(image);
    const { volumes, tableFault } = await layoutOf(disk);
    expect(tableFault).toBeUndefined();
    expect(volumes.find(({ partType }) => partType === biosBoot)).toMatchObject({
      name: "p3",
      offset: 34 * 512,
    });
  });

  it("uses the first gap that is large enough, and the number of a removed partition", async () => {
    const image = await diskOf("--new=1:40:2047", "--new=2:2048:+8M", "--new=3:12M:0", "--delete=2");
    const made = await added(image, 100);
    expect(made).toMatchObject({ number: 2, start: 2048, sectors: 2048 });
    expect((await host.run(["sgdisk", "--verify", image])).stdout).toContain("No problems found");
  });

  it("is not made without a gap, without a free entry, and on a damaged table", async () => {
    expect(await added(await diskOf("--new=1:34:0"), 100)).toBeUndefined();
    const image = await diskOf("--new=1:1M:0");
    await using file = await open(image, "r+");
    await file.write(Buffer.from("x"), 0, 1, 2 * 512 + 60);
    expect(await added(image, 100)).toBeUndefined();
  });
});
