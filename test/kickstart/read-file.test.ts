import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { mayBeKickstart, readKickstartFile } from "../../src/kickstart/read-file.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-kickstart-"));
});
afterAll(() => rm(folder, { recursive: true }));

it("reads a text with comments in any encoding", async () => {
  const file = join(folder, "ks.cfg");
  await writeFile(file, Buffer.from("# Z\xfcrich\nlang en_US\n", "latin1"));
  expect(await readKickstartFile(file)).toMatch(/^# Z.rich\nlang en_US\n$/);
});

it.each([
  ["what is not there", () => join(folder, "no"), /no: no such file/],
  ["a folder", () => folder, /is not a file/],
  ["a device", () => "/dev/zero", /\/dev\/zero: is not a file/],
  ["an image", () => join(folder, "large"), /has 10737418240 bytes, too many/],
  ["a binary", () => join(folder, "binary"), /line 2 contains a zero byte/],
])("refuses %s", async (_name, file, words) => {
  await writeFile(join(folder, "binary"), "a\nb\0c");
  await writeFile(join(folder, "large"), "");
  await truncate(join(folder, "large"), 10 * 2 ** 30);
  await expect(readKickstartFile(file())).rejects.toThrow(words);
});

it.each([
  ["a kickstart", "# OL6\nlang en_US\n", true],
  ["a template of one", "{% if text %}\n{{ layout }}\n", true],
  ["nothing", "\n# nothing\n", true],
  ["JSON", "{}", false],
  ["JSON with values", '{\n  "lang": "en_US"\n}\n', false],
])("knows whether %s may be a kickstart", (_name, text, may) => {
  expect(mayBeKickstart(text)).toBe(may);
});
