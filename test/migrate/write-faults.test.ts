import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { firstFault, TbuildError } from "../../src/errors.ts";
import { localHost } from "../../src/host/local.ts";
import { machineOfConfig } from "../../src/migrate/describe.ts";
import { planMigration } from "../../src/migrate/plan.ts";
import { shipmentFor, writeMachine } from "../../src/migrate/run.ts";
import { readVmCfg } from "../../src/vm-cfg/document.ts";
import { machineOf } from "../../src/vm-cfg/machine.ts";
import { countCalls, Killed, withFault } from "../fakes/failing-calls.ts";

vi.mock("node:fs/promises", async (original) =>
  (await import("../fakes/failing-calls.ts")).failing(await original()),
);

const host = localHost();
let folder: string;
let out: string;
let disk: string;
beforeEach(async () => {
  folder = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "tbuild-migrate-"));
  [out, disk] = [join(folder, "out"), join(folder, "sys.img")];
  await writeFile(disk, randomBytes(1 << 16));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function migrated(format: "libvirt" | "xva") {
  const said = machineOf(
    readVmCfg(`name = 'db1'\nmemory = 512\nvcpus = 1\ndisk = ['file:${disk},xvda,w']\n`),
  );
  const located = said.disks.map((entry) => ({ entry, file: disk }));
  const machine = machineOfConfig(said, located, "fallback", false);
  const nothing = { disks: new Map(), networks: new Map() };
  const plan = planMigration({ machine }, format, nothing);
  const shipment = await shipmentFor(host, plan, undefined, { tbuild: "1", now: "2026-01-01T00:00:00Z" });
  return writeMachine(plan, shipment, { out, tbuild: "1", now: "2026-01-01T00:00:00Z" });
}

describe.each([
  ["libvirt", "db1"],
  ["xva", "db1.xva"],
] as const)("a migrated machine, as %s", (format, name) => {
  const write = () => migrated(format);

  it("is whole or absent, and nothing else is left, whatever the system refuses", async () => {
    const calls = await countCalls(out, write);
    expect(calls).toBeGreaterThan(5);
    for (let at = 1; at <= calls; at++) {
      await rm(out, { recursive: true });
      await mkdir(out);
      const code = (["EIO", "ENOSPC", "EDQUOT"] as const)[at % 3] ?? "EIO";
      const { failed, met } = await withFault(out, at, { code }, write);
      // What cannot be removed is removed by the exit, or by the next command.
      const left = (await readdir(out)).filter((one) => one === name || !met?.startsWith("rm "));
      if (failed === undefined) expect(left, met).toEqual([name]);
      else {
        const { fault, message } = firstFault(failed) as TbuildError;
        expect(firstFault(failed), met).toBeInstanceOf(TbuildError);
        expect({ fault, message }, met).toMatchObject({
          fault: "environment",
          message: expect.stringMatching(
            /out(?:\/db1(?:\.xva)?(?:\/SHA256SUMS)?)?: (?:the disk is full|the quota is used up|the disk cannot be read or written)/,
          ),
        });
        // Only its last sync can fail when it is there already.
        expect(left, met).toEqual(met?.startsWith("sync ") && left.length > 0 ? [name] : []);
      }
    }
  });

  it("is whole or absent after a kill at any of its writes", async () => {
    const whole = await fingerprint(await write().then(() => join(out, name)));
    await rm(out, { recursive: true });
    const calls = await countCalls(out, write);
    for (let at = 1; at <= calls; at += format === "xva" ? 1 : 3) {
      await rm(out, { recursive: true, force: true });
      const { failed, met } = await withFault(out, at, "killed", write);
      if (failed !== undefined) expect(firstFault(failed), met).toBeInstanceOf(Killed);
      const there = (await readdir(out).catch((): string[] => [])).includes(name);
      if (!there) await write();
      expect(await fingerprint(join(out, name)), met).toEqual(whole);
    }
  });

  it("overwrites nothing, not even a link that leads nowhere", async () => {
    await mkdir(out);
    await symlink("/none/db1", join(out, name));
    await expect(write()).rejects.toMatchObject({
      fault: "usage",
      message: `${join(out, name)}: already exists; tbuild overwrites nothing`,
    });
    expect(await readdir(out)).toEqual([name]);
  });
});

async function fingerprint(path: string): Promise<string[]> {
  const names = await readdir(path).catch(() => undefined);
  if (names === undefined) return [String((await readFile(path)).length)];
  return Promise.all(
    names.sort().map(async (name) => `${name} ${(await readFile(join(path, name))).length}`),
  );
}
