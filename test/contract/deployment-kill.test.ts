import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isIdle } from "../../src/deploy/plan.ts";
import { deploy, destroy, plan, rootPassword, twoNodes } from "../deploy/sample-deployment.ts";
import { emptyWorld, Killed, memoryPlace, type World } from "../fakes/memory-place.ts";

const grown = twoNodes
  .replace("rac[1-2]", "rac[1-3]")
  .replace("disks: [{ name: u01, size: 2G }]", "disks: [{ name: u01, size: 2G }, { name: u02, size: 1G }]");

let folder: string;
let stateFile: string;
beforeEach(async () => {
  // Thousands of states are written, each synced.
  folder = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "tbuild-deploy-"));
  stateFile = join(folder, "rac.json");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A clock that kills at its n-th tick; without a number it only counts. */
function clock(killAt = Number.POSITIVE_INFINITY) {
  let ticks = 0;
  return {
    count: () => ticks,
    tick: () => {
      ticks++;
      if (ticks >= killAt) throw new Killed();
    },
  };
}

/** Runs, killed at each of the ticks one after the other, and then to the end. */
async function throughKills(world: World, text: string, kills: readonly number[]): Promise<void> {
  for (const at of kills) {
    const { tick } = clock(at);
    await deploy(memoryPlace(world, { tick }), text, { stateFile }).catch((error) => {
      if (!(error instanceof Killed)) throw error;
    });
  }
  await deploy(memoryPlace(world), text, { stateFile });
}

async function expectWhole(world: World, text: string, nodes: number): Promise<void> {
  const after = await plan(memoryPlace(world), text, { stateFile });
  expect(
    isIdle(after.plan),
    JSON.stringify(after.plan.machines.map((one) => [one.action, one.details])),
  ).toBe(true);
  expect(after.plan.machines.flatMap(({ drift }) => drift)).toEqual([]);
  // Nothing exists twice or unasked.
  expect([...world.made].sort()).toEqual([...new Set(world.made)].sort());
  expect([...world.machines.keys()].sort()).toEqual(["rac1", "rac2", "rac3"].slice(0, nodes));
  for (const machine of world.machines.values()) {
    expect(machine.state).toBe("running");
    expect(machine.configured).toHaveLength(1);
    expect(machine.configured[0]).toMatchObject({
      "org.tbuild.grid.mode": "cluster",
      "com.oracle.linux.root-password": rootPassword,
    });
    expect(Object.keys(machine.configured[0] ?? {}).at(-1)).toBe("com.oracle.linux.root-password");
  }
  const shared = [...world.machines.values()].map(({ disks }) =>
    disks.filter(({ mode }) => mode === "shared").sort((a, b) => a.slot - b.slot),
  );
  for (const one of shared) expect(one).toEqual(shared[0]);
  expect(shared[0]?.map(({ disk }) => disk)).toEqual(["disk:rac-asm1", "disk:rac-asm2", "disk:rac-asm3"]);
  expect(await readFile(stateFile, "utf8")).not.toContain(rootPassword);
}

async function ticksOf(text: string, before: readonly string[] = []): Promise<number> {
  const world = emptyWorld();
  for (const earlier of before) await deploy(memoryPlace(world), earlier, { stateFile });
  const { tick, count } = clock();
  await deploy(memoryPlace(world, { tick }), text, { stateFile });
  await rm(stateFile);
  return count();
}

describe("a deployment that is killed", () => {
  it("is finished by the next run, wherever the first run was killed", async () => {
    const ticks = await ticksOf(twoNodes);
    expect(ticks).toBeGreaterThan(60);
    for (let at = 1; at <= ticks; at++) {
      const world = emptyWorld();
      await throughKills(world, twoNodes, [at]);
      await expectWhole(world, twoNodes, 2);
      await rm(stateFile);
    }
  });

  it("is finished after 100 random series of kills, in making and in changing", async () => {
    const random = seeded(20261129);
    for (let round = 0; round < 100; round++) {
      const world = emptyWorld();
      const some = () => Array.from({ length: 1 + random(3) }, () => 1 + random(90));
      await throughKills(world, twoNodes, some());
      await expectWhole(world, twoNodes, 2);
      await throughKills(world, grown, some());
      await expectWhole(world, grown, 3);
      await rm(stateFile);
    }
  });

  it("is destroyed completely, wherever the destruction was killed", async () => {
    const random = seeded(7);
    for (let round = 0; round < 60; round++) {
      const world = emptyWorld();
      // Half of them were never finished.
      const { tick } = clock(round % 2 === 0 ? 1 + random(90) : undefined);
      await deploy(memoryPlace(world, { tick }), twoNodes, { stateFile }).catch(() => {});
      for (let kill = 0; kill < 3; kill++)
        await destroy(memoryPlace(world, { tick: clock(1 + random(40)).tick }), { stateFile }).catch(
          () => {},
        );
      await destroy(memoryPlace(world), { stateFile });
      expect([...world.machines.keys(), ...world.disks.keys(), ...world.groups.keys()]).toEqual([]);
      expect(await destroy(memoryPlace(world), { stateFile })).toBeUndefined();
    }
  });

  it("recreates a machine, wherever that was killed", async () => {
    for (let at = 1; at <= 40; at++) {
      const world = emptyWorld();
      await deploy(memoryPlace(world), twoNodes, { stateFile });
      const { tick } = clock(at);
      const options = { stateFile, replace: ["rac1"] };
      const killed = await deploy(memoryPlace(world, { tick }), twoNodes, options).then(
        () => false,
        () => true,
      );
      // A kill before the first action leaves the old machine and no trace of the request.
      await deploy(memoryPlace(world), twoNodes, { stateFile });
      const rac1 = world.machines.get("rac1");
      expect(rac1?.configured).toHaveLength(1);
      expect(rac1?.state).toBe("running");
      if (!killed) expect(world.made.filter((name) => name === "rac1")).toHaveLength(2);
      expect(world.made.filter((name) => name === "rac2")).toHaveLength(1);
      await rm(stateFile);
    }
  });
});

/** Whole numbers below a bound; the same each time (mulberry32). */
function seeded(seed: number): (below: number) => number {
  let a = seed;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
  };
}
