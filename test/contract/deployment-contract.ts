import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Place, PlaceAbilities, SeenDisk } from "../../src/deploy/place.ts";
import { isIdle, losses } from "../../src/deploy/plan.ts";
import { type Deploying, deploy, destroy, plan } from "../deploy/sample-deployment.ts";
import { Killed } from "../fakes/memory-place.ts";

/** A place for its contract test. It has the sample's template. */
export interface DeploymentBench {
  /** The place, as each process opens it. */
  open(): Promise<Place>;
  /** Makes a machine of this name outside any deployment. */
  foreign(name: string): Promise<void>;
  isForeignThere(name: string): Promise<boolean>;
  /** Gives a disk to another machine, `borrower`, as somebody could outside tbuild. The result takes it back. */
  lend(disk: SeenDisk): Promise<() => Promise<void>>;
  /** Everything that a deployment could leave: machines, disks, templates. */
  leftovers(): Promise<string[]>;
  /** How long a guest may take to shut down; short if there is no guest. */
  readonly stopGraceMs?: number;
}

const nodes = (more: { nodes?: number; disks?: readonly string[]; memory?: string; own?: string } = {}) => `
name: contract
template: ol6-grid
shared: [${(more.disks ?? ["asm1", "asm2", "asm3"]).map((name) => `{ name: ${name}, size: 8M }`).join(", ")}]
machines:
  - name: node[1-${more.nodes ?? 2}]
    memory: ${more.memory ?? "256M"}
    nics: [{ network: public }, { network: private }]
    disks: [${more.own ?? "{ name: u01, size: 4M }"}]
    shared: [${(more.disks ?? ["asm1", "asm2", "asm3"]).join(", ")}]
${more.nodes === 1 ? "" : "apart: [[node1, node2]]"}
`;

const mark = (id: string) => ({ id, deployment: "contract" });

