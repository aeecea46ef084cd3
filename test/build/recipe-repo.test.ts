import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeRecipeRepo } from "../../src/build/recipe-repo.ts";
import { localHost } from "../../src/host/local.ts";

const host = localHost();
let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-repo-"));
});
afterEach(() => rm(folder, { recursive: true }));

const git = (...args: string[]) => host.run(["git", ...args], { cwd: folder });

it("a recipe repo that a kill left without some files, and not in git, is completed by the next run", async () => {
  const files = await makeRecipeRepo(host, folder);
  await git("rm", "-r", "-q", "--cached", ".");
  for (const file of ["recipes/ol6-grid.yaml", "README.md"]) await rm(join(folder, file));
  await writeFile(join(folder, "recipes/.tbuild-part-1-2-3-00000000-abcdef"), "half");
  expect(await makeRecipeRepo(host, folder)).toEqual(files);
  expect((await git("ls-files")).stdout.trim().split("\n").sort()).toEqual(files);
  await expect(makeRecipeRepo(host, folder)).rejects.toThrow("already contains recipes");
});

it("recipes of somebody else are refused, whether git knows them or not", async () => {
  await mkdir(join(folder, "recipes"));
  await writeFile(join(folder, "recipes/ol6-grid.yaml"), "name: mine\n");
  await expect(makeRecipeRepo(host, folder)).rejects.toThrow("already contains recipes");
  expect((await git("status", "--porcelain").catch(() => ({ stdout: "no repo" }))).stdout).toBe("no repo");
});
