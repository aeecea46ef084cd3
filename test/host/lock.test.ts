import { mkdtemp, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
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
  it("is held by one process, and names it", async () => {
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

  it("of another machine counts as held, whatever process has that number here", async () => {
    const boot = "00000000-0000-4000-8000-000000000000:1";
    for (const pid of [9999999, process.pid]) {
      await symlink(`${pid} 1 ${boot} elsewhere:0123`, file);
      expect(await tryLock(file)).toEqual({ heldBy: pid, on: "elsewhere" });
      await expect(lock(file, { foreignMs: 0 })).rejects.toMatchObject({
        message: `${file}: is held by process ${pid} on elsewhere`,
        fault: "environment",
      });
      await rm(file);
    }
  });

  it("from before this machine's reboot, or of another process with that number, is free", async () => {
    const held = await lock(file);
    const [pid, start, boot, host] = (await readlink(file)).split(" ");
    await held.release();
    for (const text of [
      `${pid} ${start} 00000000-0000-4000-8000-000000000000:1 ${host}`,
      `${pid} 1 ${boot} ${host}`,
      `${pid} 1`,
    ]) {
      await symlink(text, file);
      const got = await tryLock(file);
      expect("release" in got).toBe(true);
      if ("release" in got) await got.release();
    }
    await symlink(`${pid} ${start} ${boot?.split(":")[0]}:7 ${host}`, file);
    expect(await tryLock(file)).toMatchObject({ heldBy: process.pid });
  });

  it("that is only a file of that name is free", async () => {
    await writeFile(file, "");
    expect("release" in (await tryLock(file))).toBe(true);
  });
});
