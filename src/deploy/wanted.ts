import { createHash } from "node:crypto";
import { amount } from "../io/units.ts";
import { type Finding, suggestion } from "../recipe/findings.ts";
import type { LoadedDeployment, MachineAsked } from "./load.ts";
import type {
  CloneWay,
  DiskMode,
  DiskWanted,
  Inventory,
  NicWanted,
  PlaceAbilities,
  PlacedTemplate,
  Surroundings,
} from "./place.ts";
import type { State } from "./state.ts";

/** A template of the deployment, found at the place. */
export interface TemplateChosen {
  /** Its name in the file. */
  readonly ref: string;
  /** `name@1.2.3`, or its name at the place. */
  readonly name: string;
  readonly placed: PlacedTemplate;
}

export interface Mapping {
  readonly slot: number;
  /** The name of the disk. */
  readonly disk: string;
  readonly mode: DiskMode;
}

/** The desired state of a machine. */
export interface MachineGoal {
  readonly name: string;
  readonly template: TemplateChosen;
  readonly way: CloneWay;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly storage?: string;
  readonly nics: readonly NicWanted[];
  readonly mappings: readonly Mapping[];
  /** Position in the start order, from 0. */
  readonly stage: number;
}

/** The desired state of a deployment. */
export interface Wanted {
  readonly machines: readonly MachineGoal[];
  readonly disks: readonly DiskWanted[];
  /** Anti-affinity groups, by name. */
  readonly groups: Readonly<Record<string, readonly string[]>>;
}

/** What this place cannot provide (`problems`), and what will differ from the file (`warnings`). */
export interface Judged {
  readonly wanted: Wanted;
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
}

const mib = 2 ** 20;

/** The names of a deployment's disks at its place. */
export function diskName(deployment: string, machine: string | undefined, disk: string): string {
  return `${machine ?? deployment}-${disk}`;
}

export function namesWanted({ deployment, machines }: Pick<LoadedDeployment, "deployment" | "machines">): {
  readonly machines: string[];
  readonly disks: string[];
} {
  return {
    machines: machines.map(({ name }) => name),
    disks: [
      ...deployment.shared.map(({ name }) => diskName(deployment.name, undefined, name)),
      ...machines.flatMap(({ name, entry }) =>
        entry.disks.map((disk) => diskName(deployment.name, name, disk.name)),
      ),
    ],
  };
}

/** The input of the checks. */
interface At {
  /** MACs are derived from its id. */
  readonly state: Pick<State, "id" | "machines">;
  readonly template: (machine: MachineAsked) => TemplateChosen;
  readonly abilities: PlaceAbilities;
  readonly surroundings: Surroundings;
  readonly inventory: Inventory;
}

/** Computes the desired state of a deployment at a place, and its problems. Pure. */
export function wantedOf(loaded: LoadedDeployment, at: At): Judged {
  const { deployment, machines } = loaded;
  const { abilities } = at;
  const doubts = doubtsOf(loaded);
  checkAbilities(loaded, at, doubts);
  checkStorage(loaded, at.surroundings, doubts);
  checkSizes(loaded, at, doubts);

  const macs = macChooser(at.state.id, machines);
  const goals = machines.map((machine) => goalOf(loaded, at, machine, macs, doubts));
  const { slots, conflicts } = slotsOf(loaded, goals, at.inventory, at.state);
  for (const text of conflicts) doubts.problem(["shared"], text);
  const complete = goals.map((goal, index): MachineGoal => {
    const mappings = slots.get(goal.name) ?? [];
    const most = Math.max(0, ...mappings.map(({ slot }) => slot + 1));
    const machine = machines[index];
    if (most > abilities.mostSlots && machine)
      doubts.problem(
        pathOf(loaded, machine),
        `${goal.name} would need ${most} slots for disks; here a machine has ${abilities.mostSlots}`,
      );
    return { ...goal, mappings };
  });
  return {
    wanted: {
      machines: complete,
      disks: disksOf(loaded),
      groups:
        abilities.antiAffinity === true
          ? Object.fromEntries(
              loaded.apart.map((group, index) => [`${deployment.name}-apart-${index + 1}`, group]),
            )
          : {},
    },
    problems: doubts.problems,
    warnings: doubts.warnings,
  };
}

/** Collects the problems of a deployment, with their lines in the file. */
interface Doubts {
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
  problem(path: readonly PropertyKey[], text: string): void;
  warning(path: readonly PropertyKey[], text: string): void;
}

function doubtsOf(loaded: LoadedDeployment): Doubts {
  const problems: Finding[] = [];
  const warnings: Finding[] = [];
  const finding = (path: readonly PropertyKey[], text: string): Finding => ({
    at: loaded.place(path),
    path: path.map(String).join("."),
    text,
  });
  return {
    problems,
    warnings,
    problem: (path, text) => problems.push(finding(path, text)),
    warning: (path, text) => warnings.push(finding(path, text)),
  };
}

