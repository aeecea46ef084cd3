import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { freeRunsOfXfs } from "../../src/image/xfs/free-space.ts";
import { fileReader } from "../../src/io/reader.ts";
import { missing } from "../fakes/missing.ts";
import { unmountImage } from "../unmount-image.ts";

const host = localHost();
const lacking = missing("mkfs.xfs", "xfs_db", "mount", "losetup", "loop", "root");

describe.skipIf(lacking !== undefined)(`free blocks of XFS${lacking ? ` — skipped: ${lacking}` : ""}`, () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-xfs-free-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    ["as OL8 makes it", "5", ["-b", "size=4096"]],
    ["in blocks of 1 KiB, with a tree of several levels", "1k", ["-b", "size=1024"]],
  ])("are those that xfs_db lists, %s", async (_what, name, options) => {
    const [image, at] = [join(folder, `${name}.xfs`), join(folder, name)];
    await host.run(["truncate", "-s", "320M", image]);
    await host.run(["mkfs.xfs", "-q", ...options, image]);
    await mkdir(at);
    await host.run(["mount", "-o", "loop", image, at]);
    try {
      for (let file = 0; file < 4000; file++) await writeFile(join(at, `${file}`), "x".repeat(3000));
      await host.run(["sync", "-f", at]);
      // Every second file is removed, so the free space is in many places.
      for (let file = 0; file < 4000; file += 2) await rm(join(at, `${file}`));
    } finally {
      await unmountImage(at);
    }
    const found = await toldByUs(image);
    expect(found.length).toBeGreaterThan(1000);
    expect(found).toEqual(await toldByXfsDb(image));
  });

  it("are those that xfs_db lists, for the format before checksums, which this kernel may not mount", async () => {
    const image = join(folder, "4.xfs");
    await host.run(["truncate", "-s", "320M", image]);
    await host.run(["mkfs.xfs", "-q", "-m", "crc=0", image]);
    expect(await toldByUs(image)).toEqual(await toldByXfsDb(image));
  });

  it("with a list that points elsewhere are refused, with their group's name", async () => {
    const image = join(folder, "damaged.xfs");
    await host.run(["truncate", "-s", "320M", image]);
    await host.run(["mkfs.xfs", "-q", image]);
    await host.run(["xfs_db", "-x", "-c", "agf 1", "-c", "write -d bnoroot 4294967", image]);
    await using reader = await fileReader(image);
    const walk = async () => {
      for await (const { bytes } of freeRunsOfXfs(reader, "p1")) expect(bytes).toBeGreaterThan(0);
    };
    await expect(walk()).rejects.toThrow("p1, group 1: the XFS is damaged");
  });
});

async function toldByUs(image: string): Promise<[number, number][]> {
  await using reader = await fileReader(image);
  const found: [number, number][] = [];
  for await (const { offset, bytes, blockBytes } of freeRunsOfXfs(reader, "p1"))
    found.push([offset / blockBytes, bytes / blockBytes]);
  return found.sort(([one], [other]) => one - other);
}

/** First block and number of blocks of each free run, counted from the start of the volume. */
async function toldByXfsDb(image: string): Promise<[number, number][]> {
  const ask = async (...commands: string[]) =>
    (await host.run(["xfs_db", "-r", ...commands.flatMap((one) => ["-c", one]), image])).stdout;
  const groupBlocks = Number(/= (\d+)/.exec(await ask("sb 0", "p agblocks"))?.[1]);
  const told = await ask("freesp -d");
  return [...told.matchAll(/^ *(\d+) +(\d+) +(\d+)$/gm)]
    .map(([, group, block, count]): [number, number] => [
      Number(group) * groupBlocks + Number(block),
      Number(count),
    ])
    .sort(([one], [other]) => one - other);
}
