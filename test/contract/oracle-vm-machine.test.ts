import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import type { DirectBoot, Hypervisor, VmSpec } from "../../src/hypervisor/hypervisor.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import type { ManagerApi } from "../../src/manager/api.ts";
import type { Backing } from "../../src/manager/simulator/backing/backing.ts";
import { fetched } from "../../src/manager/simulator/backing/fetch.ts";
import type { InjectedFault } from "../../src/manager/simulator/settings.ts";
import { openIso } from "../../src/media/iso.ts";
import { fakeServer } from "../fakes/oracle-vm-server.ts";
import { type OpenedSimulator, openSimulator } from "../manager/open.ts";

const host = localHost();
const path = process.env.PATH;
const all = [
  ["3.2.11.775", "ssh"],
  ["3.3.4.1094", "ssh"],
  ["3.4.5.1919", "ssh"],
  ["3.3.4.1094", "rest"],
  ["3.4.6.2105", "rest"],
] as const;
// The oldest over ssh and the newest over REST; TBUILD_SLOW=1 runs all.
const few = [all[0], all[4]];
const ways = process.env.TBUILD_SLOW === "1" ? all : few;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-oracle-vm-"));
  process.env.PATH = [await fakeServer(join(folder, "programs"), join(folder, "machines")), path].join(
    delimiter,
  );
});
afterEach(async () => {
  process.env.PATH = path;
  await rm(folder, { recursive: true });
});

const running = new Map<string, () => Promise<void>>();
afterEach(async () => {
  for (const end of running.values()) await end();
  running.clear();
});

/** Disks are files, and a machine is a process that sleeps, with a line on its console. */
function files(): Backing {
  const fileOf = (id: string) => join(folder, "disks", id);
  return {
    async makeDisk({ id, is }) {
      await writeFile(fileOf(id), Buffer.alloc(0));
      await host.run(["truncate", "-s", String(is.bytes), fileOf(id)]);
    },
    copyDisk: (from, to) => copyFile(fileOf(from.id), fileOf(to.id)),
    removeDisk: ({ id }) => rm(fileOf(id), { force: true }),
    fetchTemplate: () => Promise.reject(new Error("no templates here")),
    fetchDisc: (url, { id }) => fetched(url, fileOf(id)),
    async start({ vm, nics }, stopped) {
      const own = join(folder, "machines", vm.id);
      await mkdir(own, { recursive: true });
      await writeFile(join(own, "console.log"), "hello from the guest\n");
      const macs = nics.map(({ mac }) => `mac=${mac}`).join(" ");
      const program = `exec -a qemu-system-x86_64 tail -f /dev/null ${macs}`;
      const child = spawn("bash", ["-c", program], { stdio: "ignore" });
      await writeFile(join(own, "pid"), String(child.pid));
      const ended = new Promise((done) => child.once("exit", done));
      running.set(vm.id, async () => {
        child.kill();
        await ended;
      });
      void ended.then(() => stopped());
    },
    shutDown: async ({ id }) => running.get(id)?.(),
    cutPower: async ({ id }) => running.get(id)?.(),
    isHeard: () => true,
    send: async () => {},
    received: () => [],
    [Symbol.asyncDispose]: async () => {},
  };
}

async function boot(): Promise<DirectBoot> {
  for (const name of ["kernel", "initrd", "isolinux.bin"])
    await writeFile(join(folder, name), Buffer.alloc(4096, name));
  const [kernel, initrd] = [join(folder, "kernel"), join(folder, "initrd")];
  return { kernel, initrd, append: "ks=file:/ks.cfg console=ttyS0", loader: folder };
}

async function opened(version: string, via: "ssh" | "rest") {
  await mkdir(join(folder, "disks"));
  const isOldRest = via === "rest" && version < "3.4";
  const manager = await openSimulator(
    { settings: { version, restImports: isOldRest ? "query" : "body" }, backing: files() },
    { via, repository: "repo1" },
  );
  for (const { id } of manager.world.all("Repository")) {
    await mkdir(join(folder, "repositories", id), { recursive: true });
    await symlink(join(folder, "disks"), join(folder, "repositories", id, "VirtualDisks"));
  }
  return { ...manager, hypervisor: await open(manager) };
}

