import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { explained, isThere, namesIn, textOf } from "../../src/io/durable.ts";
import { fileFault, systemFault } from "../../src/io/file-fault.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-fault-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("an error of the system", () => {
  it.each([
    ["EROFS", "the file system is read-only"],
    ["EACCES", "permission denied"],
    ["EIO", "the disk cannot be read or written (I/O error)"],
    ["EMFILE", "too many files are open in this process (`ulimit -n`)"],
    ["ENOSPC", "the disk is full"],
    ["EDQUOT", "the quota is used up"],
    ["ENAMETOOLONG", "the name is too long"],
    ["ELOOP", "too many symbolic links, or links that form a loop"],
    ["EISDIR", "is a folder"],
    ["ENOTDIR", "part of the path is not a folder"],
  ])("%s is explained in words, with its place, wherever it occurs", (code, words) => {
    const error = Object.assign(new Error(code), { code, syscall: "open", path: "/store/tmp/text" });
    expect(systemFault(error)).toMatchObject({ fault: "environment", message: `/store/tmp/text: ${words}` });
    expect(fileFault(error, "/store")).toMatchObject({ message: `/store/tmp/text: ${words}` });
  });

  it.each([
    [122, "the quota is used up"],
    [116, "the file server has lost the file (stale handle)"],
    [117, "the file system is damaged"],
  ])("%i, for which Node has no name, is told in words too", (errno, words) => {
    const code = `Unknown system error -${errno}`;
    const error = Object.assign(new Error(code), { errno: -errno, code, syscall: "write" });
    expect(fileFault(error, "/store")).toMatchObject({ fault: "environment", message: `/store: ${words}` });
    expect(systemFault(Object.assign(error, { path: "/store/tmp" }))).toMatchObject({ what: words });
    expect(explained(error, "/store")).toMatchObject({ what: words });
  });

  it("is not used for our own bugs", () => {
    expect(systemFault(new TypeError("x is not a function"))).toBeUndefined();
    expect(systemFault(Object.assign(new Error(), { code: "ENOENT", syscall: "open" }))).toBeUndefined();
    expect(systemFault(Object.assign(new Error(), { code: "EACCES" }))).toBeUndefined();
  });

  it("is not taken for an empty folder or an absent file", async () => {
    await symlink("loop", join(folder, "loop"));
    await writeFile(join(folder, "file"), "");
    await expect(namesIn(join(folder, "loop"))).rejects.toThrow(/links that form a loop/);
    await expect(textOf(join(folder, "loop"))).rejects.toThrow(/links that form a loop/);
    await expect(textOf(folder)).rejects.toThrow(/is a folder/);
    expect(await namesIn(join(folder, "none"))).toEqual([]);
    expect(await textOf(join(folder, "none"))).toBeUndefined();
  });
});

it("a file is there or not, or an error says why that is not known", async () => {
  await writeFile(join(folder, "file"), "");
  expect(await isThere(join(folder, "file"))).toBe(true);
  expect(await isThere(join(folder, "none"))).toBe(false);
  expect(await isThere(join(folder, "file", "below"))).toBe(false);
  await symlink("loop", join(folder, "loop"));
  await expect(isThere(join(folder, "loop"))).rejects.toMatchObject({ fault: "environment" });
});
