import { mkdir, mkdtemp, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { holderOf, lock, tryLock } from "../../src/host/lock.ts";
import { countCalls, withFault } from "../fakes/failing-calls.ts";

vi.mock("node:fs/promises", async (original) =>
  (await import("../fakes/failing-calls.ts")).failing(await original()),
);

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

  it("of a living process is not taken over if the system does not say now whether it lives", async () => {
    await using _held = await lock(file);
    const attempt = () => tryLock(file);
    const calls = await countCalls("/", attempt, "read");
    expect(calls).toBeGreaterThan(3);
    for (let at = 1; at <= calls; at++) {
      const { failed, met } = await withFault("/", at, { code: "EMFILE" }, attempt, "read");
      if (failed !== undefined)
        expect(failed, met).toMatchObject({
          fault: "environment",
          what: "too many files are open in this process (`ulimit -n`)",
        });
      expect(await attempt(), met).toEqual({ heldBy: process.pid });
    }
  });

  it("that cannot be written is named as what the system refused", async () => {
    for (const [code, words] of [
      ["EROFS", "the file system is read-only"],
      ["ENOSPC", "the disk is full"],
      ["EACCES", "permission denied"],
    ] as const) {
      const taken = await withFault(folder, 1, { code }, () => tryLock(file));
      expect(taken.failed).toMatchObject({ fault: "environment", message: `${file}: ${words}` });
      const held = await lock(file);
      const released = await withFault(folder, 1, { code }, () => held.release());
      expect(released.failed).toMatchObject({ fault: "environment", message: `${file}: ${words}` });
      await held.release();
    }
  });

  it("that is a folder of that name stays, and is named", async () => {
    await mkdir(file);
    await expect(tryLock(file)).rejects.toMatchObject({
      fault: "environment",
      message: `${file}: is a folder, where a lock should be`,
    });
    expect(await readdir(folder)).toEqual(["lock"]);
  });

  it("that is only a file of that name is free", async () => {
    await writeFile(file, "");
    expect("release" in (await tryLock(file))).toBe(true);
  });
});
