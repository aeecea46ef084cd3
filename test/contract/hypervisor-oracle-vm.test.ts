import { readFile, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { afterAll, it } from "vitest";
import { unpackTemplate } from "../../src/bundles/read/unpack.ts";
import { localHost } from "../../src/host/local.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import { openManager } from "../../src/manager/open.ts";
import type { ManagerOptions } from "../../src/manager/options.ts";
import { machinesBehind } from "../../src/manager/simulator/backing/machines.ts";
import { startSimulator } from "../../src/manager/simulator/simulator.ts";
import { fakeServer, mountRepositories } from "../fakes/oracle-vm-server.ts";
import { optionsFor } from "../manager/open.ts";
import { testGuest } from "../test-guest.ts";
import { hypervisorContract } from "./hypervisor-contract.ts";

// The Manager is simulated, and its machines are qemu's. Programs that replace xenstore simulate the servers' view of them.
const all = [
  ["3.4.5.1919", "ssh"],
  ["3.2.11.775", "ssh"],
  ["3.3.4.1094", "ssh"],
  ["3.3.4.1094", "rest"],
  ["3.4.6.2105", "rest"],
] as const;
const isSlow = process.env.TBUILD_SLOW === "1";
const host = localHost();
const path = process.env.PATH;

if (!isSlow) it.skip("Oracle VM as a hypervisor, with machines of qemu (TBUILD_SLOW=1 runs it)", () => {});

// Every dialect and both interfaces. oracle-vm-machine.test.ts, which always runs, tests their requests to the Manager.
for (const [version, via] of isSlow ? all : [])
  hypervisorContract(`Oracle VM ${version} over ${via}`, async (folder) => {
    const machines = join(folder, "machines");
    process.env.PATH = [await fakeServer(join(folder, "programs"), machines), path].join(delimiter);
    const data = join(folder, "data");
    const qemu = await openHypervisor(
      host,
      { kind: "qemu", accelerator: "tcg" },
      { folder: machines, memory: join(folder, "memory") },
    );
    const simulator = await startSimulator({
      settings: { version, ...(via === "rest" && { restImports: version < "3.4" ? "query" : "body" }) },
      backing: await machinesBehind({
        host,
        hypervisor: qemu,
        folder: data,
        async unpack(file, work) {
          const { said, disks } = await unpackTemplate(host, file, work, { mostBytes: 2 ** 30 });
          return { ...said, disks };
        },
      }),
      ...(via === "rest" && { host }),
    });
    afterAll(async () => {
      process.env.PATH = path;
      await simulator[Symbol.asyncDispose]();
    });
    const repositories = join(folder, "repositories");
    const [repository, ...others] = simulator.world.all("Repository").map(({ id }) => id);
    await mountRepositories(repositories, join(data, "disks"), [repository ?? "", ...others]);
    const manager: ManagerOptions = optionsFor(simulator, { via, repository: "repo1" });
    const site = {
      kind: "oracle-vm",
      servers: { ovs1: "root@ovs1", ovs2: "root@ovs2" },
      repositories,
      networks: { build: "public", storage: "private" },
      addresses: { first: "10.0.2.15", gateway: "10.0.2.2", nameServer: "10.0.2.3" },
      // 3.2 does not show a guest's reports.
      additions: version.startsWith("3.2") ? [] : ["tbuild"],
    };
    // For all tests of the contract.
    const openedManager = () =>
      openManager(manager, {
        folder: ".",
        memory: join(folder, "memory"),
        environment: () => "Welcome1",
        askSecret: async () => "Welcome1",
      });
    const open = () =>
      openHypervisor(host, site, {
        folder: join(folder, "records"),
        memory: join(folder, "memory"),
        manager: { options: manager, open: openedManager },
      });
    const api = await openedManager();
    const hypervisor = await open();
    return {
      hypervisor,
      reopened: open,
      guest: (script) => testGuest(folder, script, writeFile, ["virtio_net"]),
      device: (n) => `/dev/vd${"abc"[n]}`,
      patience: 2,
      async crash(vm) {
        const id = simulator.world.get("Vm", { name: vm }).id;
        process.kill(Number(await readFile(join(machines, id, "pid"), "utf8")), "SIGKILL");
      },
      async apartDisk(name, content) {
        const disk = { name, bytes: content.length, isShareable: true, isSparse: true };
        const id = await api.createDisk({ ...disk, repository: repository ?? "" });
        const file = join(repositories, repository ?? "", "VirtualDisks", id);
        await writeFile(file, content);
        return file;
      },
      ...(hypervisor.messages && {
        messageScript: (key: string, value: string) =>
          `p=; until [ -c "$p" ]; do /busybox usleep 100000; p=$(echo /dev/vport*p1); done
exec 3<>$p; echo '${JSON.stringify({ key, value })}' >&3; read -r line <&3; echo "got $line"
echo "$line" | /busybox sed "s/told/heard/" >&3; /busybox sleep 3`,
      }),
    };
  });
