import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { prepare, prepareDestruction } from "../../src/deploy/deploy.ts";
import { loadDeployment } from "../../src/deploy/load.ts";
import { isIdle } from "../../src/deploy/plan.ts";
import type { DeployEvent } from "../../src/deploy/run.ts";
import { deploymentSchema } from "../../src/deploy/schema.ts";
import type { TbuildError } from "../../src/errors.ts";
import type { Manifest, Parameter } from "../../src/model/manifest.ts";
import { emptyWorld, memoryPlace, type World } from "../fakes/memory-place.ts";
import {
  type Deploying,
  deploy,
  deployTemplate,
  destroy,
  plan,
  rootPassword,
  twoNodes,
} from "./sample-deployment.ts";

const repository = resolve(import.meta.dirname, "../..");

let folder: string;
let options: Deploying;
let world: World;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-deploy-"));
  options = { stateFile: join(folder, "rac.json") };
  world = emptyWorld();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function faultOf(work: Promise<unknown>): Promise<TbuildError> {
  return work.then(
    () => {
      throw new Error("it did not fail");
    },
    (error) => error as TbuildError,
  );
}

const one = (more: string) => `name: one
template: ol6-grid
${more}
values: { com.oracle.linux.root-password: { env: ROOT_PASSWORD } }
`;

