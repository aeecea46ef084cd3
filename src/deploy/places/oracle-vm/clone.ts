import { join } from "node:path";
import { z } from "zod";
import { TbuildError } from "../../../errors.ts";
import { sleep } from "../../../host/wait-for.ts";
import { atMost } from "../../../io/parallel.ts";
import type { ManagerApi, Named, VmSeen } from "../../../manager/api.ts";
import type { ManagerOptions } from "../../../manager/options.ts";
import { chosen, createSteadily } from "../../../manager/steady.ts";
import { type CloneWay, type Mark, markIn } from "../../place.ts";
import { recordsIn } from "../place-records.ts";
import { customizerName, finalNameOf, unfinishedName } from "./marks.ts";
import { removeHalf } from "./removal.ts";
import { mappingsOf } from "./seen.ts";

export interface Cloning {
  readonly template: string;
  readonly name: string;
  readonly way: CloneWay;
  readonly target: Named;
}

export interface Clones {
  /** A clone with its unfinished name. */
  make(cloning: Cloning, mark: Mark): Promise<string>;
  /** Renames a clone that an interrupted call left, so that it is found by its name. */
  recover(mark: Mark): Promise<void>;
  /** Removes the customizers that interrupted calls left. */
  tidy(mark: Mark): Promise<void>;
}

/** A requested clone that gets its name afterwards. */
const Pending = z.object({
  mark: z.object({ id: z.string(), deployment: z.string() }),
  template: z.string(),
  /** The ids of all machines and templates before. */
  before: z.array(z.string()),
});
type Pending = z.infer<typeof Pending>;

/** Clones of templates. `folder` keeps the requests, if the Manager does not. */
export function clonesOf(
  api: ManagerApi,
  options: ManagerOptions,
  { folder, signal }: { readonly folder: string; readonly signal: AbortSignal },
): Clones {
  const pending = recordsIn(join(folder, "clones"), Pending);
  // A clone of this process that has no name yet must not be mistaken for an interrupted one.
  const inTurn = atMost(1);
  // Each of its operations locks the template. Those of parallel clones would be refused, and retried after a
  // wait.
  const onTemplate = atMost(1);

  async function create(wanted: Parameters<ManagerApi["cloneVm"]>[0], mark: Mark): Promise<string> {
    if (!api.renamesClones) return api.cloneVm(wanted);
    return inTurn(async () => {
      await recovered(mark);
      const before = (await api.list("Vm")).map(({ id }) => id);
      await pending.write(wanted.name, { mark, template: wanted.from, before });
      const id = await api.cloneVm(wanted);
      await pending.remove(wanted.name);
      return id;
    });
  }

  async function recovered(mark: Mark): Promise<void> {
    for (const [name, record] of await pending.list()) {
      if (record.mark.id !== mark.id) continue;
      await cloned(api, options, signal);
      const found = await candidates(api, record, mark);
      const [one] = found;
      if (found.length > 1)
        throw new TbuildError("environment", `has several new clones, and one of them is ${name}`, {
          subject: api.name,
          lines: found.map((vm) => `${vm.name} (${vm.id})`),
          hint: "An interrupted run cloned a template, and could not name the clone. Remove or rename the clones that you know, and run it again.",
        });
      if (one) await api.editVm(one.id, { name });
      await pending.remove(name);
    }
  }

  const recover = (mark: Mark) => (api.renamesClones ? inTurn(() => recovered(mark)) : Promise.resolve());

  return {
    recover,
    make: (cloning, mark) => onTemplate(() => made(cloning, mark)),
    async tidy(mark) {
      for (const one of (await api.customizers?.()) ?? [])
        if (one.name.startsWith(customizerName("", mark))) await api.deleteCustomizer?.(one.id);
    },
  };

  async function made({ template, name, way, target }: Cloning, mark: Mark): Promise<string> {
    const half = unfinishedName(name, mark);
    const pool = await chosen(api, "ServerPool", options.pool);
    const wanted = { from: template, name: half, pool: pool.id, asTemplate: false, repository: target.id };
    const cloneBy = (customizer?: string) =>
      createSteadily({
        what: `machine ${half}`,
        name: half,
        list: async () => {
          await recover(mark);
          return api.list("Vm");
        },
        create: () => create({ ...wanted, ...(customizer !== undefined && { customizer }) }, mark),
        // A clone is a separate job: a machine with the name is complete, unless its disks are still being copied.
        matches: async (id) => (await api.vm(id)).state === "stopped",
        remove: async (id) => removeHalf(api, await api.vm(id), mark),
      });
    if (!api.createCustomizer || !api.customizers || !api.deleteCustomizer) return cloneBy();
    const customizer = customizerName(name, mark);
    for (const one of await api.customizers())
      if (one.name === customizer) await api.deleteCustomizer(one.id);
    const mappings = await mappingsOf(api, await api.vm(template));
    const type = way === "thin" ? "THIN_CLONE" : "SPARSE_COPY";
    const id = await api.createCustomizer(template, {
      name: customizer,
      storage: mappings
        .filter(({ device }) => device.kind === "virtual-disk")
        .map(({ id: mapping }) => ({ mapping, repository: target.id, type })),
      networks: [],
    });
    const machine = await cloneBy(id).catch(async (error) => {
      await api.deleteCustomizer?.(id).catch(() => {});
      throw error;
    });
    await api.deleteCustomizer(id);
    return machine;
  }
}

/** Waits until no clone is being made, because the job of an interrupted call continues. */
async function cloned(api: ManagerApi, { copyMinutes }: ManagerOptions, signal: AbortSignal): Promise<void> {
  const until = Date.now() + copyMinutes * 60_000;
  const isCloning = async () => ((await api.activeJobs?.()) ?? []).some(({ name }) => /clone/i.test(name));
  while (Date.now() < until && !signal.aborted && (await isCloning())) await sleep(500, signal);
}

/**
 * Machines that can only be the clone: new since the request, never started, with the template's size and
 * description, and a name that the Manager derived from the template's.
 */
async function candidates(api: ManagerApi, { template, before }: Pending, mark: Mark): Promise<VmSeen[]> {
  const known = new Set(before);
  const fresh = (await api.list("Vm")).filter(
    ({ id, name }) => !known.has(id) && finalNameOf(name, mark) === undefined,
  );
  if (fresh.length === 0) return [];
  const from = await api.vm(template);
  const seen = await Promise.all(fresh.map(({ id }) => api.vm(id)));
  return seen.filter(
    (vm) =>
      vm.state === "stopped" &&
      vm.name.startsWith(from.name) &&
      markIn(vm.description ?? "") === undefined &&
      (vm.description ?? "") === ((vm.description ?? "") === "" ? "" : (from.description ?? "")) &&
      vm.memoryMib === from.memoryMib &&
      vm.vcpus === from.vcpus &&
      vm.mappings.length === from.mappings.length,
  );
}
