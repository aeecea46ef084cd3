import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Place } from "../../src/deploy/place.ts";
import { places } from "../../src/deploy/places/table.ts";
import { localHost } from "../../src/host/local.ts";
import type { Hypervisor } from "../../src/hypervisor/hypervisor.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import { Site } from "../../src/recipe/site.ts";
import { emptyWorld, memoryPlace } from "../fakes/memory-place.ts";
import { deploymentContract } from "./deployment-contract.ts";

deploymentContract("a place in memory", async () => {
  const world = emptyWorld();
  return {
    open: async () => memoryPlace(world),
    async foreign(name) {
      world.machines.set(name, {
        mark: undefined,
        state: "stopped",
        vcpus: 1,
        memoryMib: 64,
        nics: [],
        disks: [],
        armed: false,
        configured: [],
        messages: [],
        reports: [],
      });
    },
    isForeignThere: async (name) => world.machines.has(name),
    async lend({ id }) {
      world.machines.set("borrower", {
        ...{ mark: undefined, state: "stopped", vcpus: 1, memoryMib: 64, nics: [], armed: false },
        ...{ configured: [], messages: [], reports: [] },
        disks: [{ slot: 1, disk: id, mode: "shared" }],
      });
      return async () => void world.machines.delete("borrower");
    },
    leftovers: async () =>
      [...world.machines.keys(), ...world.disks.keys()].filter((name) => name !== "node3"),
  };
});

let machines: Hypervisor | undefined;

// The template's disk has no system: its machines stay in their BIOS, and ignore shutdown requests.
deploymentContract(
  "qemu",
  async (folder) => {
    const host = localHost();
    const home = join(folder, "place");
    // qemu's monitor accepts one client at a time, and a killed process frees it.
    const hypervisor = await openHypervisor(
      host,
      { kind: "qemu", accelerator: "tcg" },
      { folder: join(home, "vms"), memory: join(folder, "memory") },
    );
    machines = hypervisor;
    const open = async (): Promise<Place> => {
      const kind = await places.hypervisor?.();
      if (!kind) throw new Error("no place for hypervisors");
      return kind.open({
        host,
        folder: home,
        memory: join(folder, "memory"),
        site: Site.parse({}),
        signal: new AbortController().signal,
        hypervisor,
        restoreDisk: async ({ bytes }, to) => {
          await writeFile(to, "");
          await host.run(["truncate", "-s", String(bytes), to]);
        },
        environment: () => undefined,
        askSecret: () => Promise.reject(new Error("nobody is asked")),
      });
    };
    return {
      open,
      stopGraceMs: 200,
      async foreign(name) {
        await mkdir(join(home, "vms", name), { recursive: true });
      },
      isForeignThere: async (name) => (await readdir(join(home, "vms"))).includes(name),
      async lend({ name }) {
        const existing = join(home, "disks", `${name}.img`);
        await hypervisor.define({
          ...{ name: "borrower", domainType: "hvm", vcpus: 1, memoryMib: 64, cdroms: [], nics: [] },
          disks: [{ slot: 0, mode: "shared", content: { existing } }],
          guest: { release: 6 },
        });
        return () => hypervisor.destroy("borrower");
      },
      async leftovers() {
        const found: string[] = [];
        for (const name of ["machines", "disks", "templates", "reports", "vms"])
          for (const entry of await readdir(join(home, name)).catch(() => []))
            if (entry !== "node3") found.push(`${name}/${entry}`);
        return found;
      },
    };
  },
  async () => {
    for (const name of (await machines?.list()) ?? []) if (name !== "node3") await machines?.destroy(name);
  },
);