describe("a deployment", () => {
  it("sends every value by the rules: secrets unlogged, the root password last", async () => {
    await deploy(memoryPlace(world), twoNodes, options);
    const messages = world.machines.get("rac2")?.messages ?? [];
    expect(
      messages.map(
        ({ key, value, isSecret }) => `${key.replace("com.oracle.linux.", "")}=${isSecret ? "?" : value}`,
      ),
    ).toEqual([
      "org.tbuild.grid.mode=cluster",
      "network.device.0=eth0",
      "network.onboot.0=yes",
      "network.bootproto.0=static",
      "network.ipaddr.0=192.0.2.12",
      "network.netmask.0=255.255.255.0",
      "network.gateway.0=192.0.2.1",
      "network.hostname=rac2",
      "root-password=?",
    ]);
    expect(messages.at(-1)?.value).toBe(rootPassword);
    expect(world.groups.get("rac-apart-1")).toEqual(["rac1", "rac2"]);
  });

  it("keeps no secret in its state, and shows none", async () => {
    const events: DeployEvent[] = [];
    await deploy(memoryPlace(world), twoNodes, { ...options, report: (event) => events.push(event) });
    const told = `${await readFile(options.stateFile, "utf8")}${JSON.stringify(events)}`;
    expect(told).not.toContain(rootPassword);
    expect(events.map(({ about, text }) => `${about}: ${text}`)).toContain("rac1: configured");
    expect(await readdir(folder)).toEqual(["rac.json"]);
  });

  it("starts machines in their order, each group when the one before is configured", async () => {
    const text = one(`machines: [{ name: "vm[1-4]" }]\nstart: [[vm3], [vm1, vm2]]`);
    await deploy(memoryPlace(world), text, options);
    expect(world.started[0]).toBe("vm3");
    expect(world.started.slice(1, 3).sort()).toEqual(["vm1", "vm2"]);
    expect(world.started[3]).toBe("vm4");
  });

  it("does not start machines after one that failed, and says what to do", async () => {
    const text = one(`machines: [{ name: "vm[1-3]" }]\nstart: [[vm1, vm2], [vm3]]`);
    world.failing.add("vm1");
    const fault = await faultOf(deploy(memoryPlace(world), text, options));
    expect(fault.message).toBe("vm1: its first-boot configuration failed: no such device");
    expect(fault).toMatchObject({ fault: "guest", hint: expect.stringContaining("--replace vm1") });
    expect([...world.started].sort()).toEqual(["vm1", "vm2"]);
    const again = await plan(memoryPlace(world), text, options);
    expect(again.plan.machines[0]?.notes.join()).toContain("its first boot failed (no such device)");
    world.failing.clear();
    await deploy(memoryPlace(world), text, { ...options, replace: ["vm1"] });
    expect(isIdle((await plan(memoryPlace(world), text, options)).plan)).toBe(true);
  });

  it("says that the result is unknown if a guest reports nothing, but only if told not to wait", async () => {
    world.silent.add("vm1");
    const text = one(`machines: [{ name: vm1 }]\nfirstBoot: { timeout: 10, confirm: none, wait: 0 }`);
    const { unconfirmed } = await deploy(memoryPlace(world), text, options);
    expect(unconfirmed).toEqual(["vm1"]);
    expect(isIdle((await plan(memoryPlace(world), text, options)).plan)).toBe(true);
  });

  it("waits as much longer as the place takes", async () => {
    world.silent.add("vm1");
    const text = one(`machines: [{ name: vm1 }]\nfirstBoot: { timeout: 10, confirm: report }`);
    const fault = await faultOf(deploy({ ...memoryPlace(world), patience: 0.2 }, text, options));
    expect(fault.message).toBe("vm1: its first boot reported nothing within 2 s");
  });

  it("refuses a revoked version for new machines, and keeps existing ones", async () => {
    const revoked = async () => ({
      manifest: deployTemplate,
      isHere: true,
      revoked: "on 2026-11-01: CVE-2026-1",
    });
    const fault = await faultOf(deploy(memoryPlace(world), twoNodes, { ...options, version: revoked }));
    expect(fault.message).toBe("ol6-grid@1.0.0: was revoked on 2026-11-01: CVE-2026-1");
    await deploy(memoryPlace(world), twoNodes, { ...options, version: revoked, allowRevoked: true });
    expect(isIdle((await plan(memoryPlace(world), twoNodes, { ...options, version: revoked })).plan)).toBe(
      true,
    );
  });

  it("keeps machines of an older version, and says so", async () => {
    await deploy(memoryPlace(world), twoNodes, options);
    const newer = async () => ({ manifest: { ...deployTemplate, version: "1.1.0" }, isHere: true });
    const { plan: planned } = await plan(memoryPlace(world), twoNodes, { ...options, version: newer });
    expect(isIdle(planned)).toBe(true);
    expect(planned.machines[0]?.notes).toEqual([
      "it was made from ol6-grid@1.0.0; --replace rac1 makes it from ol6-grid@1.1.0",
    ]);
  });

  it("names what a place cannot do, before it makes anything", async () => {
    const abilities = { sharedDisks: false, mostNics: 0, messages: [], antiAffinity: { why: "one server" } };
    const fault = await faultOf(deploy(memoryPlace(world, { abilities }), twoNodes, options));
    expect(fault.lines).toEqual([
      expect.stringMatching(/^sample.yaml:3:1: shared: this place cannot share disks between machines/),
      "sample.yaml:8:5: values: first-boot messages of this place do not reach tbuild's additions",
      expect.stringMatching(/machines.0.nics: rac1 would have 1 vnic; here a machine has 0 at most/),
      expect.stringMatching(/rac2 would have 1 vnic/),
    ]);
    expect([...world.machines.keys(), ...world.disks.keys()]).toEqual([]);
  });

  it("names every fault of a file with its line", async () => {
    const text = `name: bad
template: ol6-grid
machines:
  - { name: vm1, nics: [{ network: publik, mac: "01:21:f6:00:00:01" }] }
  - { name: vm1, shared: [asm1], memory: lots }
start: [[vm9]]
values: { org.tbuild.grid.mod: x, com.oracle.linux.root-password: hunter2hunter2 }
`;
    expect((await faultOf(plan(memoryPlace(world), text, options))).lines).toEqual([
      'sample.yaml:5:42: machines.1.memory: "lots" is not a size such as 500M, 12G or 2T',
    ]);
    const shaped = text.replace("memory: lots", "memory: 1G");
    expect((await faultOf(plan(memoryPlace(world), shaped, options))).lines).toEqual([
      "sample.yaml:4:49: machines.0.nics.0.mac: is a multicast address",
      "sample.yaml:5:13: machines.1.name: vm1 is also in machines.0",
      "sample.yaml:5:27: machines.1.shared.0: no shared disk has this name; list it under `shared`",
      'sample.yaml:6:10: start.0.0: no machine has this name; did you mean "vm1"?',
    ]);
    const told = await faultOf(
      plan(memoryPlace(world), one("machines: [{ name: vm1, nics: [{ network: publik }] }]"), options),
    );
    expect(told.lines).toEqual([
      'sample.yaml:3:43: machines.0.nics.0.network: there is no network publik; did you mean "public"?',
    ]);
  });

  it("refuses first-boot values without the root password, because the guest would wait forever", async () => {
    const text =
      "name: one\ntemplate: ol6-grid\nmachines: [{ name: vm1, values: { org.tbuild.grid.mode: none } }]\n";
    expect((await faultOf(plan(memoryPlace(world), text, options))).lines[0]).toContain(
      "com.oracle.linux.root-password: vm1 has first-boot values, but not this one",
    );
  });

  it("destroys nothing that was renamed or copied outside tbuild, and says what to do", async () => {
    await deploy(memoryPlace(world), twoNodes, options);
    const place = memoryPlace(world);
    const [rac1, u01] = [world.machines.get("rac1"), world.disks.get("rac1-u01")];
    if (!rac1 || !u01) throw new Error("not made");
    world.machines.delete("rac1");
    world.machines.set("old-rac1", rac1);
    world.disks.set("backup", u01);
    const lines = [
      "machine old-rac1: has this deployment's mark, but tbuild gave none this name",
      "disk backup: has this deployment's mark, but tbuild gave none this name",
      "Give back its name to what was renamed, and remove the mark from the description of a copy.",
    ];
    const before = structuredClone([...world.machines.keys()]);
    expect((await faultOf(plan(place, twoNodes, options))).lines).toEqual(lines);
    expect((await faultOf(prepareDestruction(place, options.stateFile, "rac"))).lines).toEqual(lines);
    expect([...world.machines.keys()]).toEqual(before);
    world.machines.delete("old-rac1");
    world.machines.set("rac1", rac1);
    world.disks.delete("backup");
    expect(isIdle((await plan(place, twoNodes, options)).plan)).toBe(true);

    const twice = {
      ...place,
      async look(...asked: Parameters<typeof place.look>) {
        const seen = await place.look(...asked);
        return { ...seen, machines: [...seen.machines, ...seen.machines.slice(0, 1)] };
      },
    };
    expect((await faultOf(plan(twice, twoNodes, options))).lines[0]).toMatch(
      /^machine rac\d: there are several with this name and this deployment's mark$/,
    );
  });

  it("destroys nothing if a disk was given to another machine after the plan", async () => {
    await deploy(memoryPlace(world), twoNodes, options);
    const planned = await prepareDestruction(memoryPlace(world), options.stateFile, "rac");
    const rac1 = world.machines.get("rac1");
    if (!rac1 || !planned) throw new Error("not made");
    const disks = [{ slot: 1, disk: "disk:rac-asm1", mode: "shared" as const }];
    world.machines.set("backup", { ...rac1, mark: undefined, disks });
    const before = [[...world.machines.keys()], [...world.disks.keys()]];
    const run = { signal: new AbortController().signal, report: () => {}, resolve: async () => "" };
    const refused = await faultOf(planned.carryOut(run));
    expect(refused.lines).toEqual([
      "disk rac-asm1: the machine backup uses it, too, and this deployment did not make that machine",
    ]);
    expect(refused.hint).toBe(
      "Nothing was destroyed. Detach these disks from the machines, and run it again.",
    );
    expect([[...world.machines.keys()], [...world.disks.keys()]]).toEqual(before);
    world.machines.delete("backup");
    await destroy(memoryPlace(world), options);
    expect(world.machines.size).toBe(0);
  });

  it("says before it destroys a group that somebody added a machine to it", async () => {
    await deploy(memoryPlace(world), twoNodes, options);
    const [name = "", members = []] = [...world.groups][0] ?? [];
    world.groups.set(name, [...members, "web1"]);
    const planned = await prepareDestruction(memoryPlace(world), options.stateFile, "rac");
    expect(planned?.plan.groups).toMatchObject([{ action: "destroy", drift: ["web1 was added"] }]);
  });

  it("puts a shared disk that was moved outside tbuild back to its slot", async () => {
    await deploy(memoryPlace(world), twoNodes, options);
    const slots = (name: string) =>
      Object.fromEntries((world.machines.get(name)?.disks ?? []).map((one) => [one.disk, one.slot]));
    const before = slots("rac1");
    const moved = (name: string, to: number) => {
      const disk = world.machines.get(name)?.disks.find((one) => one.disk === "disk:rac-asm2");
      if (disk) disk.slot = to;
    };
    moved("rac1", 9);
    const { plan: made } = await plan(memoryPlace(world), twoNodes, options);
    expect(made.machines.map(({ name, details }) => [name, details])).toEqual([
      ["rac1", ["remove disk rac-asm2 from slot 9", "add disk rac-asm2 in slot 2, shared"]],
      ["rac2", []],
    ]);
    expect(made.machines[0]?.drift).toContain("disk rac-asm2 is gone from slot 2");
    await deploy(memoryPlace(world), twoNodes, options);
    expect(slots("rac1")).toEqual(before);

    // Its slot in one machine is taken in the other, both ways.
    for (const [name, disk] of [
      ["rac1", "disk:rac1-u01"],
      ["rac2", "disk:rac2-u01"],
    ] as const) {
      const own = world.machines.get(name)?.disks.find((one) => one.disk === disk);
      if (own) own.slot = name === "rac1" ? 2 : 9;
    }
    moved("rac1", 9);
    expect((await faultOf(plan(memoryPlace(world), twoNodes, options))).lines).toEqual([
      "sample.yaml:3:1: shared: asm2 is not in the same slot in all machines that use it, and none of these slots is free in all",
    ]);
  });

  it("does not resize disks, and says what to do", async () => {
    await deploy(memoryPlace(world), twoNodes, options);
    const fault = await faultOf(
      plan(memoryPlace(world), twoNodes.replace("asm1, size: 1G", "asm1, size: 3G"), options),
    );
    expect(fault.lines).toEqual([
      expect.stringContaining("disk rac-asm1: has 1 GiB, but the file says 3 GiB"),
    ]);
  });

  it.each([
    [
      "of a newer version",
      (text: string) => text.replace('"schema": 1', '"schema": 2'),
      /newer version of tbuild/,
    ],
    ["that breaks off", (text: string) => text.slice(0, 50), /is not the state of a deployment/],
    ["without content", () => "", /is not the state of a deployment/],
    ["of another deployment", (text: string) => text.replace('"rac"', '"web"'), /another deployment: web/],
  ])("neither changes nor destroys anything with a state %s", async (_, change, message) => {
    await deploy(memoryPlace(world), twoNodes, options);
    await writeFile(options.stateFile, change(await readFile(options.stateFile, "utf8")));
    expect((await faultOf(plan(memoryPlace(world), twoNodes, options))).message).toMatch(message);
    const destruction = prepareDestruction(memoryPlace(world), options.stateFile, "rac");
    expect((await faultOf(destruction)).message).toMatch(message);
    expect([...world.machines.keys()]).toEqual(["rac1", "rac2"]);
  });

  it("does not run twice at the same time", async () => {
    const prepared = await plan(memoryPlace(world), twoNodes, options);
    await deploy(memoryPlace(world), twoNodes, options);
    const fault = await faultOf(
      prepared.carryOut({
        resolve: async () => "x",
        signal: new AbortController().signal,
        report: () => {},
      }),
    );
    expect(fault.what).toBe("changed while this run was being planned");
  });

  it("plans and applies 50 machines", async () => {
    const text = one(
      `machines: [{ name: "vm[01-50]", nics: [{ network: public, address: "192.0.2.{number}/24" }] }]`,
    );
    const { prepared } = await deploy(memoryPlace(world), text, options);
    expect(prepared.plan.machines).toHaveLength(50);
    expect(new Set([...world.machines.values()].map(({ nics }) => nics[0]?.mac)).size).toBe(50);
    expect(world.machines.get("vm07")?.configured[0]?.["com.oracle.linux.network.ipaddr.0"]).toBe(
      "192.0.2.7",
    );
  });
});

