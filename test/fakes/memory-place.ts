import type {
  DiskMode,
  Inventory,
  Mark,
  NicWanted,
  Place,
  PlaceAbilities,
  SeenMachine,
} from "../../src/deploy/place.ts";
import { TbuildError } from "../../src/errors.ts";
import { initialConfigKey } from "../../src/firstboot/additions.ts";
import { rootPasswordKey } from "../../src/firstboot/shipped.ts";

interface MemoryMachine {
  mark: Mark | undefined;
  state: SeenMachine["state"];
  vcpus: number;
  memoryMib: number;
  nics: NicWanted[];
  disks: { slot: number; disk: string; mode: DiskMode }[];
  /** The next boot configures the guest. */
  armed: boolean;
  /** How often it was configured, and with which values. */
  configured: Record<string, string>[];
  messages: { key: string; value: string; isSecret: boolean }[];
  reports: { key: string; value: string }[];
}

/** The contents of a place in memory. They outlive the "processes" that open it. */
export interface World {
  readonly machines: Map<string, MemoryMachine>;
  readonly disks: Map<string, { mark: Mark; bytes: number; isShared: boolean }>;
  readonly groups: Map<string, readonly string[]>;
  readonly templates: Set<string>;
  /** Names that were made, each time that they were. */
  readonly made: string[];
  /** Names that were started, in order. */
  readonly started: string[];
  /** Guests that fail at their first boot. */
  readonly failing: Set<string>;
  /** Guests that report nothing. */
  readonly silent: Set<string>;
}

export function emptyWorld(): World {
  return {
    machines: new Map(),
    disks: new Map(),
    groups: new Map(),
    templates: new Set(),
    made: [],
    started: [],
    failing: new Set(),
    silent: new Set(),
  };
}

/** Ends a "process" at an effect: everything that it does afterwards fails, too. */
export class Killed extends Error {
  override readonly name = "Killed";
}

/**
 * A place in memory. It calls `tick` before and after each effect; if `tick` throws, the process counts as killed there.
 * The creation of a machine also has a moment when half of it exists.
 */
