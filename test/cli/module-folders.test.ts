import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { shipped } from "../../src/build/shipped.ts";
import { moduleFoldersOf } from "../../src/cli/module-folders.ts";

let recipes: string;
beforeEach(async () => {
  recipes = await mkdtemp(join(tmpdir(), "tbuild-module-folders-"));
  await mkdir(join(recipes, "modules/dns"), { recursive: true });
});
afterEach(() => rm(recipes, { recursive: true, force: true }));

describe("a module is named", () => {
  const foldersOf = (...named: string[]) =>
    moduleFoldersOf(
      named,
      new Command().option("--recipes <folder>").parse(["--recipes", recipes], { from: "user" }),
    );
  const own = () => join(recipes, "modules/dns");
  const grid = join(shipped.recipes, "modules/grid");

  it("by its folder, or by its name if recipes can use it", async () => {
    expect(await foldersOf("dns", "grid", own())).toEqual([own(), grid, own()]);
  });

  it("by a name that nothing has, which stays, so that an error can show it", async () => {
    expect(await foldersOf("nosuch")).toEqual(["nosuch"]);
  });

  it("by nothing, for all that recipes can use", async () => {
    expect(await foldersOf()).toEqual(expect.arrayContaining([own(), grid]));
  });
});
