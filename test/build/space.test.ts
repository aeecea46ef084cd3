import { mkdir, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { homeAt } from "../../src/build/home.ts";
import { bytesIn, usedSpace } from "../../src/build/space.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-space-"));
});
afterEach(() => rm(folder, { recursive: true }));

it("counts the disk space of files, not their holes", async () => {
  const sparse = await open(join(folder, "sparse"), "w");
  await sparse.truncate(1 << 30);
  await sparse.close();
  await writeFile(join(folder, "full"), Buffer.alloc(1 << 20, 1));
  const bytes = await bytesIn(folder);
  expect(bytes).toBeGreaterThanOrEqual(1 << 20);
  expect(bytes).toBeLessThan(2 << 20);
  expect(await bytesIn(join(folder, "nothing"))).toBe(0);
});

it("lists tbuild's folders, the largest first, without empty ones", async () => {
  const home = homeAt(folder);
  await mkdir(home.bundles);
  await mkdir(home.store);
  await writeFile(join(home.bundles, "a"), Buffer.alloc(1 << 20, 1));
  await writeFile(join(home.store, "b"), Buffer.alloc(1 << 16, 1));
  expect((await usedSpace(home)).map(({ what }) => what)).toEqual(["bundles", "store"]);
});
