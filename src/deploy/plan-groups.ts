import type { State } from "./state.ts";
import type { Wanted } from "./wanted.ts";

export interface GroupPlan {
  readonly name: string;
  readonly action: "create" | "change" | "keep" | "destroy";
  readonly machines: readonly string[];
}

export function groupPlans(wanted: Wanted, state: State): GroupPlan[] {
  const same = (a: readonly string[], b: readonly string[] | undefined) =>
    JSON.stringify(a) === JSON.stringify(b);
  return [
    ...Object.entries(wanted.groups).map(([name, machines]): GroupPlan => {
      const before = state.groups[name];
      return { name, machines, action: same(machines, before) ? "keep" : before ? "change" : "create" };
    }),
    ...Object.entries(state.groups)
      .filter(([name]) => !(name in wanted.groups))
      .map(([name, machines]): GroupPlan => ({ name, machines, action: "destroy" })),
  ];
}
