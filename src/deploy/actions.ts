import { checkInterrupted } from "../errors.ts";
import { configure } from "./first-boot.ts";
import type { PlacedTemplate, SeenMachine } from "./place.ts";
import type { DiskPlan } from "./plan-disks.ts";
import type { GroupPlan } from "./plan-groups.ts";
import type { MachinePlan, Step } from "./plan-machines.ts";
import type { Run } from "./run.ts";
import { type MachineState, markOf } from "./state.ts";
import type { MachineGoal } from "./wanted.ts";

// The actions of a run. The state records each action before it starts, and again when it is done.

export async function makeDisk({ options, say, ids }: Run, { name, wanted }: DiskPlan): Promise<void> {
  if (!wanted) return;
  const { place, keeper } = options;
  await keeper.change(({ disks }) => {
    disks[name] = { phase: "making" };
  });
  ids.set(name, await place.makeDisk(wanted, markOf(keeper.state)));
  await keeper.change(({ disks }) => {
    disks[name] = { phase: "made" };
  });
  say(name, "made");
}

export async function destroyDisk({ options, say }: Run, { name, seen }: DiskPlan): Promise<void> {
  if (!seen) return;
  const { place, keeper } = options;
  await keeper.change(({ disks }) => {
    disks[name] = { phase: "removing" };
  });
  await place.destroyDisk(seen.id, markOf(keeper.state));
  await keeper.change(({ disks }) => {
    delete disks[name];
  });
  say(name, "destroyed");
}

export async function destroyMachine(run: Run, { name, seen }: MachinePlan): Promise<void> {
  if (!seen) return;
  await remove(run, seen);
  await run.options.keeper.change(({ machines }) => {
    delete machines[name];
  });
  run.say(name, "destroyed");
}

/** Copies the templates of the machines, each once. */
export async function bringTemplates(
  { options, doing, say, ended }: Run,
  machines: readonly MachinePlan[],
): Promise<ReadonlyMap<string, PlacedTemplate>> {
  const placed = new Map<string, PlacedTemplate>();
  for (const { action, goal } of machines) {
    if (!goal || action === "change" || placed.has(goal.template.name)) continue;
    checkInterrupted(options.signal);
    const { template } = goal;
    if (template.placed.isThere) {
      placed.set(template.name, template.placed);
      continue;
    }
    doing(template.name, "copying it to the place");
    placed.set(template.name, await options.bring(template));
    say(template.name, "copied to the place");
    ended(template.name);
  }
  return placed;
}

/** Makes or changes a machine. It is stopped afterwards if anything changed. */
export async function shapeMachine(
  run: Run,
  { name, action, goal, seen, steps }: MachinePlan,
  templates: ReadonlyMap<string, PlacedTemplate>,
): Promise<void> {
  if (!goal) return;
  const { keeper, signal } = run.options;
  const isNew = seen === undefined || seen.state === "unfinished" || action === "replace";
  if (action === "replace" && seen) await remove(run, seen);
  await keeper.change(({ machines }) => {
    const before = machines[name];
    const template = { ref: goal.template.ref, name: goal.template.name };
    machines[name] =
      isNew || !before
        ? { phase: "making", template }
        : { ...before, phase: before.phase === "making" ? "making" : "changing" };
  });
  const id = isNew ? await clone(run, goal, templates) : seen.id;
  run.ids.set(name, id);
  if (!isNew && steps.length > 0) await stop(run, name, id);
  for (const step of steps) {
    checkInterrupted(signal);
    await take(run, id, step);
  }
  await keeper.change(({ machines }) => {
    const known = machines[name];
    if (known) machines[name] = { ...known, phase: "made", applied: appliedOf(goal) };
  });
  if (isNew) run.say(name, "made");
  else if (steps.length > 0) run.say(name, "changed");
}

export async function setGroup({ options, ids }: Run, { name, action, machines }: GroupPlan): Promise<void> {
  const { place, keeper, signal } = options;
  checkInterrupted(signal);
  const mark = markOf(keeper.state);
  if (action !== "destroy") {
    const members = machines.flatMap((machine) => ids.get(machine) ?? []);
    await place.keepApart?.(name, members, mark);
  } else await place.forgetApart?.(name, mark);
  await keeper.change(({ groups }) => {
    if (action === "destroy") delete groups[name];
    else groups[name] = machines;
  });
}

