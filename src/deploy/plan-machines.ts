import { createHash } from "node:crypto";
import { amount } from "../io/units.ts";
import type { DiskMode, NicWanted, SeenMachine } from "./place.ts";
import type { MachineState } from "./state.ts";
import type { MachineGoal, Mapping } from "./wanted.ts";

/** One change of a stopped machine. Disks have their names at the place. */
export type Step =
  | { readonly do: "unmap"; readonly slot: number; readonly disk: string }
  | { readonly do: "remove-nic"; readonly nic: NicWanted }
  | { readonly do: "resize"; readonly vcpus: number; readonly memoryMib: number }
  | { readonly do: "add-nic"; readonly nic: NicWanted }
  | ({ readonly do: "map" } & Mapping);

export type Action = "create" | "change" | "replace" | "keep" | "destroy";

/** The changes of one machine. */
export interface MachinePlan {
  readonly name: string;
  readonly action: Action;
  /** Absent if it is to be removed. */
  readonly goal?: MachineGoal;
  readonly seen?: SeenMachine;
  readonly steps: readonly Step[];
  readonly start: boolean;
  /** True if it is configured by messages after its start. */
  readonly configure: boolean;
  /** The changes, in words. */
  readonly details: readonly string[];
  /** Changes outside tbuild since its last run. */
  readonly drift: readonly string[];
  /** Differences from the deployment file that this run leaves as they are. */
  readonly notes: readonly string[];
}

/** First-boot values of a machine for the plan. */
export interface ValuesSeen {
  /** True if there are messages to send. */
  readonly any: boolean;
  /** Digest of the values that are not secret. */
  readonly digest: string;
}

export function digestOfValues(values: readonly (readonly [key: string, value: string])[]): string {
  return createHash("sha256").update(JSON.stringify(values)).digest("hex").slice(0, 16);
}

export function machinePlan(
  goal: MachineGoal,
  seen: SeenMachine | undefined,
  known: MachineState | undefined,
  given: { nameOfDisk: ReadonlyMap<string, string>; values: ValuesSeen; replace: boolean },
): MachinePlan {
  const { values } = given;
  const phase = known?.firstBoot?.phase;
  const settled = phase === "done" || phase === "unconfirmed";
  const base = { name: goal.name, goal, start: true, configure: values.any };
  const maps = goal.mappings.map((mapping): Step => ({ do: "map", ...mapping }));
  if (!seen || seen.state === "unfinished")
    return {
      ...base,
      action: "create",
      ...(seen && { seen }),
      steps: maps,
      details: [...describe(goal), ...(seen ? ["its creation was interrupted"] : [])],
      drift: known?.phase === "made" && !seen ? ["was removed outside tbuild"] : [],
      notes: [],
    };
  // An interrupted removal leaves no complete machine.
  if (given.replace || known?.phase === "removing")
    return { ...base, action: "replace", seen, steps: maps, details: describe(goal), drift: [], notes: [] };
  const disks = seen.disks.map(({ slot, disk, mode }) => ({
    slot,
    mode,
    disk: given.nameOfDisk.get(disk) ?? disk,
  }));
  const steps = stepsBetween(goal, { ...seen, disks });
  const isMade = known?.phase === "made";
  const start = seen.state !== "running";
  const configure = values.any && !settled && phase !== "failed";
  const changes = steps.map((step) => inWords(step, seen));
  const drift = [
    ...(isMade && known.applied ? driftOf(known.applied, { ...seen, disks }) : []),
    ...(isMade && settled && start ? ["it was stopped outside tbuild"] : []),
  ];
  const notes = [
    ...(known && known.template.name !== goal.template.name
      ? [
          `it was made from ${known.template.name}; --replace ${goal.name} makes it from ${goal.template.name}`,
        ]
      : []),
    ...(phase === "failed"
      ? [
          `its first boot failed (${known?.firstBoot?.why ?? "unknown"}); --replace ${goal.name} creates it again`,
        ]
      : []),
    ...(settled && known?.firstBoot?.values !== values.digest
      ? ["its first-boot values changed; a machine gets them once, at its first boot"]
      : []),
  ];
  const details = [
    ...changes,
    ...(start ? ["start"] : []),
    ...(configure ? [phase === undefined ? "configure by messages" : "continue its first boot"] : []),
  ];
  // After an interrupted run, the state must still be updated.
  const idle = isMade && steps.length === 0 && !start && !configure;
  return {
    name: goal.name,
    goal,
    seen,
    steps,
    details,
    drift,
    notes,
    action: idle ? "keep" : isMade || known?.phase === "changing" ? "change" : "create",
    // A machine that is stopped for a change is started again.
    start: start || steps.length > 0,
    configure,
  };
}

