import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inGroups } from "../../src/build/lineage.ts";
import type { OpenedSite } from "../../src/build/opened-site.ts";
import { Site } from "../../src/recipe/site.ts";

describe("the order in which recipes are built", () => {
  let root = "";
  const recipe = (name: string, from?: string) =>
    writeFile(
      join(root, `${name}.yaml`),
      `extends: ol6-base\nname: ${name}\n${from === undefined ? "" : `from: ${from}\n`}`,
    );
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "tbuild-lineage-"));
    await recipe("base");
    await recipe("web", "base");
    await recipe("shop", "web");
    await recipe("till", "web@1.0.0");
    await recipe("image", "../System.img");
    await recipe("elsewhere", "nowhere");
    await recipe("again", "again@1.0.0");
    await recipe("ring-one", "ring-two");
    await recipe("ring-two", "ring-one");
    await writeFile(join(root, "broken.yaml"), "name: [\n");
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  const order = (names: string, withBases = false) =>
    inGroups(
      { recipes: root, kickstarts: root, values: [], site: Site.parse({}) } as unknown as OpenedSite,
      names.split(" "),
      withBases,
    );

  it.each([
    ["base ol6-base", [["base", "ol6-base"]]],
    ["shop base web", [["base"], ["web"], ["shop"]]],
    ["shop", [["shop"]]],
    ["till web", [["web"], ["till"]]],
    ["image elsewhere", [["image", "elsewhere"]]],
    ["again", [["again"]]],
    ["shop broken nosuch", [["shop", "broken", "nosuch"]]],
  ])("is by lineage: %s", async (names, groups) => {
    expect(await order(names)).toEqual(groups);
  });

  it.each([
    ["shop", [["base"], ["web"], ["shop"]]],
    ["shop image", [["base", "image"], ["web"], ["shop"]]],
    ["elsewhere", [["elsewhere"]]],
    // A fixed version is not built again.
    ["till", [["till"]]],
  ])("includes the bases, if asked: %s", async (names, groups) => {
    expect(await order(names, true)).toEqual(groups);
  });

  it("has no beginning if recipes start from each other", async () => {
    await expect(order("ring-one", true)).rejects.toThrow(
      "start from each other: ring-one, ring-two, ring-one",
    );
  });
});