/** Starts a machine, and configures it if necessary. */
export async function launchMachine(
  { options, say, doing, ids }: Run,
  { name, start, configure: isDue }: MachinePlan,
): Promise<"done" | "unconfirmed"> {
  const { place, keeper, signal, firstBoot, pollMs = 1000 } = options;
  const id = ids.get(name);
  if (id === undefined) throw new Error(`${name} was not made`);
  if (start) {
    await place.start(id);
    say(name, "started");
  }
  if (!isDue) return "done";
  const values = options.valuesDigest(name);
  await using conversation = await place.talk(id);
  return await configure({
    name,
    conversation,
    signal,
    pollMs,
    answers: options.answers(name),
    phase: keeper.state.machines[name]?.firstBoot?.phase,
    confirm: firstBoot.confirm(name),
    waitMs: firstBoot.waitMs * (place.patience ?? 1),
    timeoutMs: firstBoot.timeoutMs * (place.patience ?? 1),
    say: (text) => say(name, text),
    doing: (text) => doing(name, text),
    reached: (phase, why) =>
      keeper.change(({ machines }) => {
        const known = machines[name];
        const told = why === undefined ? {} : { why: why.slice(0, 300) };
        if (known) machines[name] = { ...known, firstBoot: { phase, values, ...told } };
      }),
    isRunning: () => place.isRunning(id),
    console: place.consolePlace?.(id),
  });
}

async function clone(
  { options, doing }: Run,
  goal: MachineGoal,
  templates: ReadonlyMap<string, PlacedTemplate>,
): Promise<string> {
  const { name, way, vcpus, memoryMib, nics, storage } = goal;
  const template = templates.get(goal.template.name) ?? goal.template.placed;
  doing(name, `cloning ${goal.template.name}`);
  return await options.place.makeMachine(
    { name, template, way, vcpus, memoryMib, nics, ...(storage !== undefined && { storage }) },
    markOf(options.keeper.state),
  );
}

async function take({ options: { place }, ids }: Run, machine: string, step: Step): Promise<void> {
  if (step.do === "unmap") return place.unmapDisk(machine, step.slot);
  if (step.do === "remove-nic") return place.removeNic(machine, step.nic.mac);
  if (step.do === "add-nic") return place.addNic(machine, step.nic);
  if (step.do === "resize") return place.resize(machine, { vcpus: step.vcpus, memoryMib: step.memoryMib });
  const disk = ids.get(step.disk);
  if (disk === undefined) throw new Error(`disk ${step.disk} was not made`);
  return place.mapDisk(machine, { slot: step.slot, mode: step.mode, disk });
}

/** Removes a machine; its further disks are detached first, so that they are not removed with it. */
async function remove(run: Run, seen: SeenMachine): Promise<void> {
  const { place, keeper } = run.options;
  await keeper.change(({ machines }) => {
    const known = machines[seen.name];
    // The next run then continues the removal, and does not use the remains as a machine.
    if (known) known.phase = "removing";
  });
  if (seen.state !== "unfinished") {
    await stop(run, seen.name, seen.id, mostGraceOfRemovedMs);
    for (const { slot } of seen.disks) await place.unmapDisk(seen.id, slot);
  }
  await place.destroyMachine(seen.id, markOf(keeper.state));
}

// A machine that is removed has nothing to save. If it shuts down in time, shared disks stay consistent.
const mostGraceOfRemovedMs = 15_000;

async function stop(
  { options, doing }: Run,
  name: string,
  id: string,
  mostGraceMs = Number.POSITIVE_INFINITY,
): Promise<void> {
  const { place, signal } = options;
  const { patience = 1 } = place;
  const graceMs = Math.min(options.stopGraceMs ?? 120_000 * patience, mostGraceMs * patience);
  if (!(await place.isRunning(id))) return;
  doing(name, "shutting down");
  await place.stop(id, { graceMs, signal });
}

function appliedOf({ vcpus, memoryMib, nics, mappings }: MachineGoal): NonNullable<MachineState["applied"]> {
  return {
    vcpus,
    memoryMib,
    nics: nics.map((nic) => ({ ...nic })),
    disks: mappings.map((mapping) => ({ ...mapping })),
  };
}
