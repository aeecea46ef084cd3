import type { Host } from "../host/host.ts";
import type { Additions, Hypervisor } from "../hypervisor/hypervisor.ts";
import type { Manifest } from "../model/manifest.ts";
import type { Site } from "../recipe/site.ts";

/**
 * Who made a machine or a disk: the id of the deployment's state, 12 hexadecimal digits, and the deployment's
 * name for people. A place keeps it beside the object, in a description or a file. An object without the id
 * is never changed or removed.
 */
export interface Mark {
  readonly id: string;
  readonly deployment: string;
}

/** The mark as one line, for places that have only a description. */
export function markLine({ id, deployment }: Mark): string {
  return `tbuild deployment ${deployment} [${id}]`;
}

/** The mark at the end of a description. People may write text before it. */
export function markIn(description: string): Mark | undefined {
  const [, deployment, id] = /tbuild deployment ([\w.-]+) \[([0-9a-f]{12})\]\s*$/.exec(description) ?? [];
  return deployment === undefined || id === undefined ? undefined : { deployment, id };
}

/** How the system disks of a clone are made: sharing unchanged blocks with the template, or as full copies. */
export type CloneWay = "thin" | "full";

/** How a machine may use a disk. `shared`: several machines write to it at once, like `w!` in a vm.cfg. */
export type DiskMode = "write" | "read-only" | "shared";

/** The abilities of a place. A deployment that needs more is refused before anything is made. */
export interface PlaceAbilities {
  /** The first is the default of a deployment. */
  readonly clones: readonly CloneWay[];
  readonly sharedDisks: boolean;
  /** True if machines can be kept on different servers; otherwise the reason why not. */
  readonly antiAffinity: true | { readonly why: string };
  /** True if machines on one network reach each other. */
  readonly joinsMachines: boolean;
  /** The additions that get first-boot messages here; empty if messages cannot be sent. */
  readonly messages: readonly Additions[];
  /** The maximum number of disk slots, including system disks, and of nics. */
  readonly mostSlots: number;
  readonly mostNics: number;
  /** The memory of a machine, and the size of a disk. Left out if the place has no limit of its own. */
  readonly memoryMib?: { readonly least: number; readonly most: number };
  readonly mostDiskBytes?: number;
  /** The number of machines to work on in parallel. */
  readonly parallel: number;
}

/**
 * A template as named in the deployment: a version in tbuild's store, or a name that only the place knows.
 */
export type TemplateWanted =
  | { readonly manifest: Manifest }
  /** A template at the place itself, such as one of Oracle VM Manager, which is in no store of tbuild. */
  | { readonly atPlace: string };

/** A template that machines can be cloned from at this place. */
export interface PlacedTemplate {
  /** The place's name for it: a path, or an id. */
  readonly id: string;
  /** If false, it must be copied first (`bringTemplate`). */
  readonly isThere: boolean;
  readonly name: string;
  /** Slots of the system disks, which each clone gets. */
  readonly systemSlots: readonly number[];
  /** MiB and count: the defaults of the deployment. */
  readonly memoryMib: number;
  readonly vcpus: number;
  /** The default networks, one for each nic of a machine. */
  readonly networks: readonly string[];
  /** Why no machine can be made from it here; absent if one can. */
  readonly refused?: string;
}

/** The objects at a place, for checks and suggestions. `undefined`: the place accepts any name. */
export interface Surroundings {
  readonly networks: readonly string[] | undefined;
  /** Places for disks, such as repositories. */
  readonly storage: readonly string[] | undefined;
  readonly servers: readonly string[] | undefined;
}

export interface NicWanted {
  readonly network: string;
  /** Lower case, colons between the bytes. Chosen by the deployment, so that it is known before the machine is. */
  readonly mac: string;
  /** The static address that the guest will give it, IPv4 and dotted, if the deployment has one. */
  readonly address?: string;
}

