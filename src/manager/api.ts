import type { DomainType } from "../choices.ts";

/** An object of Oracle VM Manager. Names are not unique; ids are. */
export interface Named {
  readonly id: string;
  readonly name: string;
}

/** The kinds of objects that tbuild lists. */
export const objectKinds = [
  "ServerPool",
  "Server",
  "Repository",
  "Network",
  "Vm",
  "VirtualDisk",
  "VirtualCdrom",
  "Assembly",
] as const;
export type ObjectKind = (typeof objectKinds)[number];

/**
 * `changing`: it is being started, stopped or suspended. `unknown`: the Manager reports a state that tbuild
 * does not know.
 */
export type VmState = "template" | "running" | "stopped" | "suspended" | "changing" | "unknown";

/** A virtual machine or a template. A property is absent if the Manager does not report it. */
export interface VmSeen extends Named {
  readonly state: VmState;
  /** Templates and machines share one list. `undefined`: how the CLI shows it is unknown. */
  readonly isTemplate: boolean | undefined;
  readonly description?: string;
  readonly domainType?: string;
  readonly memoryMib?: number;
  readonly vcpus?: number;
  readonly pool?: Named;
  readonly server?: Named;
  readonly repository?: Named;
  readonly vnics: readonly Named[];
  readonly mappings: readonly Named[];
}

export interface VnicSeen extends Named {
  /** Lower case, with colons. */
  readonly mac?: string;
  readonly network?: Named;
  readonly description?: string;
}

/** The contents of a slot. `empty`: a drive without a disc. */
export interface MappingSeen extends Named {
  readonly slot: number | undefined;
  readonly device:
    | {
        readonly kind: "virtual-disk" | "physical-disk" | "cdrom";
        readonly id: string;
        readonly name: string;
      }
    | { readonly kind: "empty" };
}

export interface DiskSeen extends Named {
  readonly bytes?: number;
  readonly isShareable?: boolean;
  readonly description?: string;
  readonly repository?: Named;
}

export interface VmWanted {
  readonly name: string;
  readonly description?: string;
  readonly domainType: DomainType;
  readonly memoryMib: number;
  readonly vcpus: number;
  /** Ids. */
  readonly pool: string;
  readonly repository: string;
  readonly osType?: string;
  readonly bootOrder?: readonly ("DISK" | "CDROM" | "PXE")[];
}

export type VmChanges = Partial<
  Pick<VmWanted, "name" | "description" | "domainType" | "memoryMib" | "vcpus" | "bootOrder">
>;

export interface CloneWanted {
  /** The id of the machine or template that is cloned. */
  readonly from: string;
  readonly name: string;
  readonly pool: string;
  readonly repository?: string;
  readonly asTemplate: boolean;
  /** The id of a clone customizer; without one, the Manager decides how disks are copied. */
  readonly customizer?: string;
}

/** THIN_CLONE needs OCFS2 (reflink) or a Storage Connect plug-in (CLI User's Guide 3.3, create VmCloneStorageMapping). */
export type CloneType = "SPARSE_COPY" | "NON_SPARSE_COPY" | "THIN_CLONE";

export interface DiskWanted {
  readonly name: string;
  readonly description?: string;
  /** Rounded up if the Manager accepts whole GiB only. */
  readonly bytes: number;
  readonly isShareable: boolean;
  readonly isSparse: boolean;
  /** Id of the repository. */
  readonly repository: string;
}

export type Device =
  | { readonly virtualDisk: string; readonly mode?: "write" | "read-only" | "shared" }
  | { readonly physicalDisk: string }
  | { readonly virtualCdrom: string }
  | "empty-drive";

export interface Message {
  readonly key: string;
  readonly value: string;
  readonly isSecret: boolean;
}

/** The files of an import: URLs that the Manager's servers can reach. */
export interface ImportWanted {
  /** Id of the repository. */
  readonly repository: string;
  /** The fetching server, by its name in the Manager. For 3.2. */
  readonly server?: string;
  /** Several for a template in several files. */
  readonly urls: readonly string[];
}

/** The Manager's jobs, which go on when the one who started them is gone. */
export interface Jobs {
  /** Jobs in progress whose names match; none if the Manager does not list jobs. */
  active(named: RegExp): Promise<readonly Named[]>;
  /** Whether a job has ended well. */
  hasSucceeded(id: string): Promise<boolean>;
}

