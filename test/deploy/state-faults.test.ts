import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isIdle } from "../../src/deploy/plan.ts";
import { readState } from "../../src/deploy/state.ts";
import { firstFault, TbuildError } from "../../src/errors.ts";
import { buryLocks } from "../fakes/buried-locks.ts";
import { countCalls, type Happening, Killed, withFault } from "../fakes/failing-calls.ts";
import { emptyWorld, memoryPlace, type World } from "../fakes/memory-place.ts";
import { deploy, destroy, plan } from "./sample-deployment.ts";

vi.mock("node:fs/promises", async (original) =>
  (await import("../fakes/failing-calls.ts")).failing(await original()),
);

const text = `name: one
template: ol6-grid
shared: [{ name: asm1, size: 1G }]
machines: [{ name: vm1, shared: [asm1] }]
values: { com.oracle.linux.root-password: { env: ROOT_PASSWORD } }
`;

let parent: string;
let folder: string;
let stateFile: string;
let world: World;
beforeEach(async () => {
  parent = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "tbuild-state-"));
  await restart();
});
afterEach(() => rm(parent, { recursive: true, force: true }));

async function restart() {
  folder = join(parent, "states");
  stateFile = join(folder, "one.json");
  await rm(folder, { recursive: true, force: true });
  world = emptyWorld();
}

const deployed = () => deploy(memoryPlace(world), text, { stateFile });

describe("the state of a deployment", () => {
  const faults: readonly Happening[] = [
    { code: "ENOSPC" },
    { code: "EIO", lasting: true },
    { code: "EROFS", lasting: true },
    { code: "EDQUOT", lasting: true },
    { code: "EMFILE" },
    { code: "EACCES", lasting: true },
  ];

  it("names what the system refused, wherever that happens, and the next run finishes", async () => {
    const calls = await countCalls(folder, deployed);
    expect(calls).toBeGreaterThan(30);
    for (let at = 1; at <= calls; at++) {
      await restart();
      const fault = faults[at % faults.length] ?? "killed";
      const { failed, met } = await withFault(folder, at, fault, deployed);
      // Some calls have no effect that matters, such as a clean-up after a success.
      if (failed !== undefined) expectNamed(failed, met);
      const left = (await readdir(folder).catch(() => [])).filter((name) => name !== "one.json");
      // What cannot be removed stays, of course.
      const mayStay = met?.startsWith("rm ") || (typeof fault === "object" && fault.lasting);
      if (!mayStay) expect(left, met).toEqual([]);
      await buryLocks(folder);
      await expectDoneBy(deployed);
    }
  });

  it("is as before or as after a kill at any of its writes, and the next run finishes", async () => {
    const calls = await countCalls(folder, deployed);
    for (let at = 1; at <= calls; at++) {
      await restart();
      const { failed } = await withFault(folder, at, "killed", deployed);
      if (failed !== undefined) expect(firstFault(failed)).toBeInstanceOf(Killed);
      await buryLocks(folder);
      await expectDoneBy(deployed);
    }
  });

  it("is not forgotten before everything is destroyed, whatever the system refuses meanwhile", async () => {
    await deployed();
    const calls = await countCalls(folder, () => destroy(memoryPlace(world), { stateFile }));
    for (const kind of ["killed", { code: "EIO", lasting: true }] as const)
      for (let at = 1; at <= calls; at += kind === "killed" ? 1 : 3) {
        await restart();
        await deployed();
        const { failed, met } = await withFault(folder, at, kind, () =>
          destroy(memoryPlace(world), { stateFile }),
        );
        if (kind !== "killed" && failed !== undefined) expectNamed(failed, met);
        await buryLocks(folder);
        await destroy(memoryPlace(world), { stateFile });
        expect([...world.machines.keys(), ...world.disks.keys(), ...world.groups.keys()], met).toEqual([]);
        expect(await readState(stateFile)).toBeUndefined();
      }
  });

  it.each<[string, () => Promise<unknown>, RegExp]>([
    ["is a folder", () => mkdir(stateFile), /one\.json: is a folder$/],
    [
      "leads to a file system that is not mounted",
      () => symlink("/none/one.json", stateFile),
      /one\.json: is a symbolic link to \/none\/one\.json, which does not exist$/,
    ],
    [
      "is in a folder that leads nowhere",
      async () => {
        await rm(folder, { recursive: true });
        await symlink("/none", folder);
      },
      /states: is a symbolic link to \/none, which does not exist$/,
    ],
    ["has a loop", () => symlink("one.json", stateFile), /links that form a loop$/],
  ])("that %s is not an absent state: nothing is made or destroyed", async (_what, spoil, words) => {
    await deployed();
    const machines = [...world.made];
    await rm(stateFile);
    await spoil();
    for (const work of [deployed, () => readState(stateFile)])
      await expect(work()).rejects.toMatchObject({
        fault: "environment",
        message: expect.stringMatching(words),
      });
    expect(world.made).toEqual(machines);
  });

  it("says what to do if its lock cannot be taken", async () => {
    await mkdir(`${stateFile}.lock`, { recursive: true });
    await writeFile(join(`${stateFile}.lock`, "file"), "");
    await expect(deployed()).rejects.toMatchObject({
      fault: "environment",
      message: `${stateFile}.lock: is a folder, where a lock should be`,
      hint: "Remove it, or move it away.",
    });
  });
});

function expectNamed(thrown: unknown, met: string | undefined) {
  const failed = firstFault(thrown);
  expect(failed, met).toBeInstanceOf(TbuildError);
  const { fault, message, lines, hint } = failed as TbuildError;
  const said = [message, ...lines].join("\n");
  expect({ fault, said, met }).toMatchObject({ fault: "environment" });
  expect(said, met).toMatch(
    /(?:one\.json|one\.json\.lock|states): (?:the disk is full|the quota is used up|the file system is read-only|permission denied|the disk cannot be read or written|too many files are open)/,
  );
  expect(said, met).not.toMatch(/tbuild-part|E[A-Z]{3,}|that the system did not name/);
  if (/one\.json: /.test(message)) expect(hint, met).toContain("run the same command again");
}

async function expectDoneBy(work: () => Promise<unknown>) {
  await work();
  const { plan: next } = await plan(memoryPlace(world), text, { stateFile });
  expect(isIdle(next)).toBe(true);
  expect([...world.made].sort()).toEqual([...new Set(world.made)].sort());
  for (const machine of world.machines.values()) expect(machine.configured).toHaveLength(1);
}
