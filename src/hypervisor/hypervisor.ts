import type { Duplex } from "node:stream";
import type { z } from "zod";
import type { GuestMode } from "../choices.ts";
import type { Runner } from "../host/host.ts";

/** A virtual machine as plain data. Boots the disk first, then the CD: a blank disk falls through to the installer. */
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
  /** `uefi` where UEFI starts it; else a BIOS does. */
  readonly firmware?: "uefi";
  /** A guest that reboots goes on by itself; else the machine stands still, to be started again. */
  readonly restarts?: true;
  /** What the guest is: decides which devices its kernel has drivers for. */
  readonly guest: { readonly release: number };
}

/** A disk in the order of its slot, from 0: the guest names them in this order (vda, xvda, sda; vdb …). */
export interface VirtualDisk {
  readonly slot: number;
  /** `shared`: several machines write to it at once, as `w!` in a vm.cfg says. */
  readonly mode: "write" | "read-only" | "shared";
  readonly content: DiskContent;
}

/**
 * A new disk of so many bytes; a full copy of an image; a thin one that grows out of an image it never changes; or a raw
 * image as it stands, which outlives the machine. Only this last kind can be shared.
 */
export type DiskContent =
  | { readonly blank: number }
  | { readonly copyOf: string }
  | { readonly grownFrom: string }
  | { readonly existing: string };

/** The network that reaches the host. Every other name is a network of its own, by the site's names. */
export const buildNetwork = "build";

export interface Nic {
  /** `build`, where the guest may be logged in to, or the name of another network, which the hypervisor maps to its own. */
  readonly network: string;
  readonly mac: string;
  /** The address that the guest will have, where it is known beforehand (a static one); else DHCP gives it one. */
  readonly address?: string;
}

/** One thing that a build needs, and whether it is there. */
export interface Examined {
  readonly what: string;
  readonly ok: boolean;
  readonly text: string;
  /** The line that mends it. */
  readonly mend?: string;
}

/** A kernel started directly, once, instead of what the disk or the CD would boot. Paths on the hypervisor's host. */
export interface DirectBoot {
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
}

/**
 * How a machine came to stand still. `guest-reset`: it wants to reboot, and is to be started again. `killed`: the process is
 * gone without the guest having asked for it.
 */
export type Stopped = "guest-shutdown" | "guest-reset" | "killed";

/** Where to log in by ssh. */
export interface Address {
  readonly host: string;
  readonly port: number;
  /** Where it is not reached from here: a program that leads to it, as ssh's ProxyCommand, with `%h` and `%p` in it. */
  readonly through?: readonly string[];
}

/** A machine as it is defined, but for the content of its own disks. */
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

/** What of a stopped machine becomes otherwise; what is left out stays. */
export interface ShapeChange {
  readonly vcpus?: number;
  readonly memoryMib?: number;
  readonly nics?: readonly Nic[];
  /** All disks that exist apart from it, from then on; its own stay. */
  readonly apart?: readonly {
    readonly slot: number;
    readonly mode: VirtualDisk["mode"];
    readonly file: string;
  }[];
}

/** Addresses that a guest can take by itself on the network `build` (IPv4, dotted). */
export interface BuildAddresses {
  /** The address of the guest with this number, from 0. */
  address(number: number): string;
  readonly netmask: string;
  readonly gateway: string;
  readonly nameServer: string;
  /** Where guests see servers on the loopback of tbuild's machine; left out where they do not. */
  readonly loopback?: string;
}

/** Whose additions a guest has: Oracle's `ovmd`, which needs Xen's store, or tbuild's own (the rehearsal's). */
export type Additions = "oracle" | "tbuild";

/** Key-value messages between a machine and its manager, the channel that first-boot configuration uses. */
export interface Messages extends AsyncDisposable {
  send(key: string, value: string): Promise<void>;
  /** What the guest has reported so far, in order. A key can come several times. */
  received(): readonly { readonly key: string; readonly value: string }[];
}

export interface MessageChannel {
  /** The additions that hear it. */
  readonly reaches: readonly Additions[];
  open(vm: string): Promise<Messages>;
}

