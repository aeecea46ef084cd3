import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { managerPlace } from "../../src/deploy/places/oracle-vm/oracle-vm.ts";
import { isIdle } from "../../src/deploy/plan.ts";
import { TbuildError } from "../../src/errors.ts";
import { localHost } from "../../src/host/local.ts";
import type { InjectedFault } from "../../src/manager/simulator/settings.ts";
import { startSimulator } from "../../src/manager/simulator/simulator.ts";
import { deploy, destroy, plan } from "../deploy/sample-deployment.ts";
import { openOn, optionsFor } from "../manager/open.ts";

const text = `name: rac
template: place:OVM_OL6
shared: [{ name: asm1, size: 1G }]
machines: [{ name: rac1, memory: 1G, nics: [{ network: public }, { network: private }], shared: [asm1] }]
values: { com.oracle.linux.network.hostname: rac1, com.oracle.linux.root-password: "none of ours" }
firstBoot: { confirm: none, wait: 0 }
`;

/** Operations of the Manager, in the order of a deployment, with their requests over both ways. */
const operations = [
  { at: "create VirtualDisk", cli: "create VirtualDisk", rest: "POST Repository/[^/]+/VirtualDisk" },
  {
    at: "create VmCloneCustomizer",
    cli: "create VmCloneCustomizer",
    rest: "POST Vm/[^/]+/VmCloneDefinition",
  },
  {
    at: "create VmCloneStorageMapping",
    cli: "create VmCloneStorageMapping",
    rest: "POST VmCloneDefinition/[^/]+/VmCloneStorageMapping",
  },
  { at: "clone Vm", cli: "clone Vm", rest: "PUT Vm/[^/]+/clone" },
  { at: "create Vnic", cli: "create Vnic", rest: "POST Vm/[^/]+/VirtualNic" },
  { at: "edit Vm", cli: "edit Vm", rest: "PUT Vm/[^/]+$" },
  { at: "create VmDiskMapping", cli: "create VmDiskMapping", rest: "POST Vm/[^/]+/VmDiskMapping" },
  { at: "start Vm", cli: "start Vm", rest: "PUT Vm/[^/]+/start" },
  { at: "sendVmMessage", cli: "sendVmMessage", rest: "PUT Vm/[^/]+/sendMessage" },
];
const kinds = [
  "fails",
  "fails-half-way",
  "never-ends",
  "disconnects-before",
  "disconnects-after",
  "garbage",
  "no-id",
] as const;
const isOfRequest = (kind: InjectedFault["kind"]) => /disconnects|garbage|no-id/.test(kind);

// Each operation and each kind once, half of them over each interface; TBUILD_SLOW=1 runs all.
const casesOver = (via: "ssh" | "rest") =>
  operations.flatMap((operation, at) =>
    kinds.flatMap((kind, number) => {
      const isTaken = number === at % kinds.length && (at % 2 === 0) === (via === "ssh");
      return isTaken || process.env.TBUILD_SLOW === "1" ? [[operation.at, kind, operation] as const] : [];
    }),
  );

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-faults-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe.each(["ssh", "rest"] as const)("a deployment over %s, with one fault", (via) => {
  it.each(casesOver(via))(
    "at %s that %s: it says so or overcomes it, and the next run finishes",
    async (_name, kind, operation) => {
      await using simulator = await startSimulator({
        settings: { version: "3.4.5.1919" },
        host: localHost(),
      });
      const { world } = simulator;
      const before = shapeOf(world.inventory());
      const options = {
        ...optionsFor(simulator, { via, repository: "repo1", guestSeconds: 0 }),
        commandMinutes: 0.02,
        copyMinutes: 0.02,
      };
      const signal = new AbortController().signal;
      const open = async () => managerPlace(await openOn(options), options, { signal, folder });
      const deploying = { stateFile: join(folder, "rac.json"), stopGraceMs: 100 };
      const at = isOfRequest(kind)
        ? new RegExp(`^${via === "ssh" ? `cli ${operation.cli}` : `rest ${operation.rest}`}`)
        : new RegExp(`^${operation.at}$`);
      world.faults.push({ at, kind, times: 1, text: "OVMAPI_4010E injected" });
      const error = await deploy(await open(), text, deploying).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(world.faults[0]?.times, "the fault was met").toBe(0);
      if (error !== undefined) {
        expect(error).toBeInstanceOf(TbuildError);
        const { message, lines, hint } = error as TbuildError;
        // The failure, and the Manager's message or what is unknown.
        expect([message, ...lines, hint].join("\n")).toMatch(
          /injected|child operation|not done within|did not finish|closed the connection|the connection|cannot be read|did not report|socket|terminated|other side/,
        );
      }
      // Aborts the hanging job, as the message says.
      for (const job of world.jobs.values()) job.abort();
      await Promise.all([...world.jobs.values()].map(({ ended }) => ended));
      await deploy(await open(), text, deploying);
      expect(isIdle((await plan(await open(), text, deploying)).plan)).toBe(true);
      const inventory = shapeOf(world.inventory());
      expect(
        inventory
          .filter((line) => !before.includes(line))
          .map((line) => line.split(" | ")[0])
          .sort(),
      ).toEqual([...["VirtualDisk", "VirtualDisk", "Vm", "VmDiskMapping", "VmDiskMapping", "Vnic", "Vnic"]]);
      await destroy(await open(), deploying);
      expect(shapeOf(world.inventory())).toEqual(before);
    },
    60_000,
  );
});

function shapeOf(inventory: readonly string[]): string[] {
  return inventory.map((line) => line.replace(/0004fb[0-9a-f]{26}/g, "ID")).sort();
}
