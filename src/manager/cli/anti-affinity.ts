import type { AntiAffinityGroups } from "../api.ts";
import { referenceIn } from "./answer.ts";
import { command, instance } from "./command.ts";
import type { Orders } from "./orders.ts";

const type = "AntiAffinityGroup";

/**
 * `create AntiAffinityGroup name= description= on ServerPool`, `add Vm … to`, `remove Vm … from` (CLI User's
 * Guide 3.3, A.33 and A.60). No public output of `show` has the members. `Vm 1 = ID [NAME]` is likely, as
 * with other objects.
 */
export function antiAffinityGroups(
  use: Pick<Orders, "list" | "rows" | "created" | "order">,
): AntiAffinityGroups {
  const member = (words: string, group: string, vm: string, between: string) =>
    use.order(
      command(`${words} ${instance({ type: "Vm", id: vm })} ${between} ${instance({ type, id: group })}`),
    );
  return {
    list: () => use.list(type),
    async members(id) {
      const rows = await use.rows(type, id);
      const found = rows.flatMap(({ key, value }) =>
        /^(?:vm|virtual machine) \d+$/i.test(key) ? (referenceIn(value)?.id ?? []) : [],
      );
      return found.length === 0 ? undefined : found;
    },
    create: (pool, { name, description }) =>
      use.created(
        type,
        command(`create ${type}`, { name, description }, `on ${instance({ type: "ServerPool", id: pool })}`),
      ),
    async delete(id) {
      await use.order(command(`delete ${instance({ type, id })}`));
    },
    async add(group, vm) {
      await member("add", group, vm, "to");
    },
    async remove(group, vm) {
      await member("remove", group, vm, "from");
    },
  };
}