/** The contract of every place. `make` gets an empty folder, which is removed afterwards. */
export function deploymentContract(
  name: string,
  make: (folder: string) => Promise<DeploymentBench>,
  cleanUp: () => Promise<void> = async () => {},
): void {
  describe(`a deployment on ${name}`, () => {
    let folder: string;
    let bench: DeploymentBench;
    let abilities: PlaceAbilities;
    let options: Deploying;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "tbuild-deployment-"));
      bench = await make(folder);
      abilities = await (await bench.open()).abilities();
      options = {
        stateFile: join(folder, "contract.json"),
        ...(bench.stopGraceMs !== undefined && { stopGraceMs: bench.stopGraceMs }),
      };
    });
    afterAll(async () => {
      await cleanUp();
      await rm(folder, { recursive: true, force: true });
    });

    const actions = async (text: string) => {
      const { plan: planned } = await plan(await bench.open(), text, options);
      return Object.fromEntries(
        [...planned.machines, ...planned.disks].map(({ name: part, action }) => [part, action]),
      );
    };
    const seen = async (id: string) => (await bench.open()).look(mark(id), { machines: [], disks: [] });
    const expectIdle = async (text: string) => {
      const prepared = await plan(await bench.open(), text, options);
      expect(isIdle(prepared.plan), JSON.stringify(prepared.plan.machines)).toBe(true);
      expect(prepared.plan.machines.flatMap(({ drift }) => drift)).toEqual([]);
      return prepared;
    };

    it("plans everything, and makes nothing", async () => {
      expect(await actions(nodes())).toEqual({
        node1: "create",
        node2: "create",
        "contract-asm1": "create",
        "contract-asm2": "create",
        "contract-asm3": "create",
        "node1-u01": "create",
        "node2-u01": "create",
      });
      expect(await bench.leftovers()).toEqual([]);
    });

    it("refuses a name that is in use, before it makes anything", async () => {
      await bench.foreign("node3");
      await expect(deploy(await bench.open(), nodes({ nodes: 3 }), options)).rejects.toThrow(
        "cannot be deployed",
      );
      expect(await bench.leftovers()).toEqual([]);
    });

    it("is finished by the next run after a kill, and makes nothing twice", async () => {
      for (const killAt of [2, 5, 6, 3]) {
        const killed = killing(await bench.open(), killAt);
        await expect(deploy(killed, nodes(), options)).rejects.toThrow(Killed);
      }
      const { prepared } = await deploy(await bench.open(), nodes(), options);
      const { machines, disks } = await seen(prepared.state.id);
      expect(machines.map((one) => one.name).sort()).toEqual(["node1", "node2"]);
      expect(disks).toHaveLength(5);
    });

    it("has machines as the file says, with each shared disk in the same slot of all", async () => {
      const { state } = await expectIdle(nodes());
      const { machines, disks } = await seen(state.id);
      const nameOf = new Map(disks.map(({ id, name: disk }) => [id, disk]));
      const slots = machines.map((machine) =>
        Object.fromEntries(
          machine.disks.map(({ slot, disk, mode }) => [
            `${slot} ${mode}`,
            nameOf.get(disk)?.replace(machine.name, "own"),
          ]),
        ),
      );
      expect(slots[0]).toEqual({
        "1 shared": "contract-asm1",
        "2 shared": "contract-asm2",
        "3 shared": "contract-asm3",
        "4 write": "own-u01",
      });
      expect(slots[1]).toEqual(slots[0]);
      for (const machine of machines) {
        expect(machine).toMatchObject({ state: "running", memoryMib: 256 });
        expect(machine.nics.map(({ network }) => network)).toEqual(["public", "private"]);
      }
      const macs = machines.flatMap(({ nics }) => nics.map(({ mac }) => mac));
      expect(new Set(macs).size).toBe(4);
    });

    it("shows changes by others, and restores the machine", async () => {
      const place = await bench.open();
      const { state } = await plan(place, nodes(), options);
      const machine = (await seen(state.id)).machines.find((one) => one.name === "node1");
      await place.stop(machine?.id ?? "", { graceMs: bench.stopGraceMs ?? 1000 });
      await place.resize(machine?.id ?? "", { vcpus: 1, memoryMib: 300 });
      const { plan: planned } = await plan(place, nodes(), options);
      expect(planned.machines.find((one) => one.name === "node1")).toMatchObject({
        action: "change",
        drift: ["memory 256 → 300 MiB"],
      });
      await deploy(place, nodes(), options);
      await expectIdle(nodes());
    });

    it("adds a disk and a node, and the others keep their slots", async () => {
      const changed = nodes({ nodes: 2, disks: ["asm0", "asm1", "asm2", "asm3"] });
      const { plan: planned } = await plan(await bench.open(), changed, options);
      expect(losses(planned)).toEqual([
        "machine node1 is stopped and started again",
        "machine node2 is stopped and started again",
      ]);
      const { prepared } = await deploy(await bench.open(), changed, options);
      const { machines } = await seen(prepared.state.id);
      for (const { disks } of machines)
        expect(
          disks
            .filter(({ mode }) => mode === "shared")
            .map(({ slot }) => slot)
            .sort(),
        ).toEqual([1, 2, 3, 5]);
      await expectIdle(changed);
    });

    it("recreates one machine on request, with its disks", async () => {
      const text = nodes({ disks: ["asm0", "asm1", "asm2", "asm3"] });
      const before = await plan(await bench.open(), text, options);
      const disksOf = async () =>
        (await seen(before.state.id)).machines
          .find((one) => one.name === "node2")
          ?.disks.toSorted((a, b) => a.slot - b.slot);
      const disks = await disksOf();
      await deploy(await bench.open(), text, { ...options, replace: ["node2"] });
      expect(await disksOf()).toEqual(disks);
      await expectIdle(text);
    });

    it("removes machines and disks that are no longer in the file", async () => {
      const less = nodes({ nodes: 1, disks: ["asm1", "asm2"] });
      expect(losses((await plan(await bench.open(), less, options)).plan).sort()).toEqual([
        ...["contract-asm0", "contract-asm3", "node2-u01"].map((disk) => `disk ${disk} is destroyed`),
        "machine node1 is stopped and started again",
        "machine node2 is destroyed",
      ]);
      const { prepared } = await deploy(await bench.open(), less, options);
      const { machines, disks } = await seen(prepared.state.id);
      expect(machines.map((one) => one.name)).toEqual(["node1"]);
      expect(disks.map((one) => one.name).sort()).toEqual(["contract-asm1", "contract-asm2", "node1-u01"]);
      await expectIdle(less);
    });

    it("is not touched by another deployment", async () => {
      const other = { ...options, stateFile: join(folder, "other.json") };
      await expect(deploy(await bench.open(), nodes({ nodes: 1 }), other)).rejects.toThrow(
        "cannot be deployed",
      );
      await destroy(await bench.open(), other);
      await expectIdle(nodes({ nodes: 1, disks: ["asm1", "asm2"] }));
    });

    it("is not destroyed, not even in part, while another machine uses one of its disks", async () => {
      const kept = nodes({ nodes: 1, disks: ["asm1", "asm2"] });
      const { state } = await plan(await bench.open(), kept, options);
      const disk = (await seen(state.id)).disks.find((one) => one.name === "contract-asm1");
      if (disk === undefined) throw new Error("contract-asm1 is gone");
      const takeBack = await bench.lend(disk);
      const before = await bench.leftovers();
      const lines = [
        "disk contract-asm1: the machine borrower uses it, too, and this deployment did not make that machine",
      ];
      await expect(destroy(await bench.open(), options)).rejects.toMatchObject({
        message: expect.stringContaining("cannot be destroyed"),
        lines,
      });
      await expect(
        deploy(await bench.open(), nodes({ nodes: 1, disks: ["asm2"] }), options),
      ).rejects.toMatchObject({ message: expect.stringContaining("cannot be deployed"), lines });
      await expectIdle(kept);
      expect(await bench.leftovers()).toEqual(before);
      await takeBack();
    });

    it("is destroyed completely, even after a kill, and nothing else is touched", async () => {
      for (const killAt of [2, 4])
        await expect(destroy(killing(await bench.open(), killAt), options)).rejects.toThrow(Killed);
      await destroy(await bench.open(), options);
      expect(await bench.leftovers()).toEqual([]);
      expect(await bench.isForeignThere("node3")).toBe(true);
      expect(await destroy(await bench.open(), options)).toBeUndefined();
      expect(abilities.sharedDisks).toBe(true);
    });
  });
}

const effects: ReadonlySet<string> = new Set([
  ...["bringTemplate", "makeDisk", "makeMachine", "resize", "addNic", "removeNic", "mapDisk", "unmapDisk"],
  ...["keepApart", "forgetApart", "start", "stop", "destroyMachine", "destroyDisk", "tidy"],
]);

/** The place for a process that dies at its n-th effect: before it when n is odd, after it when n is even. */
export function killing(place: Place, killAt: number): Place {
  let count = 0;
  let isDead = false;
  const die = () => {
    isDead = true;
    throw new Killed();
  };
  return new Proxy(place, {
    get(target, key, receiver) {
      const member = Reflect.get(target, key, receiver);
      if (typeof member !== "function" || !effects.has(String(key))) return member;
      return async (...args: unknown[]) => {
        count++;
        if (isDead || (count >= killAt && killAt % 2 === 1)) die();
        const result = await Reflect.apply(member, target, args);
        if (count >= killAt) die();
        return result;
      };
    },
  });
}
