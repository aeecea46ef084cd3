/** `sha256:` and 64 hex digits. */
export type Digest = `sha256:${string}`;

/** A disk in the store: its identity, and how large the machine sees it. */
export interface StoredDisk {
  readonly name: string;
  readonly digest: Digest;
  /** Virtual size. */
  readonly bytes: number;
  /** Bytes that are not holes. */
  readonly dataBytes: number;
  /** How many chunks they are kept in; not said by the first versions of tbuild. */
  readonly chunks?: number;
}

/**
 * A run of a disk's bytes; without `data` all of it is zeros. Runs come in order and leave no gap; each starts at a
 * multiple of 4096, and only a disk's last can have another length.
 */
export interface Run {
  readonly start: number;
  readonly length: number;
  readonly data?: Uint8Array;
}

/** One RPM of a guest, as `rpm -qa` tells it. */
export interface PackageRecord {
  readonly name: string;
  readonly epoch: number;
  readonly version: string;
  readonly release: string;
  readonly arch: string;
  /** Key id of the signature; absent when unsigned. */
  readonly signature?: string;
  /** Id of the repository that it came from; absent where the guest does not keep it. */
  readonly repository?: string;
  readonly license?: string;
}

/** One first-boot parameter, as a module's `do_enumerate` declares it. */
export interface Parameter {
  readonly key: string;
  readonly description: string;
  readonly module: string;
  readonly required: boolean;
  readonly hidden: boolean;
  readonly password: boolean;
}

/** One thing in the guest's /etc. Files that not everybody in the guest may read have no digest and no text here. */
export interface FileRecord {
  readonly path: string;
  readonly kind: "file" | "dir" | "link" | "other";
  /** Octal, such as `644`. */
  readonly mode: string;
  /** Numbers, `uid:gid`. */
  readonly owner: string;
  readonly digest?: Digest;
  /** Of a link. */
  readonly target?: string;
  /** The package whose file it is, unchanged. */
  readonly package?: string;
  /** Of a text that is not as a package made it, secrets masked. */
  readonly text?: string;
}

/** What a sealed guest is like inside, as far as two versions can differ in it. No secrets. */
export interface GuestRecord {
  readonly kernels: readonly string[];
  /** What is started at boot. */
  readonly services: readonly string[];
  readonly users: readonly {
    readonly name: string;
    readonly uid: number;
    readonly gid: number;
    readonly home: string;
    readonly shell: string;
  }[];
  readonly groups: readonly {
    readonly name: string;
    readonly gid: number;
    readonly members: readonly string[];
  }[];
  /** First-boot modules, by the digest of their script. */
  readonly modules: readonly { readonly name: string; readonly digest: Digest }[];
  readonly files: readonly FileRecord[];
  /** File systems by their own ids, which they keep wherever the disk goes. */
  readonly volumes: readonly { readonly name: string; readonly fs: string; readonly uuid?: string }[];
}

/** How a template was sealed, and what was proved of it afterwards. */
export interface SealRecord {
  readonly how: "offline" | "online";
  readonly skipped: readonly string[];
  readonly kept: readonly string[];
  /** The next boot configures the guest. */
  readonly armed: boolean;
  /** The operations of which nothing is pending. */
  readonly audited: readonly string[];
}

