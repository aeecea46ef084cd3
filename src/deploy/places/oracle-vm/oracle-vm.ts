import { TbuildError } from "../../../errors.ts";
import type { ManagerApi, VmSeen } from "../../../manager/api.ts";
import { openManager } from "../../../manager/open.ts";
import type { ManagerOptions } from "../../../manager/options.ts";
import { chosen } from "../../../manager/repeatable-creation.ts";
import { type Mark, markIn, type Place, type PlaceContext, type PlaceKind } from "../../place.ts";
import { apartAt } from "./anti-affinity.ts";
import { clonesOf } from "./clone.ts";
import { conversationAt } from "./conversation.ts";
import { disksAt } from "./disks.ts";
import { machineMade } from "./machines.ts";
import { finalNameOf } from "./marks.ts";
import { nicsAt } from "./nics.ts";
import { power } from "./power.ts";
import { removeHalf, removeMachine } from "./removal.ts";
import { isThere, lookAt, strangersOn } from "./seen.ts";
import { templateAt } from "./templates.ts";

/** Oracle VM Manager as a place: the one that the site names. */
export const oracleVmPlace: PlaceKind = {
  summary: "Oracle VM Manager, as in the site's `manager`",
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
  { signal, folder, note }: Pick<PlaceContext, "signal" | "folder" | "note">,
): Promise<Place> {
  const { version, isSimulator } = await api.about();
  const repository = (name?: string) => chosen(api, "Repository", name ?? options.repository);
  const clones = clonesOf(api, options, { folder, signal, ...(note && { note }) });
  const apart = api.antiAffinity && apartAt(api, api.antiAffinity, options);
  const startedAt = new Map<string, number>();

  async function ours(id: string, mark: Mark, what: string): Promise<VmSeen> {
    const vm = await api.vm(id);
    if (markIn(vm.description ?? "")?.id === mark.id) return vm;
    throw new TbuildError("environment", `${what} ${vm.name} does not carry the mark of this deployment`, {
      subject: api.name,
      hint: "Someone made it outside tbuild, or changed its description. It was not changed.",
    });
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
      antiAffinity: apart ? true : { why: "only the CLI is known to support this (via: ssh)" },
      joinsMachines: true,
      // It is unknown whether a real Manager receives reports of tbuild's additions.
      messages: isSimulator ? ["oracle", "tbuild"] : ["oracle"],
      // Apache CloudStack's code for Oracle VM 3 allows at most 7 vifs. Slots are xvda to xvdz.
      mostSlots: 26,
      mostNics: 7,
      // The CLI User's Guide of 3.3, "create Vm" and "create VirtualDisk".
      memoryMib: { least: 32, most: 2_000_000 },
      mostDiskBytes: 1_000_000 * 2 ** 30,
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

    strangersOn: (ours, mark) => strangersOn(api, ours, mark),
    ...disksAt(api, repository),
    ...nicsAt(api),
    makeMachine: (machine, mark) => machineMade(api, options, clones, machine, mark),

    async resize(machine, size) {
      await api.editVm(machine, size);
    },

    ...(apart && { keepApart: apart.keepApart, forgetApart: apart.forgetApart }),

    ...power(api, signal, (machine) => startedAt.set(machine, Date.now())),

    talk: async (machine) =>
      conversationAt(api, machine, { options, signal, startedAt: startedAt.get(machine) ?? 0 }),

    async destroyMachine(machine, mark) {
      if (!(await isThere(api, "Vm", machine))) return;
      const seen = await api.vm(machine);
      if (finalNameOf(seen.name, mark) !== undefined) return removeHalf(api, seen, mark);
      const vm = await ours(machine, mark, "the machine");
      await apart?.leave(machine, mark);
      await removeMachine(api, vm);
    },

    async tidy(mark) {
      await clones.tidy(mark);
      for (const { id, description = "" } of (await api.looseVnics?.()) ?? [])
        if (markIn(description)?.id === mark.id) await api.deleteVnic(id);
    },

    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}
