import type { Duplex } from "node:stream";
import type { z } from "zod";
import type { DomainType, GuestMode } from "../choices.ts";
import type { Runner } from "../host/host.ts";
import type { ManagerApi } from "../manager/api.ts";
import type { ManagerOptions } from "../manager/options.ts";

/**
 * A virtual machine as plain data. Boots the disk first, then the CD, unless `discFirst`: a blank disk falls through to the
 * installer.
 */
export interface VmSpec {
  /** `[a-z0-9-]+` */
  readonly name: string;
  readonly domainType: GuestMode;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly disks: readonly VirtualDisk[];
  /** Paths of ISO images on the hypervisor's host. */
  readonly cdroms: readonly string[];
  readonly nics: readonly Nic[];
  /** `uefi` if UEFI starts it; otherwise, a BIOS does. */
  readonly firmware?: "uefi";
  /**
   * True if a guest that reboots continues by itself. Otherwise, the machine stops and must be started again.
   */
  readonly restarts?: true;
  readonly discFirst?: true;
  /** The guest's mode, which decides for which devices its kernel needs drivers. */
  readonly guest: { readonly release: number };
}

/** A disk in the order of its slot, from 0. The guest names disks in this order (vda, xvda, sda; vdb …). */
export interface VirtualDisk {
  readonly slot: number;
  /** `shared`: several machines write to it at once, like `w!` in a vm.cfg. */
  readonly mode: "write" | "read-only" | "shared";
  readonly content: DiskContent;
}

/**
 * A new disk of so many bytes; a full copy of an image; an overlay of an image, which is never changed; or a raw image
 * itself, which outlives the machine. Only the last kind can be shared. `imageFormat` tells the format of an image.
 */
export type DiskContent =
  | { readonly blank: number }
  | { readonly copyOf: string }
  | { readonly grownFrom: string }
  | { readonly existing: string };

/**
 * The format of an image that tbuild made: its name says it. Its bytes may be a guest's, so nothing looks at them. A raw
 * disk can begin like a qcow2 file whose backing file is any file of this machine.
 */
export function imageFormat(file: string): "raw" | "qcow2" {
  return file.endsWith(".qcow2") ? "qcow2" : "raw";
}

/** The network that reaches the host. Every other name is a separate network, by the site's names. */
export const buildNetwork = "build";

export interface Nic {
  /** `build`, where ssh reaches the guest, or another network, which the hypervisor maps to its own. */
  readonly network: string;
  readonly mac: string;
  /** The guest's address if it is known beforehand (static); else it comes from DHCP. */
  readonly address?: string;
}

/** One thing that a build needs, and whether it exists. */
export interface Examined {
  readonly what: string;
  readonly ok: boolean;
  readonly text: string;
  /** The command that fixes it. */
  readonly mend?: string;
}

/** A kernel that is started directly, once, instead of booting from disk or CD. Paths are on the hypervisor's host. */
export interface DirectBoot {
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
  /**
   * A folder with isolinux, for a hypervisor that starts kernels from discs only: `isolinux.bin`, and `ldlinux.c32` if it has
   * two parts.
   */
  readonly loader?: string;
}

/**
 * Why a machine stopped. `guest-reset`: it wants to reboot, and must be started again. `killed`: the process ended
 * without a request of the guest.
 */
export type Stopped = "guest-shutdown" | "guest-reset" | "killed";

/** The address for ssh. */
export interface Address {
  readonly host: string;
  readonly port: number;
  /** If it cannot be reached directly: a program that connects to it, like ssh's ProxyCommand, with `%h` and `%p`. */
  readonly through?: readonly string[];
}

/** A machine's definition, without the content of its own disks. */
export interface Shape {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly nics: readonly Nic[];
  /** By slot. `file`: the path of a disk that exists apart from the machine; its own disks have none. */
  readonly disks: readonly {
    readonly slot: number;
    readonly mode: VirtualDisk["mode"];
    readonly file?: string;
  }[];
}