function pathOf({ deployment }: LoadedDeployment, machine: MachineAsked): PropertyKey[] {
  return ["machines", deployment.machines.findIndex((one) => one.name === machine.entry.name)];
}

function wayOf({ deployment }: LoadedDeployment, { clones: [first] }: PlaceAbilities): CloneWay {
  return deployment.clone ?? first ?? "full";
}

function checkAbilities(
  loaded: LoadedDeployment,
  { abilities, surroundings: { servers } }: At,
  { problem, warning }: Doubts,
): void {
  const { deployment, machines } = loaded;
  const { antiAffinity } = abilities;
  const way = wayOf(loaded, abilities);
  if (!abilities.clones.includes(way)) problem(["clone"], `this place cannot make ${way} clones`);
  if (deployment.shared.length > 0 && !abilities.sharedDisks)
    problem(["shared"], "this place cannot share disks between machines");
  if (deployment.apart.length > 0 && antiAffinity !== true)
    warning(["apart"], `machines cannot be kept apart here: ${antiAffinity.why}`);
  for (const [index, group] of loaded.apart.entries())
    if (antiAffinity === true && servers && group.length > servers.length)
      problem(
        ["apart", index],
        `${amount(group.length, "machine")} cannot be kept apart on ${amount(servers.length, "server")}`,
      );
  if (machines.length > 1 && !abilities.joinsMachines)
    warning(["machines"], "at this place, machines do not reach each other over the network");
}

function checkStorage(
  { deployment }: LoadedDeployment,
  { storage: known }: Surroundings,
  { problem, warning }: Doubts,
): void {
  const check = (path: readonly PropertyKey[], storage: string | undefined) => {
    if (storage === undefined) return;
    if (!known) warning(path, "has no effect: this place keeps all disks together");
    else if (!known.includes(storage))
      problem(path, `there is no storage ${storage}${suggestion(storage, known)}`);
  };
  check(["storage"], deployment.storage);
  for (const [index, disk] of deployment.shared.entries()) check(["shared", index, "storage"], disk.storage);
  for (const [index, { storage, disks }] of deployment.machines.entries()) {
    check(["machines", index, "storage"], storage);
    for (const [at, disk] of disks.entries())
      check(["machines", index, "disks", at, "storage"], disk.storage);
  }
}

/** The memory of machines, and the names and sizes of disks. */
function checkSizes(loaded: LoadedDeployment, { abilities }: At, { problem }: Doubts): void {
  const { deployment } = loaded;
  const { memoryMib, mostDiskBytes } = abilities;
  for (const [index, { memory }] of deployment.machines.entries())
    if (memory !== undefined && memoryMib && (memory < memoryMib.least || memory > memoryMib.most))
      problem(
        ["machines", index, "memory"],
        `here a machine has ${memoryMib.least} to ${memoryMib.most} MiB of memory`,
      );
  const seen = new Map<string, string>();
  const check = (path: readonly PropertyKey[], name: string, size: number) => {
    const other = seen.get(name);
    if (other !== undefined)
      problem([...path, "name"], `the disk would be called ${name}, as that of ${other}`);
    seen.set(name, path.join("."));
    if (mostDiskBytes !== undefined && size * mib > mostDiskBytes)
      problem([...path, "size"], `here a disk has at most ${mostDiskBytes / 2 ** 30} GiB`);
  };
  for (const [index, { name, size }] of deployment.shared.entries())
    check(["shared", index], diskName(deployment.name, undefined, name), size);
  for (const machine of loaded.machines)
    for (const [at, { name, size }] of machine.entry.disks.entries())
      check([...pathOf(loaded, machine), "disks", at], diskName(deployment.name, machine.name, name), size);
}

/** The desired state of a machine, without its further disks. */
function goalOf(
  loaded: LoadedDeployment,
  at: At,
  machine: MachineAsked,
  macs: ReturnType<typeof macChooser>,
  { problem }: Doubts,
): Omit<MachineGoal, "mappings"> {
  const { deployment } = loaded;
  const { abilities, surroundings } = at;
  const path = pathOf(loaded, machine);
  const { entry } = machine;
  const template = at.template(machine);
  const nics = (entry.nics ?? template.placed.networks.map((network) => ({ network }))).map(
    (nic: NonNullable<typeof entry.nics>[number], index): NicWanted => {
      const network = deployment.networks[nic.network] ?? nic.network;
      if (surroundings.networks && !surroundings.networks.includes(network))
        problem(
          entry.nics ? [...path, "nics", index, "network"] : path,
          `there is no network ${network}${suggestion(network, surroundings.networks)}`,
        );
      return {
        network,
        mac: nic.mac ?? macs(machine.name, index),
        ...(nic.address !== undefined && { address: nic.address.replace(/\/.*/, "") }),
      };
    },
  );
  if (nics.length > abilities.mostNics)
    problem(
      [...path, "nics"],
      `${machine.name} would have ${amount(nics.length, "vnic")}; here a machine has ${abilities.mostNics} at most`,
    );
  const stage = loaded.start.findIndex((group) => group.includes(machine.name));
  const storage = entry.storage ?? deployment.storage;
  return {
    name: machine.name,
    template,
    way: wayOf(loaded, abilities),
    nics,
    vcpus: entry.vcpus ?? template.placed.vcpus,
    memoryMib: entry.memory ?? template.placed.memoryMib,
    ...(storage !== undefined && { storage }),
    stage: stage === -1 ? loaded.start.length : stage,
  };
}

