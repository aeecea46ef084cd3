import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { managerPlace } from "../../src/deploy/places/oracle-vm/oracle-vm.ts";
import { isIdle } from "../../src/deploy/plan.ts";
import { localHost } from "../../src/host/local.ts";
import { startSimulator } from "../../src/manager/simulator/simulator.ts";
import { deploy, destroy, plan } from "../deploy/sample-deployment.ts";
import { openOn, optionsFor } from "./open.ts";

const file = `name: one
template: place:OVM_OL6
machines: [{ name: vm001, nics: [{ network: public }] }]
`;
const forever = 600_000;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-clone-goes-on-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("a clone that the Manager makes although the run that requested it was interrupted", () => {
  it.each([
    ["3.3.4.1094", "ssh", { listsUnfinishedClones: false }, 1],
    ["3.4.5.1919", "ssh", { listsUnfinishedClones: true }, 1],
    ["3.4.5.1919", "rest", { listsUnfinishedClones: false }, 1],
    ["3.4.5.1919", "rest", { listsUnfinishedClones: true }, 1],
    // Nothing shows the job: the template is locked until the clone is made, and the clone is replaced.
    ["3.2.11.775", "ssh", { showsJobs: false }, 2],
    ["3.2.11.775", "ssh", { showsJobs: false, listsUnfinishedClones: true }, 2],
    ["3.4.5.1919", "ssh", { showsJobs: false }, 2],
    ["3.4.5.1919", "ssh", { showsJobs: false, listsUnfinishedClones: true }, 2],
  ] as const)(
    "is waited for by the next run, on %s over %s with %o: cloned %i times, and one is left",
    async (version, via, settings, times) => {
      let clones = 0;
      let onRequest = () => {};
      await using simulator = await startSimulator({
        settings: { version, ...settings, cloneMs: forever },
        host: localHost(),
        onCommand: (text) => {
          if (/^clone Vm|^PUT .*\/clone/.test(text)) clones++;
          onRequest();
        },
      });
      const { world } = simulator;
      const before = world.inventory();
      const options = optionsFor(simulator, { via, repository: "repo1", guestSeconds: 0 });
      const deploying = { stateFile: join(folder, "one.json"), stopGraceMs: 100 };
      const notes: string[] = [];
      const open = async ({ signal } = new AbortController()) =>
        managerPlace(await openOn(options, [], signal), options, {
          signal,
          folder,
          note: (text) => notes.push(text),
        });

      const stop = new AbortController();
      const first = deploy(await open(stop), file, deploying);
      const ended = expect(first).rejects.toThrow();
      await vi.waitFor(() => expect(clones).toBe(1), { timeout: 20_000 });
      stop.abort();
      await ended;

      // The clone is made while the next run looks.
      onRequest = () => {
        onRequest = () => {};
        setTimeout(() => {
          world.settings = { ...world.settings, cloneMs: 0 };
        }, 700);
      };
      await deploy(await open(), file, deploying);
      expect(notes).toEqual(
        times === 1 ? [expect.stringMatching(/waiting for the clone vm001\.tbuild-[0-9a-f]{12}, which/)] : [],
      );
      const made = [...world.jobs.values()].filter(
        ({ name, state }) => name === "clone Vm" && state === "SUCCESS",
      );
      expect(made).toHaveLength(times);
      expect(
        world
          .all("Vm")
          .map(({ name }) => name)
          .sort(),
      ).toEqual(["OVM_OL6", "vm001"]);
      expect(world.all("VirtualDisk")).toHaveLength(2);
      expect(isIdle((await plan(await open(), file, deploying)).plan)).toBe(true);
      await destroy(await open(), deploying);
      expect(world.inventory()).toEqual(before);
    },
    120_000,
  );
});