describe("docs/examples", () => {
  const grid = ["mode", "cluster-name", "scan-name", "nodes", "asm-disks"];
  const network = ["host.0", "device.0", "dns-servers.0", "dns-search-domains.0"];
  const parameter = (key: string, module: string): Parameter => ({
    key,
    module,
    description: "",
    required: false,
    hidden: false,
    password: false,
  });
  const template: Manifest = {
    ...deployTemplate,
    contract: [
      ...deployTemplate.contract.filter(({ key }) => key !== "org.tbuild.grid.mode"),
      ...grid.map((name) => parameter(`org.tbuild.grid.${name}`, "grid")),
      ...network.map((name) => parameter(`com.oracle.linux.network.${name}`, "network")),
    ],
  };

  it.each(["standalone.yaml", "rac-2node.yaml"])("%s can be planned without a warning", async (name) => {
    const place = memoryPlace(world);
    const open = {
      ...place,
      surroundings: async () => ({
        networks: ["public", "interconnect"],
        storage: undefined,
        servers: undefined,
      }),
    };
    const prepared = await prepare(await loadDeployment(join(repository, "docs/examples", name)), {
      place: open,
      stateFile: options.stateFile,
      version: async () => ({ manifest: template, isHere: true }),
    });
    expect(prepared.warnings).toEqual([]);
    expect(prepared.plan.machines.every(({ action }) => action === "create")).toBe(true);
  });

  it("has the schema that docs/deploy.schema.json shows", async () => {
    const kept = JSON.parse(await readFile(join(repository, "docs/deploy.schema.json"), "utf8"));
    expect(kept).toEqual(JSON.parse(JSON.stringify(deploymentSchema())));
  });
});