/** Changes of a stopped machine. Omitted settings do not change. */
export interface ShapeChange {
  readonly vcpus?: number;
  readonly memoryMib?: number;
  readonly nics?: readonly Nic[];
  /** The new list of all disks that exist apart from it. Its own disks do not change. */
  readonly apart?: readonly {
    readonly slot: number;
    readonly mode: VirtualDisk["mode"];
    readonly file: string;
  }[];
}

/** Static addresses that guests can use on the network `build` (IPv4, dotted). */
export interface BuildAddresses {
  /** The address of the guest with this number, from 0. */
  address(number: number): string;
  readonly netmask: string;
  readonly gateway: string;
  readonly nameServer: string;
  /** The address at which guests reach servers on the loopback of tbuild's machine; left out if they cannot. */
  readonly loopback?: string;
}

/** Whose additions a guest has: Oracle's `ovmd`, which needs Xen's store, or tbuild's own (the rehearsal's). */
export type Additions = "oracle" | "tbuild";

/** Key-value messages between a machine and its manager, the channel that first-boot configuration uses. */
export interface Messages extends AsyncDisposable {
  send(key: string, value: string): Promise<void>;
  /** What the guest has reported so far, in order. A key can occur several times. */
  received(): readonly { readonly key: string; readonly value: string }[];
}

export interface MessageChannel {
  /** The additions that receive it. */
  readonly reaches: readonly Additions[];
  open(vm: string): Promise<Messages>;
}

/**
 * Runs virtual machines by name. Abilities that not every hypervisor has are optional: ask whether one exists, never
 * which hypervisor it is.
 */