/** The steps from the current to the desired state, in the order of the run. */
function stepsBetween(
  goal: MachineGoal,
  seen: Omit<SeenMachine, "disks"> & { readonly disks: readonly Mapping[] },
): Step[] {
  const sameNic = (a: NicWanted, b: NicWanted) => a.mac === b.mac && a.network === b.network;
  const sameDisk = (a: Mapping, b: Mapping) => a.slot === b.slot && a.disk === b.disk && a.mode === b.mode;
  return [
    ...seen.disks
      .filter((one) => !goal.mappings.some((other) => sameDisk(one, other)))
      .map(({ slot, disk }): Step => ({ do: "unmap", slot, disk })),
    ...seen.nics
      .filter((one) => !goal.nics.some((other) => sameNic(one, other)))
      .map((nic): Step => ({ do: "remove-nic", nic })),
    ...(seen.vcpus === goal.vcpus && seen.memoryMib === goal.memoryMib
      ? []
      : [{ do: "resize", vcpus: goal.vcpus, memoryMib: goal.memoryMib } as const]),
    ...goal.nics
      .filter((one) => !seen.nics.some((other) => sameNic(one, other)))
      .map((nic): Step => ({ do: "add-nic", nic })),
    ...goal.mappings
      .filter((one) => !seen.disks.some((other) => sameDisk(one, other)))
      .map((mapping): Step => ({ do: "map", ...mapping })),
  ];
}

function inWords(step: Step, seen: Pick<SeenMachine, "vcpus" | "memoryMib">): string {
  switch (step.do) {
    case "unmap":
      return `remove disk ${step.disk} from slot ${step.slot}`;
    case "remove-nic":
      return `remove the vnic ${step.nic.mac} on ${step.nic.network}`;
    case "add-nic":
      return `add a vnic on ${step.nic.network}`;
    case "map":
      return `add disk ${step.disk} in slot ${step.slot}${modeWords(step.mode)}`;
    case "resize":
      return [
        ...(seen.vcpus === step.vcpus ? [] : [`vcpus ${seen.vcpus} → ${step.vcpus}`]),
        ...(seen.memoryMib === step.memoryMib ? [] : [`memory ${seen.memoryMib} → ${step.memoryMib} MiB`]),
      ].join(", ");
  }
}

function describe(goal: MachineGoal): string[] {
  return [
    `from ${goal.template.name}, ${goal.way} clone; ${amount(goal.vcpus, "vcpu")}, ${goal.memoryMib} MiB`,
    ...(goal.nics.length > 0 ? [`vnics on ${goal.nics.map(({ network }) => network).join(", ")}`] : []),
    ...goal.mappings.map(({ slot, disk, mode }) => `disk ${disk} in slot ${slot}${modeWords(mode)}`),
  ];
}

function modeWords(mode: DiskMode): string {
  return mode === "write" ? "" : mode === "shared" ? ", shared" : ", read-only";
}

/** The differences of a machine from its state after tbuild's last run. */
function driftOf(
  applied: NonNullable<MachineState["applied"]>,
  seen: Omit<SeenMachine, "disks"> & { readonly disks: readonly Mapping[] },
): string[] {
  const has = (list: readonly Mapping[], one: Mapping) =>
    list.some((other) => other.slot === one.slot && other.disk === one.disk);
  const hasNic = (list: readonly NicWanted[], one: NicWanted) =>
    list.some((other) => other.mac === one.mac && other.network === one.network);
  return [
    ...(seen.vcpus === applied.vcpus ? [] : [`vcpus ${applied.vcpus} → ${seen.vcpus}`]),
    ...(seen.memoryMib === applied.memoryMib ? [] : [`memory ${applied.memoryMib} → ${seen.memoryMib} MiB`]),
    ...applied.nics.filter((nic) => !hasNic(seen.nics, nic)).map(({ mac }) => `vnic ${mac} is gone`),
    ...seen.nics.filter((nic) => !hasNic(applied.nics, nic)).map(({ mac }) => `vnic ${mac} is new`),
    ...applied.disks
      .filter((one) => !has(seen.disks, one))
      .map(({ disk, slot }) => `disk ${disk} is gone from slot ${slot}`),
    ...seen.disks
      .filter((one) => !has(applied.disks, one))
      .map(({ disk, slot }) => `disk ${disk} is new in slot ${slot}`),
  ];
}

export function removalOf(seen: SeenMachine): MachinePlan {
  return {
    name: seen.name,
    action: "destroy",
    seen,
    steps: [],
    start: false,
    configure: false,
    details: [],
    drift: [],
    notes: [],
  };
}
