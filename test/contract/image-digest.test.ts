import { copyFile, mkdtemp, open, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { host, sha256Of } from "./dirty-image.ts";

// Most tests for identical bytes depend on this digest.
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-digest-"));
});
afterEach(() => rm(folder, { recursive: true }));

const mebibyte = 1048576;

async function sample(
  name: string,
  at: number,
  bytes: Uint8Array,
  size = 8 * mebibyte + 777,
): Promise<string> {
  const path = join(folder, name);
  await using file = await open(path, "w");
  await file.truncate(size);
  await file.write(bytes, 0, bytes.length, at);
  return path;
}

it("is the same for the same bytes, with holes and without", async () => {
  const sparse = await sample("sparse", 3 * mebibyte + 5, Buffer.from("data"));
  const whole = join(folder, "whole");
  await host.run(["cp", "--sparse=never", sparse, whole]);
  expect(await sha256Of(whole)).toBe(await sha256Of(sparse));
});

it("differs for one bit, for a place, a size, and at the end", async () => {
  const bytes = Buffer.from("data");
  const made = [
    await sample("a", 3 * mebibyte, bytes),
    await sample("bit", 3 * mebibyte, Buffer.from("dat`")),
    await sample("place", 3 * mebibyte + 4096, bytes),
    await sample("byte", 3 * mebibyte + 1, bytes),
    await sample("end", 8 * mebibyte + 773, bytes),
    await sample("nothing", 0, Buffer.alloc(1)),
  ];
  const longer = join(folder, "longer");
  await copyFile(made[0] ?? "", longer);
  await truncate(longer, 9 * mebibyte);
  const digests = await Promise.all([...made, longer].map(sha256Of));
  expect(new Set(digests).size).toBe(7);
});
