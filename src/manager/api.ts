import type { DomainType } from "../choices.ts";

/** Something that Oracle VM Manager has. Names are not unique; ids are. */
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

/** `changing`: it is being started, stopped or suspended. `unknown`: the Manager says something that tbuild does not know. */
export type VmState = "template" | "running" | "stopped" | "suspended" | "changing" | "unknown";

/** A virtual machine or a template. A property is left out if the Manager does not say it. */
export interface VmSeen extends Named {
  readonly state: VmState;
  /** Templates and machines share one list. `undefined`: the CLI does not say it in a way that is known. */
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

/** What is in a slot. `empty`: a drive without a disc. */
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
  /** Rounded up where the Manager takes whole GiB only. */
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

/** What an import fetches: URLs that the Manager's servers can reach. */
export interface ImportWanted {
  /** Id of the repository. */
  readonly repository: string;
  /** The name that a 3.2 Manager gives the fetching server. */
  readonly server?: string;
  /** Several for a template in several files. */
  readonly urls: readonly string[];
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
 * What tbuild asks of Oracle VM Manager, over its CLI or its REST API. Every order resolves when its job is done. Failures are
 * `environment` faults that name the Manager and what it said; with the code `outcome-unknown` if the connection or the
 * deadline ended after the order was sent. The methods do what they say, once: `steady.ts` makes creations repeatable.
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

  /** Each creation gives the id of the new object. */
  createVm(wanted: VmWanted): Promise<string>;
  editVm(id: string, changes: VmChanges): Promise<void>;
  /** The Manager names the clone itself, and it is renamed afterwards; `false`: it has its name from the first moment. */
  readonly renamesClones: boolean;
  cloneVm(wanted: CloneWanted): Promise<string>;
  deleteVm(id: string): Promise<void>;
  start(id: string): Promise<void>;
  /** Asks the guest to shut down. Whether the job lasts until it has is not documented, so it can have a deadline of its own. */
  stop(id: string, deadlineMs?: number): Promise<void>;
  /** Cuts the power. */
  kill(id: string): Promise<void>;

  createDisk(wanted: DiskWanted): Promise<string>;
  deleteDisk(id: string): Promise<void>;
  createMapping(vm: string, slot: number, device: Device, name: string): Promise<string>;
  deleteMapping(id: string): Promise<void>;
  /** `mac` in lower case; without one the Manager takes one of its range. */
  createVnic(
    vm: string,
    wanted: { readonly network: string; readonly mac?: string; readonly description?: string },
  ): Promise<string>;
  /** Without `vm`: it belongs to none. */
  deleteVnic(id: string, vm?: string): Promise<void>;
  /** Vnics of no machine, which an interrupted call may leave. Left out where each is made on a machine (3.3 and later). */
  looseVnics?(): Promise<readonly VnicSeen[]>;

  /** Left out in 3.2, which has none. */
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
  /** All customizers there are. */
  customizers?(): Promise<readonly Named[]>;
  /** Jobs in progress. Left out over the CLI, which has no documented list of them. */
  activeJobs?(): Promise<readonly Named[]>;

  /** Left out over REST, whose resource of them is not known. */
  readonly antiAffinity?: AntiAffinityGroups;

  importIso(wanted: ImportWanted): Promise<void>;
  /** Deletes a disc of a repository. */
  deleteDisc(id: string): Promise<void>;
  importTemplate(wanted: ImportWanted): Promise<void>;
  importAssembly(wanted: ImportWanted): Promise<void>;
  /** Makes a template of each VM of an assembly. */
  templatesFromAssembly(assembly: string): Promise<void>;

  /** One message after the other; the Manager makes a job of each. */
  sendMessages(vm: string, messages: readonly Message[]): Promise<void>;
  /** What the guest has reported. Left out where reading back is not documented (3.2). */
  receivedMessages?(vm: string): Promise<readonly { readonly key: string; readonly value: string }[]>;
}
