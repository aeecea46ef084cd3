import { managerPlace } from "../../src/deploy/places/oracle-vm/oracle-vm.ts";
import { localHost } from "../../src/host/local.ts";
import { type Simulator, startSimulator } from "../../src/manager/simulator/simulator.ts";
import { deploymentContract } from "../contract/deployment-contract.ts";
import { lentIn, openOn, optionsFor } from "./open.ts";

const versions = { "3.2": "3.2.11.775", "3.3": "3.3.4.1094", "3.4": "3.4.5.1919" };
const ways = [
  ...Object.entries(versions).map(([release, version]) => ({ release, version, via: "ssh" as const })),
  { release: "3.4", version: versions["3.4"], via: "rest" as const },
];

for (const { release, version, via } of ways) {
  let simulator: Simulator | undefined;
  deploymentContract(
    `Oracle VM Manager ${release} over ${via}`,
    async (folder) => {
      simulator = await startSimulator({ settings: { version }, host: localHost() });
      const { world } = simulator;
      // The template's version stands in its description, as `tbuild manager import --description` writes it.
      const [template] = world.all("Vm");
      if (template) template.description = "ol6-grid@1.0.0";
      const before = new Set(world.objects.keys());
      const options = optionsFor(simulator, { via, repository: "repo1", guestSeconds: 0 });
      return {
        open: async () =>
          managerPlace(await openOn(options), options, { signal: new AbortController().signal, folder }),
        async foreign(name) {
          world.add("Vm", name, { state: "STOPPED", domainType: "XEN_HVM", memoryMib: 64, vcpus: 1 });
        },
        lend: async ({ id }) => lentIn(world, id),
        isForeignThere: async (name) => world.all("Vm").some((one) => one.name === name),
        leftovers: async () =>
          [...world.objects.values()]
            .filter((one) => !before.has(one.id) && one.name !== "node3")
            .map(({ type, name }) => `${type} ${name}`),
      };
    },
    async () => simulator?.[Symbol.asyncDispose](),
  );
}
