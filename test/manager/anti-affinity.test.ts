import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Place } from "../../src/deploy/place.ts";
import { managerPlace } from "../../src/deploy/places/oracle-vm/oracle-vm.ts";
import { isIdle } from "../../src/deploy/plan.ts";
import { localHost } from "../../src/host/local.ts";
import type { SimulatorSettings } from "../../src/manager/simulator/settings.ts";
import { type Simulator, startSimulator } from "../../src/manager/simulator/simulator.ts";
import { deploy, destroy, plan } from "../deploy/sample-deployment.ts";
import { openOn, optionsFor } from "./open.ts";

const file = (nodes: number, apart = true) => `name: rac
template: place:OVM_OL6
machines: [{ name: "rac[1-${nodes}]", memory: 1G, nics: [{ network: public }] }]
${apart && nodes > 1 ? `apart: [[${Array.from({ length: nodes }, (_, at) => `rac${at + 1}`).join(", ")}]]` : ""}
`;

let folder: string;
let simulator: Simulator;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-apart-"));
});
afterEach(async () => {
  await simulator[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function start(settings: Partial<SimulatorSettings>, via: "ssh" | "rest" = "ssh") {
  simulator = await startSimulator({ settings, host: localHost() });
  const { world } = simulator;
  const options = optionsFor(simulator, { via, repository: "repo1", guestSeconds: 0 });
  const open = async (): Promise<Place> =>
    managerPlace(await openOn(options), options, { signal: new AbortController().signal, folder });
  return { world, open, deploying: { stateFile: join(folder, "rac.json"), stopGraceMs: 100 } };
}

const groupsIn = () =>
  simulator.world.all("AntiAffinityGroup").map(({ id, description }) => ({
    description,
    machines: simulator.world
      .all("AntiAffinityMember")
      .flatMap(({ name, is }) => (is.group === id ? [name] : []))
      .sort(),
  }));

describe.each([
  { version: "3.2.11.775", showsMembers: true, refusesMembers: true },
  { version: "3.3.4.1094", showsMembers: true, refusesMembers: false },
  { version: "3.4.5.1919", showsMembers: true, refusesMembers: true },
  { version: "3.4.5.1919", showsMembers: false, refusesMembers: false },
])("machines that are kept apart, on %o", ({ showsMembers, ...settings }) => {
  it("are in a group, run on different servers, and leave nothing", async () => {
    const { world, open, deploying } = await start({ showsMembers, ...settings });
    const before = world.inventory();
    const first = await plan(await open(), file(2), deploying);
    expect(first.plan.groups).toMatchObject([{ name: "rac-apart-1", action: "create", drift: [] }]);
    expect(groupsIn()).toEqual([]);
    await deploy(await open(), file(2), deploying);
    expect(groupsIn()).toEqual([
      { machines: ["rac1", "rac2"], description: expect.stringMatching(/^tbuild deployment rac \[/) },
    ]);
    const servers = world.all("Vm").flatMap(({ is }) => is.startedOn ?? []);
    expect(new Set(servers).size).toBe(2);
    expect(isIdle((await plan(await open(), file(2), deploying)).plan)).toBe(true);

    // Somebody else changes it.
    for (const one of world.all("AntiAffinityMember")) if (one.name === "rac2") world.objects.delete(one.id);
    if (showsMembers) {
      const { plan: planned } = await plan(await open(), file(2), deploying);
      expect(planned.groups).toMatchObject([{ action: "change", drift: ["rac2 was removed"] }]);
      await deploy(await open(), file(2), deploying);
      expect(groupsIn()).toMatchObject([{ machines: ["rac1", "rac2"] }]);
    }
    for (const one of [...world.all("AntiAffinityMember"), ...world.all("AntiAffinityGroup")])
      world.objects.delete(one.id);
    const gone = await plan(await open(), file(2), deploying);
    expect(gone.plan.groups).toMatchObject([{ action: "create", drift: ["was removed outside tbuild"] }]);
    await deploy(await open(), file(2), deploying);
    expect(groupsIn()).toMatchObject([{ machines: ["rac1", "rac2"] }]);

    // A recreated machine joins the group again.
    await deploy(await open(), file(2), { ...deploying, replace: ["rac2"] });
    expect(groupsIn()).toMatchObject([{ machines: ["rac1", "rac2"] }]);
    expect(isIdle((await plan(await open(), file(2), deploying)).plan)).toBe(true);

    const { plan: without } = await plan(await open(), file(2, false), deploying);
    expect(without.groups).toMatchObject([{ name: "rac-apart-1", action: "destroy" }]);
    await deploy(await open(), file(2, false), deploying);
    expect(groupsIn()).toEqual([]);
    await deploy(await open(), file(2), deploying);
    await destroy(await open(), deploying);
    expect(world.inventory()).toEqual(before);
  });
});

describe("machines that cannot be kept apart", () => {
  it("are refused before anything is made: there are not enough servers", async () => {
    const { world, open, deploying } = await start({});
    const before = world.inventory();
    await expect(deploy(await open(), file(3), deploying)).rejects.toMatchObject({
      lines: [expect.stringContaining("3 machines cannot be kept apart on 2 servers")],
    });
    expect(world.inventory()).toEqual(before);
  });

  it("run on one server already: the error says what to do, and the next run finishes", async () => {
    const { world, open, deploying } = await start({});
    await deploy(await open(), file(2, false), deploying);
    const error = await deploy(await open(), file(2), deploying).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      hint: expect.stringContaining("stop one of them"),
      lines: [expect.stringContaining("runs on the same server")],
    });
    const rac2 = world.all("Vm").find(({ name }) => name === "rac2");
    const place = await open();
    await place.stop(rac2?.id ?? "", { graceMs: 100 });
    await deploy(place, file(2), deploying);
    expect(isIdle((await plan(await open(), file(2), deploying)).plan)).toBe(true);
    expect(new Set(world.all("Vm").flatMap(({ is }) => is.startedOn ?? [])).size).toBe(2);
  });

  it("are deployed all the same over REST, with a warning", async () => {
    const { open, deploying } = await start({ version: "3.4.5.1919" }, "rest");
    const { warnings } = await plan(await open(), file(2), deploying);
    expect(warnings.join("\n")).toContain(
      "machines cannot be kept apart here: only the CLI is known to support this",
    );
  });
});
