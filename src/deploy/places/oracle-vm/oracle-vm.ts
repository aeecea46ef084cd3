import { TbuildError } from "../../../errors.ts";
import { sleep } from "../../../host/wait-for.ts";
import type { ManagerApi, VmSeen } from "../../../manager/api.ts";
import { openManager } from "../../../manager/open.ts";
import type { ManagerOptions } from "../../../manager/options.ts";
import { chosen, createSteadily, findOne } from "../../../manager/steady.ts";
import { type Mark, markIn, markLine, type Place, type PlaceContext, type PlaceKind } from "../../place.ts";
import { apartAt } from "./apart.ts";
import { clonesOf } from "./clone.ts";
import { machineMade } from "./machines.ts";
import { blind, finalNameOf } from "./marks.ts";
import { removeHalf, removeMachine } from "./removal.ts";
import { lookAt, mappingsOf } from "./seen.ts";
import { conversationAt } from "./talk.ts";
import { templateAt } from "./templates.ts";

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
    return managerPlace(api, manager, context);
  },
};

export async function managerPlace(
  api: ManagerApi,
  options: ManagerOptions,
  { signal, folder }: Pick<PlaceContext, "signal" | "folder">,
): Promise<Place> {
  const { version, isSimulator } = await api.about();
  const repository = (name?: string) => chosen(api, "Repository", name ?? options.repository);
  const clones = clonesOf(api, options, { folder, signal });
  const apart = api.antiAffinity && apartAt(api, api.antiAffinity, options);
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
      antiAffinity: apart ? true : { why: "only the CLI is known to do it (via: ssh)" },
      joinsMachines: true,
      // Whether tbuild's additions would be heard by a real Manager is not known.
      messages: isSimulator ? ["oracle", "tbuild"] : ["oracle"],
      // At most 7 vifs stand in Apache CloudStack's code for Oracle VM 3; slots are xvda to xvdz.
      mostSlots: 26,
      mostNics: 7,
      parallel: 4,
    }),

    async surroundings() {
      const names = async (kind: "Network" | "Repository" | "Server") =>
        (await api.list(kind)).map(({ name }) => name);
      const [networks, storage, servers] = await Promise.all([
        names("Network"),
        names("Repository"),
        names("Server"),
      ]);
      return { networks, storage, servers };
    },

    findTemplate: (wanted) => templateAt(api, wanted),

    async look(mark, names) {
      await clones.recover(mark);
      const [seen, groups] = await Promise.all([lookAt(api, mark, names), apart?.seen(mark)]);
      return { ...seen, groups: groups ?? [] };
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

    makeMachine: (machine, mark) => machineMade(api, options, clones, machine, mark),

    async resize(machine, size) {
      await api.editVm(machine, size);
    },
    async addNic(machine, { network, mac }) {
      const vm = await api.vm(machine);
      for (const { id } of vm.vnics) if ((await api.vnic(id)).mac === mac) return;
      const mark = markIn(vm.description ?? "");
      await api.createVnic(machine, {
        network: (await findOne(api, "Network", network)).id,
        mac,
        ...(mark && { description: markLine(mark) }),
      });
    },
    async removeNic(machine, mac) {
      for (const { id } of (await api.vm(machine)).vnics)
        if ((await api.vnic(id)).mac === mac) await api.deleteVnic(id, machine);
    },
    async mapDisk(machine, { slot, disk, mode }) {
      const vm = await api.vm(machine);
      const there = (await mappingsOf(api, vm)).find((one) => one.slot === slot);
      if (there) {
        if ("id" in there.device && there.device.id === disk) return;
        throw new TbuildError("environment", `slot ${slot} of ${vm.name} has another disk`, {
          subject: api.name,
        });
      }
      await api.createMapping(machine, slot, { virtualDisk: disk, mode }, `${vm.name} slot ${slot}`);
    },
    async unmapDisk(machine, slot) {
      for (const one of await mappingsOf(api, await api.vm(machine)))
        if (one.slot === slot) await api.deleteMapping(one.id);
    },

    ...(apart && { keepApart: apart.keepApart, forgetApart: apart.forgetApart }),

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
      const until = Date.now() + graceMs;
      // A job that lasts as long as the guest takes ends at the same deadline. What the Manager says of it matters less than the guest.
      await api.stop(machine, Math.max(graceMs, 1000)).catch((error) => {
        if (!(error instanceof TbuildError) || signal.aborted || stopSignal?.aborted) throw error;
      });
      while ((await api.vm(machine)).state !== "stopped") {
        if (Date.now() >= until) return api.kill(machine);
        await sleep(2000, stopSignal ?? signal);
        if ((stopSignal ?? signal).aborted) return;
      }
    },

    talk: async (machine) =>
      conversationAt(api, machine, { options, signal, startedAt: startedAt.get(machine) ?? 0 }),

    async destroyMachine(machine, mark) {
      if (!(await isThere("Vm", machine))) return;
      const seen = await api.vm(machine);
      if (finalNameOf(seen.name, mark) !== undefined) return removeHalf(api, seen, mark);
      const vm = await ours(machine, mark, "the machine");
      await apart?.leave(machine, mark);
      await removeMachine(api, vm);
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

    async tidy(mark) {
      await clones.tidy(mark);
      for (const { id, description = "" } of (await api.looseVnics?.()) ?? [])
        if (markIn(description)?.id === mark.id) await api.deleteVnic(id);
    },

    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}