const open = ({ options, api }: OpenedSimulator): Promise<Hypervisor> =>
  openHypervisor(
    host,
    {
      kind: "oracle-vm",
      servers: { ovs1: "root@ovs1" },
      repositories: join(folder, "repositories"),
      networks: { build: "public", storage: "private" },
      addresses: { first: "10.0.2.15", gateway: "10.0.2.2", nameServer: "10.0.2.3" },
      convertOn: "server",
    },
    {
      folder: join(folder, "records"),
      memory: join(folder, "memory"),
      manager: { options, open: async () => api },
    },
  );

const image = () => join(folder, "image.img");
async function spec(): Promise<VmSpec> {
  await writeFile(image(), Buffer.alloc(1024 * 1024, "i"));
  await writeFile(join(folder, "medium.iso"), "a medium");
  return {
    name: "ol6-abc123-install",
    domainType: "hvm",
    vcpus: 2,
    memoryMib: 512,
    disks: [
      { slot: 0, mode: "write", content: { blank: 3 * 1024 * 1024 } },
      { slot: 1, mode: "write", content: { copyOf: image() } },
    ],
    cdroms: [join(folder, "medium.iso")],
    nics: [
      { network: "build", mac: "00:21:f6:00:00:01" },
      { network: "storage", mac: "00:21:f6:00:00:02" },
    ],
    guest: { release: 6 },
  };
}