/** What is known about one kept master or template. Its own digest is its identity. */
export interface Manifest {
  readonly schema: 1;
  readonly kind: "master" | "template";
  readonly name: string;
  readonly version: string;
  /** ISO 8601, UTC. */
  readonly made: string;
  readonly summary: string;
  /** True for all that was made from the stand-in medium; such a template is never promoted. */
  readonly rehearsal: boolean;
  readonly release: { readonly name: string; readonly major: number; readonly update: number };
  readonly domainType: "XEN_HVM" | "XEN_HVM_PV_DRIVERS" | "XEN_PVM";
  readonly machine: { readonly vcpus: number; readonly memoryMib: number; readonly nics: readonly string[] };
  readonly disks: readonly StoredDisk[];
  /** The kernel that boots, `uname -r`. */
  readonly kernel: string;
  /** Digest of the recipe as resolved; the text itself stands in `recipeText`. */
  readonly recipe: Digest;
  readonly recipeText: string;
  /** Where the recipe came from, when that is a git repository. */
  readonly git?: { readonly commit: string; readonly dirty: boolean };
  /** All that shaped it, by name: `iso`, `kickstart`, `module:grid` … */
  readonly inputs: Readonly<Record<string, Digest>>;
  /** Digest of the manifest that it grew out of. */
  readonly parent?: Digest;
  readonly packages: readonly PackageRecord[];
  readonly contract: readonly Parameter[];
  /** Operations applied, in order, and what each had to do. */
  readonly operations: readonly { readonly name: string; readonly done: readonly string[] }[];
  /** Checks of the boot trial that held, in words; empty where none was run. */
  readonly trial: readonly string[];
  readonly bundles: readonly {
    readonly format: string;
    readonly file: string;
    readonly digest: Digest;
    readonly bytes: number;
  }[];
  /** Milliseconds by step. */
  readonly timings: Readonly<Record<string, number>>;
  readonly tbuild: string;
  /** Step → version of the tbuild that made its result, and the digest of its code for that step; kept steps too. */
  readonly makers?: Readonly<Record<string, string>>;
  /** The id of the build, and of the passport in the image. */
  readonly build?: string;
  readonly passport?: string;
  /** Where it was made; nothing that opens a door. */
  readonly hosts?: Readonly<Record<string, string>>;
  readonly guest?: GuestRecord;
  readonly seal?: SealRecord;
}

/** `name` (its newest version) or `name@1.2.3`. */
export interface Ref {
  readonly name: string;
  readonly version?: string;
}

export interface PruneOptions {
  /** How many versions of each name stay; without it all do, and only what is left over goes. */
  readonly keep?: number;
  /** Versions that stay whatever their age, and why: a channel or a tag leads to them. */
  readonly held?: ReadonlyMap<Digest, string>;
  /** Versions that go, and why: somebody else's of the same number was agreed on. */
  readonly yielded?: ReadonlyMap<Digest, string>;
  /** Without it nothing is touched. */
  readonly apply: boolean;
  /** How long what nothing names is taken for somebody's who is about to publish it; a day. */
  readonly graceMs?: number;
  readonly signal?: AbortSignal;
}

export interface Pruned {
  readonly removed: readonly { readonly what: string; readonly reason: string }[];
  readonly kept: readonly { readonly what: string; readonly reason: string }[];
  /** What that frees. */
  readonly bytes: number;
  readonly applied: boolean;
}

/** Keeps masters and templates: content by digest, names and versions once and for all. */
export interface Store {
  /** Takes a raw image in. Twice is fine, and cheap. */
  putDisk(file: string, name: string, signal?: AbortSignal): Promise<StoredDisk>;
  /** Writes a disk to `to`, sparse, checked against its digest while it is read. */
  restoreDisk(disk: StoredDisk, to: string, signal?: AbortSignal): Promise<void>;
  /** A disk from its first byte to its last, checked against its digest while it is read; holes are said, not read. */
  readDisk(disk: StoredDisk, signal?: AbortSignal): AsyncIterable<Run>;
  /** The same name and version with other content is an `integrity` fault; the same content is fine. */
  publish(manifest: Manifest): Promise<Digest>;
  find(kind: Manifest["kind"], ref: Ref): Promise<Manifest | undefined>;
  get(digest: Digest): Promise<Manifest | undefined>;
  list(): Promise<Manifest[]>;
  /** The manifest, its parent, and so on. */
  lineage(digest: Digest): Promise<Manifest[]>;
  /** How much would go if one manifest alone went, by its digest: what no other shares. */
  ownBytes(): Promise<ReadonlyMap<Digest, number>>;
  /** Reads every byte. Gives one sentence for each thing that is wrong. */
  verify(signal?: AbortSignal): Promise<string[]>;
  /** Says what nobody needs and why, and with `apply` removes it. */
  prune(options: PruneOptions): Promise<Pruned>;
}
