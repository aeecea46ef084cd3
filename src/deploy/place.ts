import type { Host } from "../host/host.ts";
import type { Additions, Hypervisor } from "../hypervisor/hypervisor.ts";
import type { Manifest } from "../model/manifest.ts";
import type { Site } from "../recipe/site.ts";

/**
 * Who made a machine or a disk: the id of the deployment's state, 12 hexadecimal digits, and the deployment's name for people.
 * A place keeps it beside the object, in a description or a file. What does not carry the id is never changed or removed.
 */
export interface Mark {
  readonly id: string;
  readonly deployment: string;
}

/** The mark as one line, for places that have a description and nothing else. */
export function markLine({ id, deployment }: Mark): string {
  return `tbuild deployment ${deployment} [${id}]`;
}

/** The mark that a description ends with; people may write before it. */
export function markIn(description: string): Mark | undefined {
  const [, deployment, id] = /tbuild deployment ([\w.-]+) \[([0-9a-f]{12})\]\s*$/.exec(description) ?? [];
  return deployment === undefined || id === undefined ? undefined : { deployment, id };
}

/** How the system disks of a clone are made: sharing unchanged blocks with the template, or as full copies. */
export type CloneWay = "thin" | "full";

/** How a machine may use a disk. `shared`: several machines write to it at once, as `w!` in a vm.cfg says. */
export type DiskMode = "write" | "read-only" | "shared";

/** What a place can do. A deployment that needs more is refused before anything is made. */
export interface PlaceAbilities {
  /** The first is used where the deployment does not say. */
  readonly clones: readonly CloneWay[];
  readonly sharedDisks: boolean;
  /** Machines are kept on different servers; else why they are not. */
  readonly antiAffinity: true | { readonly why: string };
  /** Machines on one network reach each other. */
  readonly joinsMachines: boolean;
  /** Whose additions get first-boot messages here; empty where messages cannot be sent. */
  readonly messages: readonly Additions[];
  /** Most slots of disks, the system disks included, and most nics. */
  readonly mostSlots: number;
  readonly mostNics: number;
  /** How many machines are worked on side by side. */
  readonly parallel: number;
}

/** A template as the deployment names it: a version in tbuild's store, or a name that only the place knows. */
export type TemplateWanted =
  | { readonly manifest: Manifest }
  /** A template at the place itself, such as one of Oracle VM Manager, which is in no store of tbuild. */
  | { readonly atPlace: string };

/** A template that machines can be cloned from at this place. */
export interface PlacedTemplate {
  /** Of the place: a path, or an id. */
  readonly id: string;
  /** Else it has to be brought first (`bringTemplate`). */
  readonly isThere: boolean;
  readonly name: string;
  /** Slots of the system disks, which each clone gets. */
  readonly systemSlots: readonly number[];
  /** MiB and count, used where the deployment does not say. */
  readonly memoryMib: number;
  readonly vcpus: number;
  /** Networks, one for each nic that a machine gets where the deployment names none. */
  readonly networks: readonly string[];
}

/** What there is at a place, for checks and suggestions. `undefined`: the place takes any name. */
export interface Surroundings {
  readonly networks: readonly string[] | undefined;
  /** Where disks can be put, such as repositories. */
  readonly storage: readonly string[] | undefined;
  readonly servers: readonly string[] | undefined;
}

export interface NicWanted {
  readonly network: string;
  /** Lower case, colons between the bytes. Chosen by the deployment, so that it is known before the machine is. */
  readonly mac: string;
  /** The static address that the guest will give it, IPv4 and dotted, where the deployment says one. */
  readonly address?: string;
}

export interface DiskWanted {
  /** Unique in its deployment; the place's name of it where it has names. */
  readonly name: string;
  readonly bytes: number;
  readonly isShared: boolean;
  /** One of `Surroundings.storage`; else the place's default. */
  readonly storage?: string;
}

export interface MachineWanted {
  readonly name: string;
  readonly template: PlacedTemplate;
  readonly way: CloneWay;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly storage?: string;
  /** The first nic is on the network for logins. */
  readonly nics: readonly NicWanted[];
}

/** A disk at the place that carries our mark. */
export interface SeenDisk extends DiskWanted {
  readonly id: string;
}

/** A machine at the place that carries our mark. */
export interface SeenMachine {
  readonly id: string;
  readonly name: string;
  /** `unfinished`: its creation was interrupted; `makeMachine` completes it or makes it anew. */
  readonly state: "unfinished" | "stopped" | "running" | "other";
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly nics: readonly NicWanted[];
  /** Its further disks, by slot. `disk` is the id of a `SeenDisk`, or of a disk that is not ours. No system disks. */
  readonly disks: readonly { readonly slot: number; readonly disk: string; readonly mode: DiskMode }[];
}

/** What a place has of one deployment, seen in one look. */
export interface Inventory {
  readonly machines: readonly SeenMachine[];
  readonly disks: readonly SeenDisk[];
  /** Anti-affinity groups. `machines`: their ids, where the place shows them. */
  readonly groups: readonly {
    readonly name: string;
    readonly machines: readonly string[] | undefined;
  }[];
  /** Of the names asked for, those that others use: their machines or disks are not ours. `by`: who, if it is known. */
  readonly taken: readonly {
    readonly kind: "machine" | "disk";
    readonly name: string;
    readonly by?: string;
  }[];
}