export function memoryPlace(
  world: World,
  options: { readonly tick?: () => void; readonly abilities?: Partial<PlaceAbilities> } = {},
): Place {
  const { tick = () => {} } = options;
  const effect = async <T>(work: () => T): Promise<T> => {
    tick();
    await new Promise(setImmediate);
    const result = work();
    tick();
    return result;
  };
  const machine = (name: string) => {
    const found = world.machines.get(name);
    if (!found) throw new TbuildError("environment", "no such machine", { subject: name });
    return found;
  };
  const stopped = (name: string) => {
    const found = machine(name);
    if (found.state !== "stopped") throw new Error(`${name} is ${found.state}`);
    return found;
  };
  const own = (kind: string, name: string, has: Mark | undefined, mark: Mark) => {
    if (has?.id !== mark.id) throw new Error(`${kind} ${name} is not ours`);
  };
  return {
    name: "a place in memory",
    identity: "memory",
    async check() {},
    abilities: async () => ({
      clones: ["thin", "full"],
      sharedDisks: true,
      antiAffinity: true,
      joinsMachines: true,
      messages: ["tbuild"],
      mostSlots: 16,
      mostNics: 8,
      parallel: 3,
      ...options.abilities,
    }),
    surroundings: async () => ({ networks: ["public", "private"], storage: ["repo"], servers: undefined }),
    async findTemplate(wanted) {
      if (!("manifest" in wanted))
        throw new TbuildError("usage", "no such template", { subject: wanted.atPlace });
      const { name, version, machine: size } = wanted.manifest;
      const id = `${name}-${version}`;
      return {
        id,
        isThere: world.templates.has(id),
        name: `${name}@${version}`,
        systemSlots: [0],
        vcpus: size.vcpus,
        memoryMib: size.memoryMib,
        networks: ["public"],
      };
    },
    async bringTemplate(wanted) {
      const found = await this.findTemplate(wanted);
      await effect(() => world.templates.add(found.id));
      return { ...found, isThere: true };
    },
    async look(mark, names): Promise<Inventory> {
      tick();
      const machines = [...world.machines].flatMap(([name, { mark: of, ...rest }]): SeenMachine[] =>
        of?.id === mark.id ? [{ id: name, name, ...structuredClone(rest) }] : [],
      );
      const disks = [...world.disks].flatMap(([name, { mark: of, bytes, isShared }]) =>
        of.id === mark.id ? [{ id: `disk:${name}`, name, bytes, isShared }] : [],
      );
      const strangers = (kind: "machine" | "disk", all: ReadonlyMap<string, { mark: Mark | undefined }>) =>
        names[`${kind}s`].flatMap((name) => {
          const found = all.get(name);
          return found && found.mark?.id !== mark.id ? [{ kind, name }] : [];
        });
      return {
        machines,
        disks,
        groups: [...world.groups].map(([name, machines]) => ({ name, machines })),
        taken: [...strangers("machine", world.machines), ...strangers("disk", world.disks)],
      };
    },
    strangersOn: async ({ disks }, mark) =>
      [...world.machines].flatMap(([name, { mark: of, disks: used }]) =>
        used.flatMap(({ disk }) =>
          of?.id !== mark.id && disks.includes(disk)
            ? [{ disk: disk.slice("disk:".length), machine: name }]
            : [],
        ),
      ),
    makeDisk: ({ name, bytes, isShared }, mark) =>
      effect(() => {
        const known = world.disks.get(name);
        if (known) own("disk", name, known.mark, mark);
        else {
          world.made.push(name);
          world.disks.set(name, { mark, bytes, isShared });
        }
        return `disk:${name}`;
      }),
    async makeMachine({ name, template, vcpus, memoryMib, nics }, mark) {
      if (!world.templates.has(template.id)) throw new Error(`${template.id} was not brought`);
      const known = world.machines.get(name);
      if (known) own("machine", name, known.mark, mark);
      if (known && known.state !== "unfinished") return name;
      await effect(() =>
        world.machines.set(name, {
          mark,
          state: "unfinished",
          vcpus,
          memoryMib,
          nics: [...nics],
          disks: [],
          armed: true,
          configured: [],
          messages: [],
          reports: [],
        }),
      );
      await effect(() => {
        machine(name).state = "stopped";
        world.made.push(name);
      });
      return name;
    },
    resize: (name, size) => effect(() => void Object.assign(stopped(name), size)),
    addNic: (name, nic) => effect(() => void stopped(name).nics.push(nic)),
    removeNic: (name, mac) =>
      effect(() => {
        const found = stopped(name);
        found.nics = found.nics.filter((nic) => nic.mac !== mac);
      }),
    mapDisk: (name, mapping) =>
      effect(() => {
        const found = stopped(name);
        if (!world.disks.has(mapping.disk.slice("disk:".length))) throw new Error(`no ${mapping.disk}`);
        const there = found.disks.find(({ slot }) => slot === mapping.slot);
        if (there && there.disk !== mapping.disk) throw new Error(`slot ${mapping.slot} of ${name} is taken`);
        if (!there) found.disks.push({ ...mapping });
      }),
    unmapDisk: (name, slot) =>
      effect(() => {
        const found = stopped(name);
        found.disks = found.disks.filter((one) => one.slot !== slot);
      }),
    keepApart: (group, machines) => effect(() => void world.groups.set(group, machines)),
    forgetApart: (group) => effect(() => void world.groups.delete(group)),
    isRunning: async (name) => machine(name).state === "running",
    start: (name) =>
      effect(() => {
        const found = machine(name);
        if (found.state === "running") return;
        found.state = "running";
        found.reports = [];
        found.messages = [];
        world.started.push(name);
        if (found.armed && !world.silent.has(name))
          found.reports.push({ key: initialConfigKey, value: "waiting" });
      }),
    stop: (name) =>
      effect(() => {
        machine(name).state = "stopped";
      }),
    async talk(name) {
      machine(name);
      return {
        send: (message) =>
          effect(() => {
            const found = machine(name);
            if (found.state !== "running") throw new Error(`${name} does not run`);
            found.messages.push(message);
            if (message.key !== rootPasswordKey || !found.armed) return;
            const say = (value: string) => found.reports.push({ key: initialConfigKey, value });
            say("running");
            found.configured.push(Object.fromEntries(found.messages.map(({ key, value }) => [key, value])));
            if (world.failing.has(name)) return void say("failed: no such device");
            found.armed = false;
            say("done");
          }),
        reports: async () => {
          tick();
          return [...machine(name).reports];
        },
        async [Symbol.asyncDispose]() {},
      };
    },
    destroyMachine: (name, mark) =>
      effect(() => {
        const found = world.machines.get(name);
        if (!found) return;
        own("machine", name, found.mark, mark);
        if (found.disks.length > 0) throw new Error(`${name} still has disks`);
        if (found.state === "running") throw new Error(`${name} runs`);
        world.machines.delete(name);
      }),
    destroyDisk: (id, mark) =>
      effect(() => {
        const name = id.slice("disk:".length);
        const found = world.disks.get(name);
        if (!found) return;
        own("disk", name, found.mark, mark);
        for (const [user, { disks }] of world.machines)
          if (disks.some(({ disk }) => disk === id)) throw new Error(`${user} uses ${name}`);
        world.disks.delete(name);
      }),
    async [Symbol.asyncDispose]() {},
  };
}
