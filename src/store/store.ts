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
}

/** `name` (its newest version) or `name@1.2.3`. */
export interface Ref {
  readonly name: string;
  readonly version?: string;
}

/** Keeps masters and templates: content by digest, names and versions once and for all. */
export interface Store {
  /** Takes a raw image in. Twice is fine, and cheap. */
  putDisk(file: string, name: string, signal?: AbortSignal): Promise<StoredDisk>;
  /** Writes a disk to `to`, sparse, checked against its digest while it is read. */
  restoreDisk(disk: StoredDisk, to: string, signal?: AbortSignal): Promise<void>;
  /** A path whose bytes are the disk, for reading only. */
  openDisk(disk: StoredDisk): Promise<string>;
  /** The same name and version with other content is an `integrity` fault; the same content is fine. */
  publish(manifest: Manifest): Promise<Digest>;
  find(kind: Manifest["kind"], ref: Ref): Promise<Manifest | undefined>;
  get(digest: Digest): Promise<Manifest | undefined>;
  list(): Promise<Manifest[]>;
  /** The manifest, its parent, and so on. */
  lineage(digest: Digest): Promise<Manifest[]>;
  /** Reads every byte. Gives one sentence for each thing that is wrong. */
  verify(signal?: AbortSignal): Promise<string[]>;
}