/** Messages to one running machine, and what it reports. */
export interface Conversation extends AsyncDisposable {
  /** Sends one message. A secret one is logged nowhere. Resolves when the place has taken it. */
  send(message: { readonly key: string; readonly value: string; readonly isSecret: boolean }): Promise<void>;
  /**
   * What the guest has reported since the machine was started, in order; a key can come several times. It includes what
   * came while nobody was listening, as far as the place keeps it.
   */
  reports(): Promise<readonly { readonly key: string; readonly value: string }[]>;
}

/**
 * A place where machines are deployed. Everything that is made carries the deployment's mark from the first moment, or is
 * found by its name and completed. So every call may be repeated: after a kill, the same call ends in the same state, and nothing is
 * made twice. Failures are `environment` faults that name the object. At its end, connections are closed.
 */
export interface Place extends AsyncDisposable {
  /** For people: "qemu on this machine", "Oracle VM Manager ovmm.example (3.4.6)". */
  readonly name: string;
  /** Tells this place from others; the state of a deployment is valid at the place with this identity only. */
  readonly identity: string;
  /** Throws an `environment` fault that names what is missing. */
  check(): Promise<void>;
  abilities(): Promise<PlaceAbilities>;
  surroundings(): Promise<Surroundings>;
  /** Finds the template without making anything. Throws a `usage` fault where it neither is nor can be brought. */
  findTemplate(wanted: TemplateWanted): Promise<PlacedTemplate>;
  /** Brings a version of the store to the place, once for all deployments. Left out where only the place's own are used. */
  bringTemplate?(
    wanted: TemplateWanted,
    options: { readonly signal: AbortSignal; readonly progress: (text: string) => void },
  ): Promise<PlacedTemplate>;
  /** `names`: those that the deployment wants, to see which are taken. */
  look(
    mark: Mark,
    names: { readonly machines: readonly string[]; readonly disks: readonly string[] },
  ): Promise<Inventory>;

  /** A blank disk. Gives its id. */
  makeDisk(disk: DiskWanted, mark: Mark): Promise<string>;
  /** A stopped clone of the template with its nics, and no further disks. Gives its id. */
  makeMachine(machine: MachineWanted, mark: Mark): Promise<string>;
  /** The following change a stopped machine. */
  resize(machine: string, size: { readonly vcpus: number; readonly memoryMib: number }): Promise<void>;
  addNic(machine: string, nic: NicWanted): Promise<void>;
  removeNic(machine: string, mac: string): Promise<void>;
  /** The same disk in the same slot is fine; another disk in it is a fault. */
  mapDisk(
    machine: string,
    mapping: { readonly slot: number; readonly disk: string; readonly mode: DiskMode },
  ): Promise<void>;
  unmapDisk(machine: string, slot: number): Promise<void>;
  /** Keeps machines on different servers; left out where `antiAffinity` is not `true`. `group` is unique in the deployment. */
  keepApart?(group: string, machines: readonly string[], mark: Mark): Promise<void>;
  /** Removes such a group; absent is fine. */
  forgetApart?(group: string, mark: Mark): Promise<void>;

  /** Whether it runs; for a look now and then while its first boot is awaited. */
  isRunning(machine: string): Promise<boolean>;
  /** Already running is fine. */
  start(machine: string): Promise<void>;
  /** Asks the guest to shut down; after `graceMs` the power is cut. Already stopped is fine. */
  stop(machine: string, options: { readonly graceMs: number; readonly signal?: AbortSignal }): Promise<void>;
  talk(machine: string): Promise<Conversation>;
  /** Where people see what a guest wrote to its console; `undefined` if the place keeps none. */
  consolePlace?(machine: string): string;
  /** Where to log in, if it is known. */
  address?(machine: string): Promise<{ readonly host: string; readonly port: number } | undefined>;

  /** Removes a stopped machine with its nics and system disks; not its further disks. Absent is fine. */
  destroyMachine(machine: string, mark: Mark): Promise<void>;
  /** Removes a disk that no machine uses. Absent is fine. Both refuse what does not carry the mark. */
  destroyDisk(disk: string, mark: Mark): Promise<void>;
  /** Removes what the place keeps for deployments and none uses any more, such as templates that were brought. */
  tidy?(mark: Mark): Promise<void>;
}

/** What a place is opened with. */
export interface PlaceContext {
  readonly host: Host;
  readonly hypervisor: Hypervisor;
  readonly site: Site;
  /** A folder for this kind of place on this machine. */
  readonly folder: string;
  /** Where facts about this machine and its servers are remembered, such as trusted host keys. */
  readonly memory: string;
  readonly restoreDisk: (disk: Manifest["disks"][number], to: string, signal?: AbortSignal) => Promise<void>;
  readonly environment: (name: string) => string | undefined;
  /** Asks a person at the terminal; throws a `usage` fault if there is no terminal. */
  readonly askSecret: (question: string) => Promise<string>;
  readonly signal: AbortSignal;
}

/** A kind of place: each line of the table (`places/table.ts`) loads one. */
export interface PlaceKind {
  /** One line for help and documents. */
  readonly summary: string;
  /** Whether a site has such a place. */
  isOf(site: Site): boolean;
  open(context: PlaceContext): Promise<Place>;
}
