import { TbuildError } from "../../errors.ts";
import { sleep } from "../../host/wait-for.ts";
import type { ManagerApi, Named, VmSeen } from "../../manager/api.ts";
import { openManager } from "../../manager/open.ts";
import type { ManagerOptions } from "../../manager/options.ts";
import { chosen, createSteadily, findOne } from "../../manager/steady.ts";
import {
  type Inventory,
  type Mark,
  markIn,
  markLine,
  type Place,
  type PlaceKind,
  type SeenDisk,
  type SeenMachine,
} from "../place.ts";

/** Oracle VM Manager as a place: the one that the site names. */
export const oracleVmPlace: PlaceKind = {
  summary: "Oracle VM Manager, as the site's `manager` says",
  isOf: (site) => site.manager !== undefined,
  async open(context) {
    const { manager } = context.site;
    if (!manager) throw new Error("a site without a Manager has no such place");
    const api = await openManager(manager, {
      environment: context.environment,
      folder: ".",
      memory: context.memory,
      askSecret: context.askSecret,
      signal: context.signal,
    });
    return managerPlace(api, manager, context.signal);
  },
};

/*
 * Our machines and disks carry the mark in their description. A machine's description also names its system disks, which the clone made:
 * deleting a machine leaves them behind. A clone has a name of its own until it is complete, so a machine with its final name is complete.
 */

const wantedBytes = /tbuild size (\d+)\. /;

/** The size that was wanted, where the Manager made whole GiB of it. */
function bytesOf(made: number, text: string): number {
  const wanted = Number(wantedBytes.exec(text)?.[1] ?? made);
  return made >= wanted && made - wanted < 2 ** 30 ? wanted : made;
}

const systemDisks = /tbuild system disks ([\w.,-]*)\. /;

function description(disks: readonly string[], mark: Mark): string {
  return `tbuild system disks ${disks.join(",")}. ${markLine(mark)}`;
}

function systemDisksIn(text: string): string[] {
  return (systemDisks.exec(text)?.[1] ?? "").split(",").filter(Boolean);
}

