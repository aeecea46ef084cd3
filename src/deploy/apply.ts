import { checkInterrupted, Interrupted, TbuildError, together } from "../errors.ts";
import { amount } from "../io/units.ts";
import {
  bringTemplates,
  destroyDisk,
  destroyMachine,
  launchMachine,
  makeDisk,
  setGroup,
  shapeMachine,
} from "./actions.ts";
import type { Plan } from "./plan.ts";
import type { MachinePlan } from "./plan-machines.ts";
import type { ApplyOptions, Run } from "./run.ts";
import { markOf } from "./state.ts";

export interface Applied {
  /** Machines whose configuration was not confirmed. */
  readonly unconfirmed: readonly string[];
}

/**
 * Runs a plan. Each action is recorded in the state before it starts, and may be repeated: after a kill, a
 * new plan continues where this one stopped. A machine that fails does not stop the others of its stage, but
 * later stages are not started. All failures are thrown together.
 */
export async function apply(plan: Plan, options: ApplyOptions): Promise<Applied> {
  const { place, report, signal } = options;
  const { parallel } = await place.abilities();
  const failures = new Map<string, TbuildError>();
  const run: Run = {
    options,
    say: (about, text) => report({ about, text }),
    doing: (about, text) => report({ about, text, isPassing: true }),
    ended: (about) => options.ended?.(about),
    ids: new Map(
      [...plan.machines, ...plan.disks].flatMap(({ name, seen }) => (seen ? [[name, seen.id]] : [])),
    ),
  };
  const each = async <T extends { readonly name: string }>(
    items: readonly T[],
    work: (run: Run, item: T) => Promise<void>,
    isLast: (item: T) => boolean = () => true,
  ) => {
    await sideBySide(items, parallel, signal, async (item) => {
      try {
        await work(run, item);
      } catch (error) {
        if (!(error instanceof TbuildError)) throw error;
        failures.set(item.name, error);
        run.say(item.name, `failed: ${error.about(item.name)}`);
      }
      if (isLast(item) || failures.has(item.name)) run.ended(item.name);
    });
  };
  const passed = () => {
    if (failures.size === 0) return;
    throw together([...failures.values()], `${amount(failures.size, "part")} of the deployment failed`);
  };
  const doing = <T extends { readonly action: string }>(list: readonly T[], ...actions: string[]) =>
    list.filter(({ action }) => actions.includes(action));

  await each(doing(plan.machines, "destroy"), destroyMachine);
  passed();
  await each(doing(plan.disks, "create"), makeDisk);
  passed();
  const shaped = doing(plan.machines, "create", "change", "replace");
  const templates = await bringTemplates(run, shaped);
  await each(
    shaped,
    (_, machine) => shapeMachine(run, machine, templates),
    (machine) => !isLaunched(machine),
  );
  // Groups name machines by their ids.
  if (failures.size === 0)
    for (const group of doing(plan.groups, "create", "change", "destroy")) await setGroup(run, group);

  const unconfirmed: string[] = [];
  const staged = plan.machines.flatMap((machine) =>
    machine.goal ? [{ ...machine, goal: machine.goal }] : [],
  );
  for (const stage of [...new Set(staged.map(({ goal }) => goal.stage))].sort((a, b) => a - b)) {
    const members = staged.filter(({ goal }) => goal.stage === stage);
    const due = members.filter((one) => isLaunched(one) && !failures.has(one.name));
    await each(due, async (_, machine) => {
      if ((await launchMachine(run, machine)) === "unconfirmed") unconfirmed.push(machine.name);
    });
    // Later stages need this one.
    if (members.some(({ name }) => failures.has(name))) break;
  }
  passed();
  await each(doing(plan.disks, "destroy"), destroyDisk);
  passed();
  await place.tidy?.(markOf(options.keeper.state));
  return { unconfirmed };
}

const isLaunched = ({ start, configure }: MachinePlan) => start || configure;

/**
 * Works on up to `width` items at once. An error stops the rest, and is thrown when all running work has
 * ended.
 */
async function sideBySide<T>(
  items: readonly T[],
  width: number,
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    try {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
        checkInterrupted(signal);
        await work(item);
      }
    } catch (error) {
      queue.length = 0;
      throw error;
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(width, items.length) }, worker));
  if (signal.aborted) throw new Interrupted();
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}
