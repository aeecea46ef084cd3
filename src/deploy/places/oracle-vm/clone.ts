import { atMost } from "../../../io/parallel.ts";
import type { ManagerApi, Named } from "../../../manager/api.ts";
import type { ManagerOptions } from "../../../manager/options.ts";
import { chosen, createSteadily } from "../../../manager/repeatable-creation.ts";
import type { CloneWay, Mark } from "../../place.ts";
import { type CloneContext, type CloneRequests, cloneRequests } from "./clone-requests.ts";
import { customizerName, unfinishedName } from "./marks.ts";
import { removeHalf } from "./removal.ts";
import { mappingsOf } from "./seen.ts";

export interface Cloning {
  readonly template: string;
  readonly name: string;
  readonly way: CloneWay;
  readonly target: Named;
}

export interface Clones extends Omit<CloneRequests, "create"> {
  /** A clone with its unfinished name. */
  make(cloning: Cloning, mark: Mark): Promise<string>;
  /** Removes the customizers that interrupted calls left. */
  tidy(mark: Mark): Promise<void>;
}

/** Clones of templates. */
export function clonesOf(api: ManagerApi, options: ManagerOptions, context: CloneContext): Clones {
  const { create, ...requests } = cloneRequests(api, options, context);
  // Each of its operations locks the template. Those of parallel clones would be refused, and retried after a
  // wait.
  const onTemplate = atMost(1);

  return {
    ...requests,
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
          await requests.recover(mark);
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