export async function managerPlace(
  api: ManagerApi,
  options: ManagerOptions,
  signal: AbortSignal,
): Promise<Place> {
  const { version, isSimulator } = await api.about();
  const unfinished = (name: string, mark: Mark) => `${name}.tbuild-${mark.id}`;
  const repository = (name?: string) => chosen(api, "Repository", name ?? options.repository);
  const startedAt = new Map<string, number>();

  async function ours(id: string, mark: Mark, what: string): Promise<VmSeen> {
    const vm = await api.vm(id);
    if (markIn(vm.description ?? "")?.id === mark.id) return vm;
    throw new TbuildError("environment", `${what} ${vm.name} does not carry the mark of this deployment`, {
      subject: api.name,
      hint: "Somebody else made it, or changed its description. It was left alone.",
    });
  }

  async function isThere(kind: "Vm" | "VirtualDisk", id: string): Promise<boolean> {
    return (await api.list(kind)).some((one) => one.id === id);
  }

  async function mappingsOf(vm: VmSeen) {
    return Promise.all(vm.mappings.map(({ id }) => api.mapping(id)));
  }

  /** Removes a machine with everything that a clone made: first its system disks, so that the last to go is what names them. */
  async function removeMachine(vm: VmSeen, disks: readonly string[]): Promise<void> {
    const existing = new Set((await api.list("VirtualDisk")).map(({ id }) => id));
    for (const one of await mappingsOf(vm)) await api.deleteMapping(one.id);
    for (const id of disks) if (existing.has(id)) await api.deleteDisk(id);
    for (const { id } of vm.vnics) await api.deleteVnic(id, vm.id);
    await api.deleteVm(vm.id);
  }

  async function seenMachine(vm: VmSeen): Promise<SeenMachine> {
    const system = systemDisksIn(vm.description ?? "");
    const nics = [];
    for (const { id } of vm.vnics) {
      const { mac, network } = await api.vnic(id);
      nics.push({ mac: mac ?? "", network: network?.name ?? "" });
    }
    const disks = [];
    for (const { slot, device } of await mappingsOf(vm)) {
      if (slot === undefined || (device.kind !== "virtual-disk" && device.kind !== "physical-disk")) continue;
      if (system.includes(device.id)) continue;
      const isShared = device.kind === "virtual-disk" && (await api.disk(device.id)).isShareable === true;
      disks.push({ slot, disk: device.id, mode: isShared ? ("shared" as const) : ("write" as const) });
    }
    const { id, name, vcpus = 0, memoryMib = 0, state } = vm;
    const now = state === "running" || state === "stopped" ? state : "other";
    return { id, name, state: now, vcpus, memoryMib, nics, disks };
  }

  /** A clone whose disks are made as `way` says; where there are no customizers, the Manager decides. */
  async function clone(
    from: string,
    name: string,
    way: "thin" | "full",
    target: Named,
    mark: Mark,
  ): Promise<string> {
    const pool = await chosen(api, "ServerPool", options.pool);
    const wanted = { from, name, pool: pool.id, asTemplate: false, repository: target.id };
    const make = (customizer?: string) =>
      createSteadily({
        what: `machine ${name}`,
        name,
        list: () => api.list("Vm"),
        create: () => api.cloneVm({ ...wanted, ...(customizer !== undefined && { customizer }) }),
        // A clone is a job of its own: what has the name is complete, unless its disks are still copied.
        matches: async (id) => (await api.vm(id)).state === "stopped",
        remove: (id) => api.deleteVm(id),
      });
    if (!api.createCustomizer || !api.customizers || !api.deleteCustomizer) return make();
    const customizer = `tbuild-${mark.id}-${name}`;
    // What an interrupted call left.
    for (const one of await api.customizers(from))
      if (one.name === customizer) await api.deleteCustomizer(one.id);
    const mappings = await mappingsOf(await api.vm(from));
    const type = way === "thin" ? "THIN_CLONE" : "SPARSE_COPY";
    const id = await api.createCustomizer(from, {
      name: customizer,
      storage: mappings
        .filter(({ device }) => device.kind === "virtual-disk")
        .map(({ id: mapping }) => ({ mapping, repository: target.id, type })),
      networks: [],
    });
    try {
      return await make(id);
    } finally {
      await api.deleteCustomizer(id);
    }
  }

  return {
    name: `${api.name} (${version})`,
    identity: `oracle-vm ${options.host}`,

    async check() {
      await chosen(api, "ServerPool", options.pool);
      await repository();
    },

    abilities: async () => ({
      clones: api.createCustomizer ? ["thin", "full"] : ["full"],
      sharedDisks: true,
      antiAffinity: false,
      joinsMachines: true,
      // Whether tbuild's additions would be heard by a real Manager is not known.
      messages: isSimulator ? ["oracle", "tbuild"] : ["oracle"],
      // At most 7 vifs stand in Apache CloudStack's code for Oracle VM 3; slots are xvda to xvdz.
      ...{ mostSlots: 26, mostNics: 7, parallel: 4 },
    }),

    async surroundings() {
      const names = async (kind: "Network" | "Repository" | "Server") =>
        (await api.list(kind)).map(({ name }) => name);
      return {
        networks: await names("Network"),
        storage: await names("Repository"),
        servers: await names("Server"),
      };
    },

    async findTemplate(wanted) {
      const name = "atPlace" in wanted ? wanted.atPlace : undefined;
      const found =
        name === undefined && "manifest" in wanted
          ? await imported(api, `${wanted.manifest.name}@${wanted.manifest.version}`)
          : await findOne(api, "Vm", name ?? "");
      const vm = await api.vm(found.id);
      if (vm.isTemplate === false)
        throw new TbuildError("usage", `${vm.name} is a virtual machine, not a template`, {
          subject: api.name,
        });
      const mappings = await mappingsOf(vm);
      const networks: string[] = [];
      for (const { id } of vm.vnics) networks.push((await api.vnic(id)).network?.name ?? "");
      return {
        id: vm.id,
        isThere: true,
        name: vm.name,
        systemSlots: mappings.flatMap(({ slot, device }) =>
          slot === undefined || device.kind === "empty" ? [] : [slot],
        ),
        memoryMib: vm.memoryMib ?? 1024,
        vcpus: vm.vcpus ?? 1,
        networks: networks.filter(Boolean),
      };
    },

    async look(mark, names): Promise<Inventory> {
      const machines: SeenMachine[] = [];
      const taken: Inventory["taken"][number][] = [];
      const halves = new Map(names.machines.map((name) => [unfinished(name, mark), name]));
      for (const { id } of await api.list("Vm")) {
        const vm = await api.vm(id);
        const of = markIn(vm.description ?? "");
        const half = halves.get(vm.name);
        if (of?.id === mark.id) machines.push(await seenMachine(vm));
        else if (half !== undefined)
          machines.push({
            ...{ id, name: half, state: "unfinished" as const, vcpus: 0, memoryMib: 0 },
            ...{ nics: [], disks: [] },
          });
        else if (names.machines.includes(vm.name))
          taken.push({ kind: "machine", name: vm.name, ...(of && { by: `deployment ${of.deployment}` }) });
      }
      const disks: SeenDisk[] = [];
      for (const one of await api.list("VirtualDisk")) {
        const disk = await api.disk(one.id);
        const of = markIn(disk.description ?? "");
        const { id, name, bytes = 0, isShareable = false } = disk;
        if (of?.id === mark.id)
          disks.push({ id, name, bytes: bytesOf(bytes, disk.description ?? ""), isShared: isShareable });
        else if (names.disks.includes(name))
          taken.push({ kind: "disk", name, ...(of && { by: `deployment ${of.deployment}` }) });
      }
      return { machines, disks, taken };
    },

    async makeDisk({ name, bytes, isShared, storage }, mark) {
      const target = await repository(storage);
      const hasMark = async (id: string) => markIn((await api.disk(id)).description ?? "")?.id === mark.id;
      for (const one of await api.list("VirtualDisk"))
        if (one.name === name && (await hasMark(one.id))) return one.id;
      const id = await createSteadily({
        what: `disk ${name}`,
        name,
        list: () => api.list("VirtualDisk"),
        create: () =>
          api.createDisk({
            name,
            bytes,
            description: `tbuild size ${bytes}. ${markLine(mark)}`,
            isShareable: isShared,
            isSparse: true,
            repository: target.id,
          }),
        matches: hasMark,
        remove: (half) => api.deleteDisk(half),
      });
      if (!(await hasMark(id))) throw blind(api, `disk ${name}`);
      return id;
    },

    async makeMachine({ name, template, way, vcpus, memoryMib, storage, nics }, mark) {
      const half = unfinished(name, mark);
      for (const one of await api.list("Vm")) {
        if (one.name !== name && one.name !== half) continue;
        const vm = await api.vm(one.id);
        if (one.name === half) {
          // What an interrupted call left has never run. All of its disks are copies.
          const copies = (await mappingsOf(vm)).flatMap(({ device }) =>
            device.kind === "virtual-disk" ? [device.id] : [],
          );
          await removeMachine(vm, copies);
        } else if (markIn(vm.description ?? "")?.id === mark.id) return vm.id;
        else
          throw new TbuildError("environment", `has a virtual machine ${name} that is not ours`, {
            subject: api.name,
          });
      }
      const id = await clone(template.id, half, way, await repository(storage), mark);
      const vm = await api.vm(id);
      for (const vnic of vm.vnics) await api.deleteVnic(vnic.id, id);
      for (const { network, mac } of nics)
        await api.createVnic(id, { network: (await findOne(api, "Network", network)).id, mac });
      const copies = (await mappingsOf(vm)).flatMap(({ device }) =>
        device.kind === "virtual-disk" ? [device.id] : [],
      );
      await api.editVm(id, { vcpus, memoryMib, name, description: description(copies, mark) });
      if (markIn((await api.vm(id)).description ?? "")?.id !== mark.id) throw blind(api, `machine ${name}`);
      return id;
    },

    async resize(machine, size) {
      await api.editVm(machine, size);
    },
    async addNic(machine, { network, mac }) {
      const vm = await api.vm(machine);
      for (const { id } of vm.vnics) if ((await api.vnic(id)).mac === mac) return;
      await api.createVnic(machine, { network: (await findOne(api, "Network", network)).id, mac });
    },
    async removeNic(machine, mac) {
      for (const { id } of (await api.vm(machine)).vnics)
        if ((await api.vnic(id)).mac === mac) await api.deleteVnic(id, machine);
    },
    async mapDisk(machine, { slot, disk, mode }) {
      const vm = await api.vm(machine);
      const there = (await mappingsOf(vm)).find((one) => one.slot === slot);
      if (there) {
        if ("id" in there.device && there.device.id === disk) return;
        throw new TbuildError("environment", `slot ${slot} of ${vm.name} has another disk`, {
          subject: api.name,
        });
      }
      await api.createMapping(machine, slot, { virtualDisk: disk, mode }, `${vm.name} slot ${slot}`);
    },
    async unmapDisk(machine, slot) {
      for (const one of await mappingsOf(await api.vm(machine)))
        if (one.slot === slot) await api.deleteMapping(one.id);
    },

    async isRunning(machine) {
      return (await api.vm(machine)).state === "running";
    },
    async start(machine) {
      if ((await api.vm(machine)).state === "running") return;
      await api.start(machine);
      startedAt.set(machine, Date.now());
    },
    async stop(machine, { graceMs, signal: stopSignal }) {
      if ((await api.vm(machine)).state === "stopped") return;
      await api.stop(machine);
      const until = Date.now() + graceMs;
      while ((await api.vm(machine)).state !== "stopped") {
        if (Date.now() >= until) return api.kill(machine);
        await sleep(2000, stopSignal ?? signal);
        if ((stopSignal ?? signal).aborted) return;
      }
    },

    async talk(machine) {
      let isHeard = false;
      return {
        async send(message) {
          // The additions must run, which nothing shows; scripts wait for half a minute after the start.
          const pause = (startedAt.get(machine) ?? 0) + options.guestSeconds * 1000 - Date.now();
          if (!isHeard && pause > 0) await sleep(pause, signal);
          const until = Date.now() + options.commandMinutes * 60_000;
          for (;;)
            try {
              await api.sendMessages(machine, [message]);
              isHeard = true;
              return;
            } catch (error) {
              const isRefused = error instanceof TbuildError && error.code === "failed";
              if (isHeard || !isRefused || Date.now() >= until || signal.aborted) throw error;
              await sleep(5000, signal);
            }
        },
        reports: async () => (await api.receivedMessages?.(machine)) ?? [],
        async [Symbol.asyncDispose]() {},
      };
    },

    async destroyMachine(machine, mark) {
      if (!(await isThere("Vm", machine))) return;
      const vm = await ours(machine, mark, "the machine");
      await removeMachine(vm, systemDisksIn(vm.description ?? ""));
    },
    async destroyDisk(disk, mark) {
      if (!(await isThere("VirtualDisk", disk))) return;
      const { name, description: text = "" } = await api.disk(disk);
      if (markIn(text)?.id !== mark.id)
        throw new TbuildError("environment", `the disk ${name} does not carry the mark of this deployment`, {
          subject: api.name,
        });
      await api.deleteDisk(disk);
    },
  };
}

/** A template whose description names a version of tbuild's store, as `tbuild manager import --description` sets it. */
async function imported(api: ManagerApi, version: string): Promise<Named> {
  const found: Named[] = [];
  for (const one of await api.list("Vm")) {
    const vm = await api.vm(one.id);
    const words = (vm.description ?? "").split(/\s+/);
    if (vm.isTemplate !== false && words.includes(version) && !markIn(vm.description ?? "")) found.push(one);
  }
  const [one] = found;
  if (one && found.length === 1) return one;
  throw new TbuildError(
    "usage",
    `has ${found.length === 0 ? "no template" : "several templates"} of ${version}`,
    {
      subject: api.name,
      lines: found.map(({ id, name }) => `${name} (${id})`),
      hint:
        found.length === 0
          ? `Import its bundle: tbuild manager import URL --description ${version}`
          : "Remove the others, or name the template as the Manager does.",
    },
  );
}

function blind(api: ManagerApi, what: string): TbuildError {
  return new TbuildError("environment", `does not show the description of the ${what}`, {
    subject: api.name,
    hint: "tbuild marks what it makes there, and would not find it again. Remove it, and set via: rest in the site.",
  });
}