export interface DiskWanted {
  /** Unique in its deployment, and its name at the place, if there are names. */
  readonly name: string;
  readonly bytes: number;
  readonly isShared: boolean;
  /** One of `Surroundings.storage`. Default: the place's. */
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

/** A disk at the place with our mark. */
export interface SeenDisk extends DiskWanted {
  readonly id: string;
}

/** A machine at the place with our mark. */
export interface SeenMachine {
  readonly id: string;
  readonly name: string;
  /** `unfinished`: its creation was interrupted; `makeMachine` completes it or makes it again. */
  readonly state: "unfinished" | "stopped" | "running" | "other";
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly nics: readonly NicWanted[];
  /** Its further disks, by slot. `disk` is the id of a `SeenDisk`, or of a disk that is not ours. No system disks. */
  readonly disks: readonly { readonly slot: number; readonly disk: string; readonly mode: DiskMode }[];
}

/** The objects of one deployment at a place. */
export interface Inventory {
  readonly machines: readonly SeenMachine[];
  readonly disks: readonly SeenDisk[];
  /** Anti-affinity groups. `machines`: their ids, if the place shows them. */
  readonly groups: readonly {
    readonly name: string;
    readonly machines: readonly string[] | undefined;
  }[];
  /** The requested names that are taken: their machines or disks are not ours. `by`: the owner, if known. */
  readonly taken: readonly {
    readonly kind: "machine" | "disk";
    readonly name: string;
    readonly by?: string;
  }[];
}

/** A machine that is not ours, and uses one of our disks. Both are names at the place. */
export interface DiskUser {
  readonly disk: string;
  readonly machine: string;
}

/** Messages to one running machine, and what it reports. */
export interface Conversation extends AsyncDisposable {
  /** Sends one message. A secret message is never logged. Resolves when the place has accepted it. */
  send(message: { readonly key: string; readonly value: string; readonly isSecret: boolean }): Promise<void>;
  /**
   * The guest's reports since the machine was started, in order. A key can occur several times. Includes
   * earlier reports, as far as the place keeps them.
   */
  reports(): Promise<readonly { readonly key: string; readonly value: string }[]>;
}

/**
 * A place where machines are deployed. Every object has the deployment's mark from the start, or is found by
 * its name and completed. So every call may be repeated: after a kill, the same call ends in the same state,
 * and nothing is made twice. Failures are `environment` faults that name the object. At its end, connections
 * are closed.
 */
export interface Place extends AsyncDisposable {
  /** For people: "qemu on this machine", "Oracle VM Manager ovmm.example (3.4.6)". */
  readonly name: string;
  /**
   * Distinguishes this place from others. The state of a deployment is valid only at the place with this
   * identity.
   */
  readonly identity: string;
  /** How many times as long as usual its machines may take; 1 if left out. */
  readonly patience?: number;
  /** Throws an `environment` fault that names what is missing. */
  check(): Promise<void>;
  abilities(): Promise<PlaceAbilities>;
  surroundings(): Promise<Surroundings>;
  /**
   * Finds the template without making anything. Throws a `usage` fault if it is not at the place and cannot
   * be copied to it.
   */
  findTemplate(wanted: TemplateWanted): Promise<PlacedTemplate>;
  /**
   * Copies a version from the store to the place, once for all deployments. Absent if the place uses only its
   * own templates.
   */
  bringTemplate?(
    wanted: TemplateWanted,
    options: { readonly signal: AbortSignal; readonly progress: (text: string) => void },
  ): Promise<PlacedTemplate>;
  /** `names`: the names that the deployment needs, to see which are taken. */
  look(
    mark: Mark,
    names: { readonly machines: readonly string[]; readonly disks: readonly string[] },
  ): Promise<Inventory>;

  /**
   * Machines without our mark that use one of these disks, or a system disk of these machines. They would be destroyed with what
   * they use, or keep it from being destroyed.
   */
  strangersOn(
    ours: { readonly machines: readonly string[]; readonly disks: readonly string[] },
    mark: Mark,
  ): Promise<readonly DiskUser[]>;

  /** Makes a blank disk. Returns its id. */
  makeDisk(disk: DiskWanted, mark: Mark): Promise<string>;
  /** Makes a stopped clone of the template with its nics, and without further disks. Returns its id. */
  makeMachine(machine: MachineWanted, mark: Mark): Promise<string>;
  /** The following methods change a stopped machine. */
  resize(machine: string, size: { readonly vcpus: number; readonly memoryMib: number }): Promise<void>;
  addNic(machine: string, nic: NicWanted): Promise<void>;
  removeNic(machine: string, mac: string): Promise<void>;
  /** The same disk in the same slot is fine; another disk in it is a fault. */
  mapDisk(
    machine: string,
    mapping: { readonly slot: number; readonly disk: string; readonly mode: DiskMode },
  ): Promise<void>;
  unmapDisk(machine: string, slot: number): Promise<void>;
  /**
   * Keeps machines on different servers. Absent if `antiAffinity` is not `true`. `group` is unique in the
   * deployment.
   */
  keepApart?(group: string, machines: readonly string[], mark: Mark): Promise<void>;
  /** Removes such a group; absent is fine. */
  forgetApart?(group: string, mark: Mark): Promise<void>;

  /** Whether it runs; polled while waiting for its first boot. */
  isRunning(machine: string): Promise<boolean>;
  /** Already running is fine. */
  start(machine: string): Promise<void>;
  /** Asks the guest to shut down; after `graceMs` the power is cut. Already stopped is fine. */
  stop(machine: string, options: { readonly graceMs: number; readonly signal?: AbortSignal }): Promise<void>;
  talk(machine: string): Promise<Conversation>;
  /** Where people find a guest's console output; `undefined` if the place keeps none. */
  consolePlace?(machine: string): string;
  /** The address for logins, if known. */
  address?(machine: string): Promise<{ readonly host: string; readonly port: number } | undefined>;

  /** Removes a stopped machine with its nics and system disks; not its further disks. Absent is fine. */
  destroyMachine(machine: string, mark: Mark): Promise<void>;
  /** Removes a disk that no machine uses. Absent is fine. Both refuse objects without the mark. */
  destroyDisk(disk: string, mark: Mark): Promise<void>;
  /** Removes data for deployments that none uses any more, such as copied templates. */
  tidy?(mark: Mark): Promise<void>;
}

/** The context for opening a place. */
export interface PlaceContext {
  readonly host: Host;
  readonly hypervisor: Hypervisor;
  readonly site: Site;
  /** A folder for this kind of place on this machine. */
  readonly folder: string;
  /** The folder for facts about this machine and its servers, such as trusted host keys. */
  readonly memory: string;
  readonly restoreDisk: (disk: Manifest["disks"][number], to: string, signal?: AbortSignal) => Promise<void>;
  readonly environment: (name: string) => string | undefined;
  /** Called with what a run waits for. */
  readonly note?: (text: string) => void;
  /** Asks a person at the terminal; throws a `usage` fault if there is no terminal. */
  readonly askSecret: (question: string) => Promise<string>;
  readonly signal: AbortSignal;
}

/** A kind of place: each line of the table (`places/table.ts`) loads one. */
export interface PlaceKind {
  /** One line for help and documents. */
  readonly summary: string;
  /** Whether a site defines such a place. */
  isOf(site: Site): boolean;
  open(context: PlaceContext): Promise<Place>;
}