/** Groups of machines that never run on the same server (Concepts Guide 3.3, 6.12). */
export interface AntiAffinityGroups {
  list(): Promise<readonly Named[]>;
  /** The ids of its machines; `undefined`: none is shown. */
  members(id: string): Promise<readonly string[] | undefined>;
  create(pool: string, wanted: { readonly name: string; readonly description: string }): Promise<string>;
  delete(id: string): Promise<void>;
  add(group: string, vm: string): Promise<void>;
  remove(group: string, vm: string): Promise<void>;
}

export interface ManagerAbout {
  /** `3.4.6.2105`. */
  readonly version: string;
  /** The version string says that this is tbuild's simulator. */
  readonly isSimulator: boolean;
  readonly via: "ssh" | "rest";
}

/**
 * The operations of Oracle VM Manager that tbuild uses, over its CLI or its REST API. Each one resolves when
 * its job is done. Failures are `environment` faults that name the Manager and what it said; with the code
 * `outcome-unknown` if the connection or the deadline ended after the order was sent. Each method runs once:
 * `repeatable-creation.ts` makes creations repeatable.
 */
export interface ManagerApi extends AsyncDisposable {
  /** For messages: `Oracle VM Manager ovmm.example`. */
  readonly name: string;
  about(): Promise<ManagerAbout>;

  list(kind: ObjectKind): Promise<readonly Named[]>;
  vm(id: string): Promise<VmSeen>;
  vnic(id: string): Promise<VnicSeen>;
  mapping(id: string): Promise<MappingSeen>;
  disk(id: string): Promise<DiskSeen>;

  /** Each creation returns the id of the new object. */
  createVm(wanted: VmWanted): Promise<string>;
  editVm(id: string, changes: VmChanges): Promise<void>;
  /**
   * True if the Manager names the clone itself, and it is renamed afterwards. False if it has its name from
   * the start.
   */
  readonly renamesClones: boolean;
  cloneVm(wanted: CloneWanted): Promise<string>;
  deleteVm(id: string): Promise<void>;
  start(id: string): Promise<void>;
  /**
   * Asks the guest to shut down. Whether the job waits for that is not documented, so it can have its own
   * deadline.
   */
  stop(id: string, deadlineMs?: number): Promise<void>;
  /** Cuts the power. */
  kill(id: string): Promise<void>;

  createDisk(wanted: DiskWanted): Promise<string>;
  deleteDisk(id: string): Promise<void>;
  createMapping(vm: string, slot: number, device: Device, name: string): Promise<string>;
  deleteMapping(id: string): Promise<void>;
  /** `mac` in lower case; without one, the Manager takes one from its range. */
  createVnic(
    vm: string,
    wanted: { readonly network: string; readonly mac?: string; readonly description?: string },
  ): Promise<string>;
  /** Without `vm`, it belongs to no machine. */
  deleteVnic(id: string, vm?: string): Promise<void>;
  /**
   * Vnics without a machine, which an interrupted call may leave. Absent if each vnic is made on a machine
   * (3.3 and later).
   */
  looseVnics?(): Promise<readonly VnicSeen[]>;

  /** Absent in 3.2, which has none. */
  createCustomizer?(
    vm: string,
    wanted: {
      readonly name: string;
      readonly storage: readonly {
        readonly mapping: string;
        readonly repository: string;
        readonly type: CloneType;
      }[];
      readonly networks: readonly { readonly vnic: string; readonly network: string }[];
    },
  ): Promise<string>;
  deleteCustomizer?(id: string): Promise<void>;
  /** All customizers. */
  customizers?(): Promise<readonly Named[]>;
  readonly jobs: Jobs;

  /** Absent over REST: the resource is unknown. */
  readonly antiAffinity?: AntiAffinityGroups;

  importIso(wanted: ImportWanted): Promise<void>;
  /** Deletes a disc of a repository. */
  deleteDisc(id: string): Promise<void>;
  importTemplate(wanted: ImportWanted): Promise<void>;
  importAssembly(wanted: ImportWanted): Promise<void>;
  /** Makes a template of each VM of an assembly. */
  templatesFromAssembly(assembly: string): Promise<void>;

  /** Messages one after the other; each is a job of the Manager. */
  sendMessages(vm: string, messages: readonly Message[]): Promise<void>;
  /** The guest's reports. Absent if reading back is not documented (3.2). */
  receivedMessages?(vm: string): Promise<readonly { readonly key: string; readonly value: string }[]>;
}
