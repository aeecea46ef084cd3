import { TbuildError } from "../../../errors.ts";
import type { AntiAffinityGroups, ManagerApi } from "../../../manager/api.ts";
import type { ManagerOptions } from "../../../manager/options.ts";
import { chosen, createSteadily } from "../../../manager/repeatable-creation.ts";
import { type Inventory, type Mark, markLine } from "../../place.ts";
import { groupName } from "./marks.ts";

/** The anti-affinity groups of deployments. Their names contain the mark. */
export function apartAt(api: ManagerApi, groups: AntiAffinityGroups, options: ManagerOptions) {
  const ours = async (mark: Mark) =>
    (await groups.list()).filter(({ name }) => name.startsWith(groupName("", mark)));

  async function removed(id: string): Promise<void> {
    // Whether a group with members can be deleted is not documented.
    for (const vm of (await groups.members(id)) ?? []) await groups.remove(id, vm);
    await groups.delete(id);
  }

  async function made(name: string, mark: Mark): Promise<string> {
    const pool = await chosen(api, "ServerPool", options.pool);
    return createSteadily({
      what: `group ${name}`,
      name,
      list: () => groups.list(),
      create: () => groups.create(pool.id, { name, description: markLine(mark) }),
      matches: async () => true,
      remove: (id) => groups.delete(id),
    });
  }

  return {
    async seen(mark: Mark): Promise<Inventory["groups"]> {
      return Promise.all(
        (await ours(mark)).map(async ({ id, name }) => ({
          name: name.slice(groupName("", mark).length),
          machines: await groups.members(id),
        })),
      );
    },

    async keepApart(group: string, machines: readonly string[], mark: Mark): Promise<void> {
      const name = groupName(group, mark);
      const [first, ...more] = (await groups.list()).filter((one) => one.name === name);
      for (const { id } of more) await removed(id);
      const there = first && (await groups.members(first.id));
      // Its members are not shown, so the group is made again.
      if (first && !there) await removed(first.id);
      const id = first && there ? first.id : await made(name, mark);
      const members = there ?? [];
      for (const vm of members) if (!machines.includes(vm)) await groups.remove(id, vm);
      for (const vm of machines)
        if (!members.includes(vm))
          await groups.add(id, vm).catch((error) => {
            throw error instanceof TbuildError && error.code === "failed"
              ? error.with({
                  hint: "If both run on one server, stop one of them; the next run starts it on another.",
                })
              : error;
          });
    },

    async forgetApart(group: string, mark: Mark): Promise<void> {
      for (const { id, name } of await ours(mark)) if (name === groupName(group, mark)) await removed(id);
    },

    /** Removes a machine from the groups: whether a member can be deleted is not documented. */
    async leave(vm: string, mark: Mark): Promise<void> {
      for (const { id } of await ours(mark))
        if ((await groups.members(id))?.includes(vm)) await groups.remove(id, vm);
    },
  };
}