function disksOf({ deployment, machines }: LoadedDeployment): DiskWanted[] {
  const wanted = (
    disk: { name: string; size: number; storage?: string | undefined },
    machine?: string,
  ): DiskWanted => {
    const storage = disk.storage ?? deployment.storage;
    return {
      name: diskName(deployment.name, machine, disk.name),
      bytes: disk.size * mib,
      isShared: machine === undefined,
      ...(storage !== undefined && { storage }),
    };
  };
  return [
    ...deployment.shared.map((disk) => wanted(disk)),
    ...machines.flatMap(({ name, entry }) => entry.disks.map((disk) => wanted(disk, name))),
  ];
}

/**
 * The slot of each disk in each machine. A mapped disk keeps its slot. A shared disk gets the lowest slot
 * that is free in all machines that use it, so all see it in the same one; then come the machines' own disks.
 */
function slotsOf(
  { deployment, machines }: LoadedDeployment,
  goals: readonly Omit<MachineGoal, "mappings">[],
  inventory: Inventory,
  state: Pick<State, "machines">,
): { slots: ReadonlyMap<string, Mapping[]>; conflicts: string[] } {
  const conflicts: string[] = [];
  const ids = new Map(inventory.disks.map(({ id, name }) => [id, name]));
  const taken = new Map(goals.map(({ name, template }) => [name, new Set(template.placed.systemSlots)]));
  const known = new Map<string, Map<string, number>>();
  for (const { name, disks } of inventory.machines) {
    known.set(name, new Map(disks.map(({ disk, slot }) => [ids.get(disk) ?? disk, slot])));
    for (const { slot } of disks) taken.get(name)?.add(slot);
  }
  const slots = new Map<string, Mapping[]>(goals.map(({ name }) => [name, []]));
  const give = (machine: string, mapping: Mapping) => {
    taken.get(machine)?.add(mapping.slot);
    slots.get(machine)?.push(mapping);
  };
  const isFree = (machine: string, slot: number) => taken.get(machine)?.has(slot) !== true;
  for (const { name } of deployment.shared) {
    const disk = diskName(deployment.name, undefined, name);
    const users = machines.filter(({ entry }) => entry.shared.includes(name)).map((one) => one.name);
    const held = users.flatMap((user) => known.get(user)?.get(disk) ?? []);
    // Another disk may take a slot that a machine has freed in the meantime.
    const fits = (slot: number) =>
      users.every((user) => known.get(user)?.get(disk) === slot || isFree(user, slot));
    // If somebody moved it in one machine, it goes back to the slot of the last run, or to another one that a machine has.
    const applied = users.flatMap((user) => state.machines[user]?.applied?.disks ?? []);
    const before = applied.filter((one) => one.disk === disk).map((one) => one.slot);
    const where = (new Set(held).size > 1 ? [...before, ...held] : held).find(fits);
    if (held.length > 0 && where === undefined) {
      conflicts.push(
        `${name} is not in the same slot in all machines that use it, and none of these slots is free in all`,
      );
      continue;
    }
    let slot = where ?? 0;
    while (where === undefined && !fits(slot)) slot++;
    for (const user of users) give(user, { slot, disk, mode: "shared" });
  }
  for (const { name, entry } of machines)
    for (const own of entry.disks) {
      const disk = diskName(deployment.name, name, own.name);
      const held = known.get(name)?.get(disk);
      let slot = held ?? 0;
      while (held === undefined && !isFree(name, slot)) slot++;
      give(name, { slot, disk, mode: "write" });
    }
  return { slots, conflicts };
}

/** MACs under Oracle's prefix. They are derived from the deployment's id, so they are the same each time. */
function macChooser(id: string, machines: readonly MachineAsked[]): (machine: string, nic: number) => string {
  const used = new Set(machines.flatMap(({ entry }) => (entry.nics ?? []).flatMap(({ mac }) => mac ?? [])));
  return (machine, nic) => {
    for (let attempt = 0; ; attempt++) {
      const hash = createHash("sha256").update(`${id} ${machine} ${nic} ${attempt}`).digest("hex");
      const mac = `00:21:f6:${hash.slice(0, 2)}:${hash.slice(2, 4)}:${hash.slice(4, 6)}`;
      if (used.has(mac)) continue;
      used.add(mac);
      return mac;
    }
  };
}
