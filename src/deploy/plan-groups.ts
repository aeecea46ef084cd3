import type { Inventory } from "./place.ts";
import type { MachinePlan } from "./plan-machines.ts";
import type { State } from "./state.ts";
import type { Wanted } from "./wanted.ts";

/** The changes of an anti-affinity group. */
export interface GroupPlan {
  readonly name: string;
  readonly action: "create" | "change" | "keep" | "destroy";
  readonly machines: readonly string[];
  /** Changes outside tbuild since its last run. */
  readonly drift: readonly string[];
}

export function groupPlans(
  wanted: Wanted,
  inventory: Inventory,
  state: State,
  machines: readonly MachinePlan[],
): GroupPlan[] {
  const seen = membersSeen(inventory);
  // A new or replaced machine is not in a group yet.
  const fresh = new Set(
    machines.flatMap(({ name, action }) => (action === "create" || action === "replace" ? [name] : [])),
  );
  return [
    ...Object.entries(wanted.groups).map(([name, members]): GroupPlan => {
      const before = state.groups[name];
      if (!seen.has(name))
        return {
          name,
          machines: members,
          action: "create",
          drift: before ? ["was removed outside tbuild"] : [],
        };
      // If the place does not show the members of a group, the state has them.
      const there = seen.get(name) ?? before ?? [];
      const isWhole = isSame(there, members) && !members.some((one) => fresh.has(one));
      const action = before === undefined ? "create" : isWhole && isSame(before, members) ? "keep" : "change";
      return { name, machines: members, action, drift: before ? driftOf(before, there, machines) : [] };
    }),
    ...removals(inventory, state).filter(({ name }) => !(name in wanted.groups)),
  ];
}

/** All groups of the deployment are removed. */
export function removals(inventory: Inventory, state: State): GroupPlan[] {
  const seen = membersSeen(inventory);
  const ours = new Set([...inventory.machines.map(({ name }) => name), ...Object.keys(state.machines)]);
  return [...new Set([...seen.keys(), ...Object.keys(state.groups)])].map((name) => ({
    name,
    action: "destroy",
    // A machine that somebody added stays, but may then run on the same server as others.
    drift: (seen.get(name) ?? []).filter((one) => !ours.has(one)).map((one) => `${one} was added`),
    machines: seen.get(name) ?? state.groups[name] ?? [],
  }));
}

/** The members of each group by their names; a machine that is not ours by its id. */
function membersSeen({ machines, groups }: Inventory): ReadonlyMap<string, readonly string[] | undefined> {
  const names = new Map(machines.map(({ id, name }) => [id, name]));
  return new Map(groups.map((group) => [group.name, group.machines?.map((id) => names.get(id) ?? id)]));
}

function driftOf(
  before: readonly string[],
  there: readonly string[],
  machines: readonly MachinePlan[],
): string[] {
  // A missing machine is reported elsewhere.
  const here = new Set(machines.flatMap(({ name, seen }) => (seen ? [name] : [])));
  return [
    ...before.filter((one) => !there.includes(one) && here.has(one)).map((one) => `${one} was removed`),
    ...there.filter((one) => !before.includes(one)).map((one) => `${one} was added`),
  ];
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify(a.toSorted()) === JSON.stringify(b.toSorted());
}