describe.each(ways)("a machine on Oracle VM %s over %s", (version, via) => {
  it("is made of a VM, vnics, disks, a disc and their mappings, and leaves nothing", async () => {
    const manager = await opened(version, via);
    const { hypervisor, world } = manager;
    const before = world.inventory();
    await hypervisor.define(await spec());
    expect(await hypervisor.state("ol6-abc123-install")).toBe("stopped");
    expect(await hypervisor.list()).toEqual(["ol6-abc123-install"]);
    const made = world.inventory().filter((one) => !before.includes(one));
    const said = made.map((one) => one.replaceAll(/\| Made by tbuild for its machine \S+/g, ""));
    expect(said).toEqual([
      expect.stringMatching(/^VirtualCdrom \| ol6-abc123-install-cd0\.iso/),
      expect.stringMatching(
        /^VirtualDisk \| ol6-abc123-install disk 0 .*isShareable=false.*repository=repo1/,
      ),
      expect.stringMatching(
        /^VirtualDisk \| ol6-abc123-install disk 1 .*isShareable=false.*repository=repo1/,
      ),
      expect.stringMatching(
        /^Vm \| ol6-abc123-install .*state=STOPPED.*domainType=XEN_HVM.*memoryMib=512.*vcpus=2.*bootOrder=DISK,CDROM.*pool=pool1/,
      ),
      expect.stringMatching(/^VmDiskMapping .*slot=0.*virtualDisk=ol6-abc123-install disk 0/),
      expect.stringMatching(/^VmDiskMapping .*slot=1.*virtualDisk=ol6-abc123-install disk 1/),
      // The drive before it is for a boot disc.
      expect.stringMatching(/^VmDiskMapping .*slot=3.*cdrom=ol6-abc123-install-cd0\.iso/),
      expect.stringMatching(/^Vnic .*mac=00:21:f6:00:00:01.*network=public/),
      expect.stringMatching(/^Vnic .*mac=00:21:f6:00:00:02.*network=private/),
    ]);
    const [disc] = world.all("VirtualCdrom");
    expect(await readFile(join(folder, "disks", disc?.id ?? ""), "utf8")).toBe("a medium");
    // The requested sizes, although the Manager makes whole GiB.
    await hypervisor.fetchDisk("ol6-abc123-install", 0, join(folder, "blank.img"));
    expect((await stat(join(folder, "blank.img"))).size).toBe(3 * 1024 * 1024);
    await hypervisor.fetchDisk("ol6-abc123-install", 1, join(folder, "copy.img"));
    expect(await readFile(join(folder, "copy.img"))).toEqual(await readFile(image()));
    await (await open(manager)).destroy("ol6-abc123-install");
    expect(world.inventory()).toEqual(before);
    expect(await hypervisor.list()).toEqual([]);
    expect(existsSync(join(folder, "repositories", world.all("Repository")[0]?.id ?? "", "tbuild"))).toBe(
      false,
    );
  });

  it("starts from a boot disc, is watched, ejects the disc, and is stopped", async () => {
    const { hypervisor, world } = await opened(version, via);
    const vm = "ol6-abc123-install";
    const before = world.inventory();
    await hypervisor.define(await spec());
    await hypervisor.start(vm, await boot());
    expect(await hypervisor.state(vm)).toBe("running");
    const inventory = () => world.inventory().join("\n");
    expect(inventory()).toMatch(/^Vm \| .*bootOrder=CDROM,DISK/m);
    expect(inventory()).toMatch(/^VmDiskMapping .*slot=2 .*cdrom=ol6-abc123-install-boot\.iso/m);
    const disc = world.get("VirtualCdrom", { name: `${vm}-boot.iso` });
    await using iso = await openIso(join(folder, "disks", disc.id));
    const menu = new TextDecoder().decode(await iso.read("isolinux/isolinux.cfg"));
    expect(menu).toContain("append initrd=/isolinux/initrd.img ks=file:/ks.cfg console=ttyS0");
    expect(await hypervisor.address(vm)).toMatchObject({ host: "10.0.2.15", port: 22 });

    const lines: string[] = [];
    const watched = (async () => {
      for await (const line of hypervisor.console(vm)) lines.push(line);
    })();
    const stopped = hypervisor.waitStopped(vm, { timeoutMs: 60_000 });
    await waitFor("the console", async () => lines[0], { timeoutMs: 60_000 });
    // Like a guest that powers off.
    await running.get(world.get("Vm", { name: vm }).id)?.();
    expect(await stopped).toBe("guest-shutdown");
    await watched;
    expect(lines).toEqual(["hello from the guest"]);
    expect(await hypervisor.consoleText(vm)).toBe("hello from the guest\n");

    await hypervisor.start(vm);
    expect(inventory()).toMatch(/^Vm \| .*bootOrder=DISK,CDROM/m);
    expect(inventory()).not.toContain("-boot.iso");
    await hypervisor.stop(vm);
    expect(await hypervisor.state(vm)).toBe("stopped");
    await hypervisor.start(vm, await boot());
    // It runs, and a disc is in its drive.
    await hypervisor.destroy(vm);
    expect(world.inventory()).toEqual(before);
  });
});

const kinds: readonly InjectedFault["kind"][] = ["fails", "fails-half-way", "disconnects-after"];
const faults = [
  "create Vm",
  "create Vnic",
  "create VirtualDisk",
  "create VmDiskMapping",
  "importVirtualCdrom",
];

describe.each(few)("a machine on Oracle VM %s over %s", (version, via) => {
  it.each(faults)("is removed completely after a fault at: %s", async (at) => {
    const { hypervisor, world } = await opened(version, via);
    const before = world.inventory();
    const { disks, ...rest } = await spec();
    for (const kind of kinds) {
      world.faults.push({ at: new RegExp(`^${at}$`), kind, times: 1 });
      const made = await hypervisor.define({ ...rest, disks: disks.slice(0, 1) }).then(
        () => true,
        (error) => expect(error.message).not.toBe(""),
      );
      expect(world.faults.filter(({ times }) => times > 0)).toEqual([]);
      if (made) expect(await hypervisor.state("ol6-abc123-install")).toBe("stopped");
      await hypervisor.destroy("ol6-abc123-install");
      expect(world.inventory(), kind).toEqual(before);
    }
  });
});

const name = "ol6-base-1.0.0";
const label = "ol6-base@1.0.0 tbuild-0123456789abcdef";
const wanted = { name, label, domainType: "XEN_HVM_PV_DRIVERS" } as const;
const vm = "ol6-abc123-template";