export interface Hypervisor {
  readonly name: string;
  readonly domainTypes: readonly GuestMode[];
  /** How many times as long as usual a guest may take; 1 if left out. */
  readonly patience?: number;
  /** Absent if machines on one network do not reach each other. */
  readonly joinsMachines?: true;
  /** The host that machines' disks are copied to and from. Left out if they are on tbuild's machine. */
  readonly disksOn?: string;
  /**
   * True if every guest that reboots continues by itself, and nothing tells why a machine stopped: then each stop counts as
   * `guest-shutdown`.
   */
  readonly continuesReboots?: true;
  /** False if no disk can be `read-only`. */
  readonly readOnlyDisks?: false;
  /** Throws an `environment` fault that names what is missing. */
  check(): Promise<void>;
  /** Throws an `environment` fault if its release has no machines of this mode. Left out if all modes are there. */
  checkMode?(mode: GuestMode): Promise<void>;
  /** The program that runs machines here, with its version and accelerator, for a manifest. */
  describe(): Promise<string>;
  /** Checks of this machine for `doctor`. Reports what is missing; never throws for it. */
  examine(): Promise<readonly Examined[]>;
  /** Makes the machine, stopped, with its disks and CDs. It must not exist. */
  define(spec: VmSpec): Promise<void>;
  state(vm: string): Promise<"absent" | "stopped" | "running">;
  start(vm: string, boot?: DirectBoot): Promise<void>;
  /**
   * Asks the guest to shut down and waits (default: one minute); `force` cuts the power. Already stopped is
   * fine.
   */
  stop(vm: string, how?: { readonly force: boolean; readonly graceMs?: number }): Promise<void>;
  /**
   * Waits until the machine has stopped by itself. Throws an `environment` fault when it cannot go on
   * (the host's disk is full), and a `guest` fault at the deadline.
   */
  waitStopped(
    vm: string,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Stopped>;
  /** The address for ssh: port 22 of the guest on `build`. `undefined` while it is unknown: ask again. */
  address(vm: string): Promise<Address | undefined>;
  readonly buildAddresses: BuildAddresses;
  /** The guest's output on its serial console, line by line, from the last start until it stops. */
  console(vm: string, signal?: AbortSignal): AsyncIterable<string>;
  /** The console for a terminal, both ways. It ends with the machine. */
  joinConsole(vm: string): Promise<Duplex>;
  /** Everything that the guest wrote to its console since the last start, running or not. */
  consoleText(vm: string): Promise<string>;
  /** Where people find that text: a path or a command. */
  consolePlace(vm: string): string;
  /** A picture of the screen, as a PNG; `undefined` for a machine without one. Left out if no machine has one. */
  picture?(vm: string): Promise<Uint8Array | undefined>;
  /** Left out if no additions can be reached. */
  readonly messages?: MessageChannel;
  /**
   * Makes a stopped copy of a stopped machine: its own disks are copied, the others are used by both. Left out if only
   * new machines can be made.
   */
  clone?(vm: string, as: Pick<VmSpec, "name" | "nics">): Promise<void>;
  /** Where disks are kept that do not belong to one machine. Left out: on tbuild's machine. */
  readonly apart?: { readonly host: Runner; readonly folder: string };
  /** Where the image of a disk of its Manager lies, by the Manager's ids. Left out if it works through none. */
  readonly imageAt?: (disk: { readonly id: string; readonly repository: string }) => ImagePlace;
  /** The host on which builds convert and seal images. Left out: tbuild's machine. */
  readonly bench?: ImageBench;
  /** Templates that it keeps itself, beside tbuild's store. Left out if it keeps none. */
  readonly templates?: TemplateKeeper;
  /** Reads a machine's definition, and changes a stopped machine. Left out if the hypervisor cannot. */
  readonly shapes?: {
    of(vm: string): Promise<Shape>;
    change(vm: string, change: ShapeChange): Promise<void>;
  };
  /**
   * Moves or copies a stopped machine's disk to a local file. A disk that was `grownFrom` an image stays an overlay of
   * it (qcow2), others become raw. The machine is removed next, so its disk may be moved.
   */
  fetchDisk(vm: string, slot: number, to: string): Promise<void>;
  /** Removes the machine, running or not, and its own disks. No error if it does not exist. */
  destroy(vm: string): Promise<void>;
  list(): Promise<string[]>;
}

/** An image on another machine: its address for ssh, and its path there. */
export interface ImagePlace {
  readonly address: string;
  readonly path: string;
  /** Another file than `~/.ssh/config`. */
  readonly config?: string;
}

/** A host that images are copied to, and changed on by kpartx. */
export interface ImageBench {
  /** For messages: its address. */
  readonly name: string;
  /** Copies a raw image there, under a name of its own. */
  put(name: string, image: string): Promise<ImagePlace>;
  /** Copies it back to this machine, as `image`. */
  take(name: string, image: string): Promise<void>;
  /** Removes it there, even an incomplete one. Absent is fine. */
  remove(name: string): Promise<void>;
}

/** Templates of a hypervisor's own, from which its users make machines. */
export interface TemplateKeeper {
  /** The hypervisor's id of the template with this label. */
  find(label: string): Promise<string | undefined>;
  /**
   * Makes a machine, and a template of it. After an interrupted call, `destroy` with the machine's name removes the rest, but
   * never a complete template.
   */
  make(
    spec: VmSpec,
    as: { readonly name: string; readonly label: string; readonly domainType: DomainType },
  ): Promise<string>;
}

/** Folders of tbuild on this machine that a hypervisor may use. */
export interface HypervisorPlaces {
  /** A folder per machine. */
  readonly folder: string;
  /** Where findings about this machine are cached. */
  readonly memory: string;
  /** The site's Oracle VM Manager, if it names one. */
  readonly manager?: ManagerAccess;
}

export interface ManagerAccess {
  readonly options: ManagerOptions;
  open(): Promise<ManagerApi>;
}

/** A kind of hypervisor that a site can name, as the table (`table.ts`) loads it. */
export interface HypervisorKind<Options extends z.ZodObject = z.ZodObject> {
  /** One line for help and documents. */
  readonly summary: string;
  /** The keys that a site gives beside `kind`, each with a description. */
  readonly options: Options;
  open(host: Runner, options: z.infer<Options>, places: HypervisorPlaces): Hypervisor;
}
