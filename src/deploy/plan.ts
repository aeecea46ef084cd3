import type { Inventory } from "./place.ts";
import { type DiskPlan, diskPlan, diskRemoval } from "./plan-disks.ts";
import { type GroupPlan, groupPlans, removals } from "./plan-groups.ts";
import { type MachinePlan, machinePlan, removalOf, type ValuesSeen } from "./plan-machines.ts";
import type { State } from "./state.ts";
import type { Wanted } from "./wanted.ts";

/** The actions of a run. */
export interface Plan {
  readonly machines: readonly MachinePlan[];
  readonly disks: readonly DiskPlan[];
  readonly groups: readonly GroupPlan[];
  /** Reasons to refuse the run. */
  readonly problems: readonly string[];
}

/** Compares the desired with the current state. Pure. */
export function planOf(
  wanted: Wanted,
  inventory: Inventory,
  state: State,
  options: {
    readonly values: (machine: string) => ValuesSeen;
    /** Machines to replace. */
    readonly replace: ReadonlySet<string>;
  },
): Plan {
  const problems = inventory.taken.map(
    ({ kind, name, by }) =>
      `${kind} ${name}: already exists, and was not made by this deployment${by === undefined ? "" : ` (${by})`}`,
  );
  problems.push(...strangers(inventory, state, wanted));
  const seenMachines = new Map(inventory.machines.map((machine) => [machine.name, machine]));
  const seenDisks = new Map(inventory.disks.map((disk) => [disk.name, disk]));
  const nameOfDisk = new Map(inventory.disks.map(({ id, name }) => [id, name]));
  const goals = new Set(wanted.machines.map(({ name }) => name));
  const diskGoals = new Set(wanted.disks.map(({ name }) => name));

  const machines = wanted.machines.map((goal) =>
    machinePlan(goal, seenMachines.get(goal.name), state.machines[goal.name], {
      nameOfDisk,
      values: options.values(goal.name),
      replace: options.replace.has(goal.name),
    }),
  );
  for (const { name, action, goal } of machines)
    if ((action === "create" || action === "replace") && goal?.template.placed.refused !== undefined)
      problems.push(`machine ${name}: ${goal.template.placed.refused}`);
  const gone = inventory.machines.filter(({ name }) => !goals.has(name)).map(removalOf);
  const disks = wanted.disks.map((disk) => diskPlan(disk, seenDisks.get(disk.name), state, problems));
  const unused = inventory.disks.filter(({ name }) => !diskGoals.has(name)).map(diskRemoval);
  return {
    machines: [...machines, ...gone],
    disks: [...disks, ...unused],
    groups: groupPlans(wanted, inventory, state, machines),
    problems,
  };
}

/** Plans to destroy everything that the deployment made. */
export function planOfDestruction(inventory: Inventory, state: State): Plan {
  return {
    machines: inventory.machines.map(removalOf),
    disks: inventory.disks.map(diskRemoval),
    groups: removals(inventory, state),
    problems: strangers(inventory, state),
  };
}

/**
 * What has the mark, although tbuild made none of this name, or one only: somebody renamed it, or copied it with its description. It
 * may have the only copy of somebody's data, so it is not destroyed.
 */
function strangers({ machines, disks }: Inventory, state: State, wanted?: Wanted): string[] {
  const unknown = (kind: "machine" | "disk", names: readonly string[]) => {
    const known = new Set([
      ...Object.keys(state[`${kind}s`]),
      ...(wanted?.[`${kind}s`] ?? []).map(({ name }) => name),
    ]);
    return [...new Set(names)].flatMap((name) => {
      const why = !known.has(name)
        ? "has this deployment's mark, but tbuild gave none this name"
        : names.indexOf(name) !== names.lastIndexOf(name)
          ? "there are several with this name and this deployment's mark"
          : undefined;
      return why === undefined ? [] : [`${kind} ${name}: ${why}`];
    });
  };
  const complete = machines.filter((one) => one.state !== "unfinished");
  const found = [
    ...unknown(
      "machine",
      complete.map(({ name }) => name),
    ),
    ...unknown(
      "disk",
      disks.map(({ name }) => name),
    ),
  ];
  return found.length === 0
    ? []
    : [
        ...found,
        "Give back its name to what was renamed, and remove the mark from the description of a copy.",
      ];
}

/** True if a run would do nothing. */
export function isIdle({ machines, disks, groups }: Plan): boolean {
  return (
    machines.every(({ action, start, configure }) => action === "keep" && !start && !configure) &&
    [...disks, ...groups].every(({ action }) => action === "keep")
  );
}

/** What a run would destroy or stop, in words. The user must confirm it first. */
export function losses({ machines, disks }: Plan): string[] {
  return [
    ...machines.flatMap(({ name, action, seen, steps }) => {
      if (action === "destroy") return [`machine ${name} is destroyed`];
      if (action === "replace") return [`machine ${name} is destroyed and created again`];
      return action === "change" && steps.length > 0 && seen?.state === "running"
        ? [`machine ${name} is stopped and started again`]
        : [];
    }),
    ...disks.filter(({ action }) => action === "destroy").map(({ name }) => `disk ${name} is destroyed`),
  ];
}