async function templateSpec(): Promise<VmSpec> {
  const { disks, ...rest } = await spec();
  return { ...rest, name: vm, disks: disks.slice(1).map((one) => ({ ...one, slot: 0 })), cdroms: [] };
}

/** Fails like a killed process: before or after the call of this number, and at all later calls. */
function killedAt(api: ManagerApi, number: number, when: "before" | "after"): ManagerApi {
  let calls = 0;
  const changes = /^(?:create|delete|edit|clone|kill)/;
  return new Proxy(api, {
    get(target, key: string) {
      const own = target[key as keyof ManagerApi] as unknown;
      if (typeof own !== "function" || !changes.test(key)) return own;
      return async (...args: unknown[]) => {
        calls++;
        if (calls > number || (calls === number && when === "before")) throw new Error("killed");
        const result = await own.apply(target, args);
        if (calls === number) throw new Error("killed");
        return result;
      };
    },
  });
}

// A template takes half a minute on each.
describe.each(ways === all ? all : [all[4]])("a template on Oracle VM %s over %s", (version, via) => {
  it.each([false, true])(
    "is a clone of a machine that was removed (clones keep texts: %s)",
    async (clonesKeepTexts) => {
      const manager = await opened(version, via);
      const { world, hypervisor } = manager;
      world.settings = { ...world.settings, clonesKeepTexts };
      const before = world.inventory();
      const { templates } = hypervisor;
      expect(await templates?.find(label)).toBeUndefined();
      const id = await templates?.make(await templateSpec(), wanted);
      expect(await templates?.find(label)).toBe(id);
      const made = world.inventory().filter((one) => !before.includes(one));
      const disk = world.all("VirtualDisk").at(-1);
      expect(made.filter((one) => !one.startsWith("Vnic"))).toEqual([
        expect.stringMatching(/^VirtualDisk /),
        expect.stringMatching(
          /^Vm \| ol6-base-1\.0\.0 .*state=TEMPLATE.*domainType=XEN_HVM_PV_DRIVERS.*memoryMib=512.*vcpus=2.*bootOrder=DISK .*pool=pool1/,
        ),
        expect.stringMatching(/^VmDiskMapping .*slot=0/),
      ]);
      expect(made.filter((one) => one.startsWith("Vnic"))).toHaveLength(2);
      expect(await readFile(join(folder, "disks", disk?.id ?? ""))).toEqual(await readFile(image()));
      expect(await hypervisor.list()).toEqual([]);
      await expect(templates?.make(await templateSpec(), wanted)).rejects.toThrow(/of this name exists/);
      const next = { ...wanted, name: "ol6-base-1.0.1", label: "ol6-base@1.0.1 tbuild-1" };
      expect(await templates?.make(await templateSpec(), next)).not.toBe(id);
    },
  );

  it.each([
    ["before", false],
    ["after", false],
    ["after", true],
  ] as const)(
    "is complete or leaves nothing, wherever its making was killed: %s a change (clones keep texts: %s)",
    async (when, clonesKeepTexts) => {
      const manager = await opened(version, via);
      const { world } = manager;
      world.settings = { ...world.settings, clonesKeepTexts };
      const before = world.inventory();
      let complete = 0;
      for (let number = 1; ; number++) {
        const killed = await open({ ...manager, api: killedAt(manager.api, number, when) });
        const made = await killed.templates?.make(await templateSpec(), wanted).catch((error) => {
          expect(error.message).toBe("killed");
          return undefined;
        });
        // The next run; it is killed as well, and the one after it is not.
        const second = await open({ ...manager, api: killedAt(manager.api, 1 + (number % 4), when) });
        await second.destroy(vm).catch((error) => expect(error.message).toBe("killed"));
        const last = await open(manager);
        await last.destroy(vm);
        expect(await last.list()).toEqual([]);
        const id = await last.templates?.find(label);
        const left = world.inventory().filter((one) => !before.includes(one));
        if (id === undefined) expect(left, `killed at ${number}`).toEqual([]);
        else {
          complete++;
          expect(left.map((one) => one.split(" ")[0])).toEqual([
            "VirtualDisk",
            "Vm",
            "VmDiskMapping",
            "Vnic",
            "Vnic",
          ]);
          const { mappings, vnics } = await manager.api.vm(id);
          const disks = await Promise.all(mappings.map((one) => manager.api.mapping(one.id)));
          for (const { id: mapping } of mappings) await manager.api.deleteMapping(mapping);
          for (const vnic of vnics) await manager.api.deleteVnic(vnic.id, id);
          await manager.api.deleteVm(id);
          for (const { device } of disks) if ("id" in device) await manager.api.deleteDisk(device.id);
          expect(world.inventory()).toEqual(before);
        }
        if (made !== undefined) break;
        expect(number).toBeLessThan(100);
      }
      expect(complete).toBeGreaterThan(1);
    },
  );
});