/**
 * Runs virtual machines, by name. What not every hypervisor can do is optional: ask whether it is there, never which
 * hypervisor it is.
 */
export interface Hypervisor {
  readonly name: string;
  readonly domainTypes: readonly GuestMode[];
  /** How many times as long as usual a guest may take; 1 if left out. */
  readonly patience?: number;
  /** Throws an `environment` fault that names what is missing. */
  check(): Promise<void>;
  /** What runs machines here, with its version and accelerator, for a manifest. */
  describe(): Promise<string>;
  /** What of this machine matters to machines that run here, for `doctor`. Never throws for what is missing. */
  examine(): Promise<readonly Examined[]>;
  /** Makes the machine, stopped, with its disks and CDs. It must not exist. */
  define(spec: VmSpec): Promise<void>;
  state(vm: string): Promise<"absent" | "stopped" | "running">;
  start(vm: string, boot?: DirectBoot): Promise<void>;
  /** Asks the guest to shut down and waits, a minute if nothing is said; `force` pulls the plug. Already stopped is fine. */
  stop(vm: string, how?: { readonly force: boolean; readonly graceMs?: number }): Promise<void>;
  /**
   * Waits until the machine stands still by itself. Throws an `environment` fault when it cannot go on
   * (the host's disk is full), and a `guest` fault at the deadline.
   */
  waitStopped(
    vm: string,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Stopped>;
  /** Where to log in: port 22 of the guest on `build`. `undefined` while nobody knows it: ask again. */
  address(vm: string): Promise<Address | undefined>;
  readonly buildAddresses: BuildAddresses;
  /** What the guest writes to its serial console, line by line, from the last start on until it stops. */
  console(vm: string, signal?: AbortSignal): AsyncIterable<string>;
  /** The console for a terminal, both ways. It ends with the machine. */
  joinConsole(vm: string): Promise<Duplex>;
  /** All that the guest wrote to its console since the last start, running or not. */
  consoleText(vm: string): Promise<string>;
  /** Where people find that text: a path, or a command. */
  consolePlace(vm: string): string;
  /** What the screen shows, as a PNG; `undefined` for a machine without one. Left out where no machine has one. */
  picture?(vm: string): Promise<Uint8Array | undefined>;
  /** Left out where no additions can be reached. */
  readonly messages?: MessageChannel;
  /**
   * Makes a second, stopped machine of a stopped one: its disks copied, but for those that exist apart from it. Left out where
   * only new machines can be made.
   */
  clone?(vm: string, as: Pick<VmSpec, "name" | "nics">): Promise<void>;
  /** Where disks lie that exist apart from machines; on tbuild's machine, if left out. */
  readonly apart?: { readonly host: Runner; readonly folder: string };
  /** How a machine is defined now, and how a stopped one is changed. Left out where that cannot be done. */
  readonly shapes?: {
    of(vm: string): Promise<Shape>;
    change(vm: string, change: ShapeChange): Promise<void>;
  };
  /**
   * Brings a stopped machine's disk to a local file; one `grownFrom` an image stays grown from it (qcow2), others are raw. The
   * machine is thrown away next: its disk may be moved.
   */
  fetchDisk(vm: string, slot: number, to: string): Promise<void>;
  /** Removes the machine and the disks that are its own, running or not. Absent is fine. */
  destroy(vm: string): Promise<void>;
  list(): Promise<string[]>;
}

/** Folders of tbuild on this machine that a hypervisor may use. */
export interface HypervisorPlaces {
  /** A folder per machine. */
  readonly folder: string;
  /** Where it is remembered what was found out about this machine. */
  readonly memory: string;
}

/** A kind of hypervisor that a site can name: the line in the table (`table.ts`) leads to one of these. */
export interface HypervisorKind<Options extends z.ZodObject = z.ZodObject> {
  /** One line for help and documents. */
  readonly summary: string;
  /** The keys that a site gives beside `kind`, each with a description. */
  readonly options: Options;
  open(host: Runner, options: z.infer<Options>, places: HypervisorPlaces): Hypervisor;
}
