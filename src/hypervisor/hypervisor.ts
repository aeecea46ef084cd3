/** A virtual machine as plain data. Boots the disk first, then the CD: a blank disk falls through to the installer. */
export interface VmSpec {
  /** `[a-z0-9-]+`; also the name of its folder. */
  readonly name: string;
  readonly mode: "hvm" | "pvm";
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly disks: readonly VmDisk[];
  /** Paths of ISO images. */
  readonly cdroms: readonly string[];
  readonly nics: readonly Nic[];
  /** `uefi` where UEFI starts it; else a BIOS does. */
  readonly firmware?: "uefi";
  /** What the guest is: decides which devices its kernel has drivers for. */
  readonly guest: { readonly release: number };
}

/** A new disk of so many bytes; a full copy of an image; or a thin one that grows out of an image it never changes. */
export type VmDisk =
  | { readonly blank: number }
  | { readonly copyOf: string }
  | { readonly grownFrom: string };

export interface Nic {
  /** `build` reaches the host and may be logged in to; `isolated` is a network of its own. */
  readonly network: "build" | "isolated";
  readonly mac: string;
  /** The address that the guest will have, where it is known beforehand (a static one); else DHCP gives it one. */
  readonly address?: string;
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

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** Key-value messages between a machine and its manager, the channel that first-boot configuration uses. */
export interface Messages extends AsyncDisposable {
  send(key: string, value: string): Promise<void>;
  /** What the guest has reported so far, in order. A key can come several times. */
  received(): readonly { readonly key: string; readonly value: string }[];
}

/** Runs virtual machines, by name. */
export interface Hypervisor {
  readonly name: string;
  readonly modes: readonly VmSpec["mode"][];
  /** Throws an `environment` fault that names what is missing. */
  check(): Promise<void>;
  /** What runs machines here, with its version and accelerator, for a manifest. */
  describe(kernel?: string): Promise<string>;
  /** Makes the machine, stopped, with its disks and CDs. It must not exist. */
  define(spec: VmSpec): Promise<void>;
  state(vm: string): Promise<"absent" | "stopped" | "running">;
  start(vm: string, boot?: DirectBoot): Promise<void>;
  /** Asks the guest to shut down and waits; `force` pulls the plug. Already stopped is fine. */
  stop(vm: string, how?: { readonly force: boolean }): Promise<void>;
  /**
   * Waits until the machine stands still by itself. Throws an `environment` fault when it cannot go on
   * (the host's disk is full), and a `guest` fault at the deadline.
   */
  waitStopped(
    vm: string,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<Stopped>;
  /** Where to log in: the first `build` nic, port 22 of the guest. */
  address(vm: string): Promise<Address>;
  /** What the guest writes to its serial console, from the first line of the last start on, until it stops. */
  console(vm: string, signal?: AbortSignal): AsyncIterable<string>;
  /** Writes what the screen shows to a PNG file. */
  picture(vm: string, file: string): Promise<void>;
  messages(vm: string): Promise<Messages>;
  /** Files, for people and reports: the serial log, and a socket that a terminal can be joined to. */
  consoleFiles(vm: string): { readonly log: string; readonly socket: string };
  /** Brings a stopped machine's disk to a local file; one `grownFrom` an image stays grown from it (qcow2), others are raw. */
  fetchDisk(vm: string, disk: number, to: string): Promise<void>;
  /** Removes the machine and its disks, running or not. Absent is fine. */
  destroy(vm: string): Promise<void>;
  list(): Promise<string[]>;
}