describe("a machine on Oracle VM", () => {
  it("does not touch a machine of its name that it did not make", async () => {
    const { hypervisor, world } = await opened("3.4.5.1919", "ssh");
    world.add("Vm", "ol6-abc123-install", { state: "STOPPED" });
    await expect(hypervisor.define(await spec())).rejects.toThrow(/a machine of this name exists/);
    await hypervisor.destroy("ol6-abc123-install");
    expect(world.all("Vm").map(({ name }) => name)).toContain("ol6-abc123-install");
  });

  it("is refused by UEFI", async () => {
    const { hypervisor } = await opened("3.4.5.1919", "ssh");
    await expect(hypervisor.define({ ...(await spec()), firmware: "uefi" })).rejects.toThrow(/by UEFI/);
  });

  it("names missing keys of the site, and missing folders on a server", async () => {
    const manager = await opened("3.4.5.1919", "ssh");
    await manager.hypervisor.check();
    expect((await manager.hypervisor.examine()).filter(({ ok }) => !ok)).toEqual([]);
    const [repository] = manager.world.all("Repository");
    await rm(join(folder, "repositories", repository?.id ?? ""), { recursive: true });
    await expect(manager.hypervisor.check()).rejects.toThrow(/has no folder .*VirtualDisks/);
    const lacking = (await manager.hypervisor.examine()).filter(({ ok }) => !ok);
    expect(lacking).toMatchObject([{ what: "server ovs1", text: expect.stringContaining("has no folder") }]);
  });

  it("has a bench on its first server for images, and leaves nothing there", async () => {
    const { hypervisor, world } = await opened("3.4.5.1919", "ssh");
    const { bench } = hypervisor;
    if (!bench) throw new Error("the site asks for one");
    await spec();
    const before = world.inventory();
    const { address, path: there } = await bench.put("ol6-abc123-seal", image());
    expect([address, bench.name]).toEqual(["root@ovs1", "root@ovs1"]);
    expect(await readFile(there)).toEqual(await readFile(image()));
    await writeFile(there, "changed");
    await bench.take("ol6-abc123-seal", image());
    expect(await readFile(image(), "utf8")).toBe("changed");
    await bench.remove("ol6-abc123-seal");
    await bench.remove("ol6-abc123-seal");
    const repository = world.get("Repository", { name: "repo1" }).id;
    expect(existsSync(join(folder, "repositories", repository, "tbuild"))).toBe(false);
    expect(world.inventory()).toEqual(before);
  });

  it("needs the site's Manager", async () => {
    const site = { servers: { a: "root@a" }, networks: { build: "x" } };
    const addresses = { first: "10.0.0.2", gateway: "10.0.0.1", nameServer: "10.0.0.1" };
    await expect(
      openHypervisor(host, { kind: "oracle-vm", ...site, addresses }, { folder, memory: folder }),
    ).rejects.toThrow(/needs an Oracle VM Manager/);
  });

  it("says that no server fetched the disc", async () => {
    const manager = await opened("3.4.5.1919", "ssh");
    manager.world.faults.push({ at: /^importVirtualCdrom$/, kind: "fails", times: 1 });
    const error = await manager.hypervisor.define(await spec()).catch((one) => one);
    expect(error.hint).toMatch(/No server connected to http:\/\/127\.0\.0\.1:\d+/);
  });
});
