import { mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { holderOf, lock, tryLock } from "../../src/host/lock.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-lock-"));
  file = join(folder, "lock");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("a lock", () => {
  it("is held by one, and says by whom", async () => {
    const held = await lock(file);
    expect(await tryLock(file)).toEqual({ heldBy: process.pid });
    expect(await holderOf(file)).toBe(process.pid);
    await held.release();
    expect(await readdir(folder)).toEqual([]);
  });

  it("of a dead process is taken over by exactly one of many who want it", async () => {
    for (let round = 0; round < 10; round++) {
      // No process has this pid (pid_max is at most 4194304).
      await symlink(`9999999 ${round}`, file);
      const all = await Promise.all(Array.from({ length: 30 }, () => tryLock(file)));
      const got = all.filter((one) => "release" in one);
      expect(got).toHaveLength(1);
      for (const one of got) await one.release();
      expect(await readdir(folder)).toEqual([]);
    }
  });

  it("that is none, but a file of that name, is nobody's", async () => {
    await writeFile(file, "");
    expect("release" in (await tryLock(file))).toBe(true);
  });
});
