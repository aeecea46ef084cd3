import type { DomainType, Firmware } from "../choices.ts";
import type { DataRange } from "../image/file/holes.ts";
import type { Value } from "../vm-cfg/value.ts";

/** A machine to be moved away from Oracle VM, as its description states it. */
export interface SourceMachine {
  readonly title: string;
  readonly summary: string;
  readonly uuid?: string;
  readonly domainType?: DomainType;
  readonly firmware: Firmware;
  readonly vcpus: number;
  readonly maxVcpus: number;
  readonly memoryMib: number;
  readonly maxMemoryMib: number;
  readonly nics: readonly SourceNic[];
  /** In the order in which the guest sees them. */
  readonly disks: readonly SourceDisk[];
  readonly drives: number;
  readonly isTemplate: boolean;
  /** The other settings in its description, without secrets. */
  readonly settings: Readonly<Record<string, Value>>;
  readonly notes: readonly string[];
}

export interface SourceNic {
  /** The bridge; left out if none is named. */
  readonly bridge?: string;
  readonly mac?: string;
  /** Options that no other hypervisor has: `rate=10Mb/s`. */
  readonly options: readonly string[];
}

export interface SourceDisk {
  /** A unique name of letters, digits and dashes. */
  readonly name: string;
  readonly slot: string;
  readonly mode: "w" | "r" | "w!";
  readonly isBoot: boolean;
  /** Its name in messages: the file or device in its description. */
  readonly what: string;
  readonly from: SourceImage | SourceLun;
}

/** A disk image that can be read here. */
export interface SourceImage {
  readonly kind: "image";
  readonly file: string;
  /** Where a raw image has data, if the file itself does not tell: it is mounted from another machine. */
  readonly data?: readonly DataRange[];
}

/** A device of the server, such as a LUN. */
export interface SourceLun {
  readonly kind: "device";
  readonly path: string;
}

/** An opened machine, which can be read until it is closed. */
export interface Source extends AsyncDisposable {
  readonly machine: SourceMachine;
  /** Why its disks do not change while they are read. */
  readonly stopped: string;
  /** With the user's paths instead of local ones. */
  shown(text: string): string;
}
