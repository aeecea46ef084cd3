import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeFolders } from "../../src/io/folders.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "tbuild-folders-"));
});
afterAll(() => rm(root, { recursive: true }));

describe("folders that are made with those above them", () => {
  it("are there afterwards, and the highest new one is named", async () => {
    expect(await makeFolders(join(root, "a/b/c"), 0o700)).toBe(join(root, "a"));
    expect((await stat(join(root, "a/b/c"))).mode & 0o777).toBe(0o700);
    expect(await makeFolders(join(root, "a/b/c"))).toBeUndefined();
    expect(await makeFolders(join(root, "a/b/d"))).toBe(join(root, "a/b/d"));
  });

  it("are made by many at once", async () => {
    const all = Array.from({ length: 50 }, () => makeFolders(join(root, "x/y/z")));
    await Promise.all(all);
    expect((await stat(join(root, "x/y/z"))).isDirectory()).toBe(true);
  });

  it.each([
    ["below a file", () => join(root, "file/a/b"), /file.*: part of the path is not a folder/],
    ["where a file is", () => join(root, "file"), /file: a file or folder of that name exists/],
    [
      "where a link leads nowhere",
      () => join(root, "link"),
      /link: is a symbolic link to \/none, which does not/,
    ],
    ["below /proc, at once", () => "/proc/nosuch/a", /\/proc\/nosuch: no folder can be made there/],
    ["below /dev/null", () => "/dev/null/a", /\/dev\/null\S*: part of the path is not a folder/],
    ["with a name that is too long", () => join(root, "n".repeat(300)), /the name is too long/],
  ])("%s they are refused with the reason", async (_name, folder, words) => {
    await mkdir(join(root, "unused"), { recursive: true });
    await writeFile(join(root, "file"), "");
    await symlink("/none", join(root, "link")).catch(() => {});
    await expect(makeFolders(folder())).rejects.toThrow(words);
  });
});
