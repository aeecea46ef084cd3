import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { managerPlace } from "../../src/deploy/places/oracle-vm/oracle-vm.ts";
import { startSimulator } from "../../src/manager/simulator/simulator.ts";
import { deploy, destroy } from "../deploy/sample-deployment.ts";
import { openOn, optionsFor } from "./open.ts";

const file = `name: one
template: place:OVM_OL6
machines: [{ name: vm001, nics: [{ network: public }, { network: private }] }]
`;

// 3.2 makes a vnic alone, then adds it to a machine, and takes it out before it deletes it.
it.each([
  ["made, and not added", "add Vnic", undefined],
  ["taken out of a clone, and not deleted: it is the template's", "delete Vnic", undefined],
  ["taken out of a machine, and not deleted", undefined, "delete Vnic"],
] as const)("a vnic that was %s goes with the deployment", async (_what, atDeploy, atDestroy) => {
  const folder = await mkdtemp(join(tmpdir(), "tbuild-vnics-"));
  await using simulator = await startSimulator({ settings: { version: "3.2.11.775" } });
  const { world } = simulator;
  const [template] = world.all("Vm");
  const [network] = world.all("Network");
  world.add("Vnic", "00:21:f6:00:00:01", {
    vm: template?.id,
    network: network?.id,
    mac: "00:21:f6:00:00:01",
  });
  const before = world.inventory();
  const options = optionsFor(simulator, { repository: "repo1", guestSeconds: 0 });
  const open = async () =>
    managerPlace(await openOn(options), options, { signal: new AbortController().signal, folder });
  const deploying = { stateFile: join(folder, "one.json"), stopGraceMs: 100 };
  const faultAt = (at: string) => world.faults.push({ at: new RegExp(`^${at}$`), kind: "fails", times: 1 });
  try {
    if (atDeploy) {
      faultAt(atDeploy);
      await expect(deploy(await open(), file, deploying)).rejects.toThrow("refused");
    } else await deploy(await open(), file, deploying);
    if (atDestroy) {
      faultAt(atDestroy);
      await expect(destroy(await open(), deploying)).rejects.toThrow("refused");
    }
    expect(world.all("Vnic").filter(({ is }) => is.vm === undefined)).toHaveLength(1);
    await destroy(await open(), deploying);
    expect(world.inventory()).toEqual(before);
  } finally {
    await rm(folder, { recursive: true });
  }
});
