import { createReadStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { unpackTemplate } from "../../src/bundles/read/unpack.ts";
import { managerPlace } from "../../src/deploy/places/oracle-vm/oracle-vm.ts";
import { localHost } from "../../src/host/local.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import type { ManagerApi } from "../../src/manager/api.ts";
import { importTemplate } from "../../src/manager/import.ts";
import { serveFiles } from "../../src/manager/serve-files.ts";
import type { Backing } from "../../src/manager/simulator/backing/backing.ts";
import { machinesBehind } from "../../src/manager/simulator/backing/machines.ts";
import { type Simulator, startSimulator } from "../../src/manager/simulator/simulator.ts";
import { lentIn, openOn, optionsFor } from "../manager/open.ts";
import { deploymentContract } from "./deployment-contract.ts";

// The template's disk has no system: its machines stay in their BIOS, and ignore shutdown requests.
const host = localHost();
const word = "a word of the template";

let web: Server;
let served: string;
let template: string;
beforeAll(async () => {
  served = await mkdtemp(join(tmpdir(), "tbuild-served-"));
  const image = Buffer.alloc(4 * 2 ** 20);
  image.write(word, 2 ** 20);
  await writeFile(join(served, "System.img"), image);
  await writeFile(
    join(served, "vm.cfg"),
    "OVM_simple_name = 'bare'\nOVM_domain_type = 'xen_hvm'\nmemory = 64\nvcpus = 1\ndisk = ['file:System.img,xvda,w']\n",
  );
  await host.run(["tar", "-czf", join(served, "bare.tgz"), "-C", served, "vm.cfg", "System.img"]);
  await writeFile(join(served, "broken.tgz"), "no archive");
  web = createServer(({ url = "" }, response) => {
    const file = join(served, basename(url));
    if (existsSync(file)) createReadStream(file).pipe(response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((done) => web.listen(0, "127.0.0.1", done));
  template = `http://127.0.0.1:${(web.address() as AddressInfo).port}/bare.tgz`;
});
afterAll(async () => {
  web.closeAllConnections();
  await new Promise((done) => web.close(done));
  await rm(served, { recursive: true });
});

async function backed(folder: string, onChange?: (text: string) => void): Promise<Backing> {
  const hypervisor = await openHypervisor(
    host,
    { kind: "qemu", accelerator: "tcg" },
    { folder: join(folder, "machines"), memory: join(folder, "memory") },
  );
  return machinesBehind({
    host,
    hypervisor,
    folder: join(folder, "data"),
    ...(onChange && { onChange }),
    async unpack(file, work) {
      const { said, disks } = await unpackTemplate(host, file, work, { mostBytes: 2 ** 30 });
      return { ...said, disks };
    },
  });
}

/** The running machines, by folder: the disks in the order of their slots, and the MACs. */
async function running(folder: string): Promise<{ pid: number; disks: string[]; macs: string[] }[]> {
  const found = [];
  for (const name of await readdir(join(folder, "machines")).catch(() => [])) {
    const pid = Number(await readFile(join(folder, "machines", name, "pid"), "utf8").catch(() => "0"));
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (!command.startsWith("qemu-system")) continue;
    const disks = [...command.matchAll(/file=[^,]*\/data\/disks\/([^,]+),[^\0]*/g)].map(([said, id]) =>
      [id, ...(said.includes("readonly") ? ["read-only"] : [])].join(" "),
    );
    const macs = [...command.matchAll(/virtio-net-pci,[^\0]*mac=([0-9a-f:]+)/g)].map(([, mac = ""]) => mac);
    found.push({ pid, disks, macs });
  }
  return found;
}

describe("the machines behind the simulated Manager", () => {
  let folder: string;
  let simulator: Simulator;
  let api: ManagerApi;
  let log: string[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-backing-"));
    log = [];
    simulator = await startSimulator({
      settings: { version: "3.4.5.1919", stopMs: 500, stopWaits: true },
      backing: await backed(folder, (text) => log.push(text)),
    });
    api = await openOn(optionsFor(simulator));
  });
  afterEach(async () => {
    await simulator[Symbol.asyncDispose]();
    expect(existsSync(join(folder, "data"))).toBe(false);
    expect(await running(folder)).toEqual([]);
    await rm(folder, { recursive: true });
  });

  const repository = async () => (await api.list("Repository"))[0]?.id ?? "";
  const network = async (name: string) =>
    (await api.list("Network")).find((one) => one.name === name)?.id ?? "";
  const contentOf = async (disk: string) => {
    const file = await open(join(folder, "data/disks", disk));
    try {
      return (await file.read(Buffer.alloc(word.length), 0, word.length, 2 ** 20)).buffer.toString();
    } finally {
      await file.close();
    }
  };
  const stateOf = async (id: string) => (await api.vm(id)).state;
  const systemDiskOf = async (id: string) => {
    const { device } = await api.mapping((await api.vm(id)).mappings[0]?.id ?? "");
    return "id" in device ? device.id : "";
  };
  const vmOf = async (name: string) => (await api.list("Vm")).find((one) => one.name === name)?.id ?? "";
  async function clonesOf(...names: string[]): Promise<string[]> {
    await api.importTemplate({ repository: await repository(), urls: [template] });
    const pool = (await api.list("ServerPool"))[0]?.id ?? "";
    const from = await vmOf("bare");
    const ids: string[] = [];
    for (const name of names) ids.push(await api.cloneVm({ from, name, pool, asTemplate: false }));
    return ids;
  }

  it("fetches a template that this machine serves", async () => {
    const options = optionsFor(simulator);
    await using files = await serveFiles({ "bare 1.0.tgz": join(served, "bare.tgz") }, options);
    const wanted = { repository: "repo1", name: "bare@1", onProgress: () => {} };
    const [made] = await importTemplate(api, { ...wanted, urls: files.urls });
    expect(made).toMatchObject({ name: "bare@1", lacking: [] });
    expect(files.wasAsked()).toBe(true);
  });

  it("have the data of the imported template, and each clone has its own copy", async () => {
    const [vm = ""] = await clonesOf("vm001");
    expect(await api.vm(await vmOf("bare"))).toMatchObject({ state: "template", memoryMib: 64, vcpus: 1 });
    const [from, copy] = [await systemDiskOf(await vmOf("bare")), await systemDiskOf(vm)];
    expect(copy).not.toBe(from);
    expect([await contentOf(from), await contentOf(copy)]).toEqual([word, word]);
  });

  it("report why an import failed, and keep nothing of it", async () => {
    for (const [file, why] of [
      ["gone.tgz", "404"],
      ["broken.tgz", "broken.tgz"],
    ] as const)
      await expect(
        api.importTemplate({ repository: await repository(), urls: [template.replace("bare.tgz", file)] }),
      ).rejects.toMatchObject({ lines: [expect.stringContaining(why)] });
    expect(await readdir(join(folder, "data/disks"))).toEqual([]);
    expect(await api.list("Vm")).toEqual([]);
  });

  it("start with their disks in the order of their slots, and their vnics; both write to a shared disk", async () => {
    const ids = await clonesOf("vm001", "vm002");
    const made: string[] = [];
    for (const name of ["asm2", "asm1"])
      made.push(
        await api.createDisk({
          name,
          bytes: 2 ** 30,
          isShareable: true,
          isSparse: true,
          repository: await repository(),
        }),
      );
    const [asm2 = "", asm1 = ""] = made;
    for (const id of ids) {
      // In arbitrary order, not in the order of slots.
      await api.createMapping(id, 5, { virtualDisk: asm2, mode: "shared" }, "asm2");
      await api.createMapping(id, 2, { virtualDisk: asm1, mode: "shared" }, "asm1");
      await api.createVnic(id, { network: await network("public") });
      await api.createVnic(id, {
        network: await network("private"),
        mac: `00:21:f6:0a:00:0${ids.indexOf(id)}`,
      });
    }
    for (const id of ids) await api.start(id);
    const machines = await running(folder);
    expect(machines.map(({ disks }) => disks).sort()).toEqual(
      [
        [await systemDiskOf(ids[0] ?? ""), asm1, asm2],
        [await systemDiskOf(ids[1] ?? ""), asm1, asm2],
      ].sort(),
    );
    expect(machines.map(({ macs }) => macs.at(-1)).sort()).toEqual([
      "00:21:f6:0a:00:00",
      "00:21:f6:0a:00:01",
    ]);
    expect(new Set(machines.flatMap(({ macs }) => macs)).size).toBe(4);
    expect(log).toEqual(
      ["vm001 runs", "vm002 runs"].map((text) => expect.stringContaining(`${text}: ssh -p `)),
    );
  });

  it("run until their power is cut; a guest that ignores the request continues, and the Manager says so", async () => {
    const [vm = ""] = await clonesOf("vm001");
    await api.start(vm);
    await expect(api.start(vm)).rejects.toThrow("refused");
    await expect(api.stop(vm)).rejects.toThrow("refused");
    expect(await stateOf(vm)).toBe("running");
    await expect(api.deleteVm(vm)).rejects.toThrow("refused");
    await api.kill(vm);
    expect(await stateOf(vm)).toBe("stopped");
    expect(await running(folder)).toEqual([]);
    expect(log.at(-1)).toBe("vm001 has stopped");
  });

  it("are stopped for the Manager when their process ends, and start again", async () => {
    const [vm = ""] = await clonesOf("vm001");
    await api.start(vm);
    process.kill((await running(folder))[0]?.pid ?? 0, "SIGKILL");
    await waitFor("the state", async () => ((await stateOf(vm)) === "stopped" ? true : undefined), {
      timeoutMs: 20_000,
    });
    await api.start(vm);
    expect(await running(folder)).toHaveLength(1);
  });

  it("leave their disks when they are deleted, and a deleted disk is gone", async () => {
    const [vm = ""] = await clonesOf("vm001");
    const disk = await systemDiskOf(vm);
    await api.start(vm);
    await api.kill(vm);
    await api.deleteVm(vm);
    expect(await readdir(join(folder, "machines"))).toEqual([]);
    expect(await contentOf(disk)).toBe(word);
    await api.deleteDisk(disk);
    expect(await readdir(join(folder, "data/disks"))).toEqual([await systemDiskOf(await vmOf("bare"))]);
  });

  it("are removed by the next simulator after a kill", async () => {
    const [vm = ""] = await clonesOf("vm001");
    await api.start(vm);
    const next = await backed(folder);
    expect(await running(folder)).toEqual([]);
    expect(await readdir(join(folder, "data/disks"))).toEqual([]);
    await next[Symbol.asyncDispose]();
  });
});

let simulator: Simulator | undefined;
deploymentContract(
  "Oracle VM Manager, with real machines behind it",
  async (folder) => {
    const home = join(folder, "simulator");
    await mkdir(home);
    simulator = await startSimulator({
      settings: { version: "3.4.5.1919", stopMs: 200 },
      backing: await backed(home),
    });
    const { world } = simulator;
    const options = optionsFor(simulator, { repository: "repo1", guestSeconds: 0 });
    const api = await openOn(options);
    await api.importTemplate({
      repository: world.get("Repository", { name: "repo1" }).id,
      urls: [template],
    });
    for (const one of world.all("Vm")) one.description = "ol6-grid@1.0.0";
    const before = new Set(world.objects.keys());
    return {
      open: async () =>
        managerPlace(await openOn(options), options, { signal: new AbortController().signal, folder }),
      stopGraceMs: 200,
      async foreign(name) {
        world.add("Vm", name, { state: "STOPPED", domainType: "XEN_HVM", memoryMib: 64, vcpus: 1 });
      },
      isForeignThere: async (name) => world.all("Vm").some((one) => one.name === name),
      lend: async ({ id }) => lentIn(world, id),
      leftovers: async () => [
        ...[...world.objects.values()]
          .filter((one) => !before.has(one.id) && one.name !== "node3")
          .map(({ type, name }) => `${type} ${name}`),
        ...(await readdir(join(home, "data/disks"))).filter((id) => !before.has(id)),
        ...(await running(home)).map(({ pid }) => `process ${pid}`),
      ],
    };
  },
  async () => simulator?.[Symbol.asyncDispose](),
);
