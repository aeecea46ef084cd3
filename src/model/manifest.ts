import { z } from "zod";
import { domainTypes, parameterTypes } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import type { Value } from "../vm-cfg/value.ts";
import { type Digest, digestOf } from "./digest.ts";
import { DigestText } from "./digest-text.ts";
import { Slot, StoredDisk } from "./disk.ts";

// The schema is the type. Values that become paths or addresses are validated strictly; others only by their
// shape. Keys of later versions of tbuild are accepted and kept.

export const Name = z.string().regex(/^[a-z][a-z0-9-]*$/);
export const Version = z.string().regex(/^\d+\.\d+\.\d+$/);

const Text = z.string();
const Count = z.number();
const Setting: z.ZodType<Value> = z.json();

/** One RPM of a guest, as `rpm -qa` reports it. */
export type PackageRecord = Deep<typeof PackageRecord>;
const PackageRecord = z.object({
  name: Text,
  epoch: Count,
  version: Text,
  release: Text,
  arch: Text,
  /** Key id of the signature; absent if unsigned. */
  signature: Text.exactOptional(),
  /** Id of its repository; absent if the guest does not store it. */
  repository: Text.exactOptional(),
  license: Text.exactOptional(),
});

/** One first-boot parameter, as a module's `do_enumerate` declares it. */
export type Parameter = Deep<typeof Parameter>;
const Parameter = z.object({
  key: Text,
  description: Text,
  module: Text,
  required: z.boolean(),
  hidden: z.boolean(),
  password: z.boolean(),
  /** The type of its value, as module.yaml declares it. */
  type: z.enum(parameterTypes).exactOptional(),
  /** The only values that it may have. */
  choices: z.array(Text).exactOptional(),
  /** A regular expression that the whole value has to match. */
  pattern: Text.exactOptional(),
  /** The module's default if no value is sent. */
  default: Text.exactOptional(),
});

/** One entry in the guest's /etc. Files that are not readable by everyone in the guest have no digest and no text here. */
export type FileRecord = Deep<typeof FileRecord>;
const FileRecord = z.object({
  path: Text,
  kind: z.enum(["file", "dir", "link", "other"]),
  /** Octal, such as `644`. */
  mode: Text,
  /** Numbers, `uid:gid`. */
  owner: Text,
  digest: DigestText.exactOptional(),
  /** The target of a link. */
  target: Text.exactOptional(),
  /** The package that installed the file, if it is unchanged. */
  package: Text.exactOptional(),
  /** The text of a file that differs from its package, with secrets masked. */
  text: Text.exactOptional(),
});

/** The contents of a sealed guest, as far as versions can differ. No secrets. */
export type GuestRecord = Deep<typeof GuestRecord>;
const GuestRecord = z.object({
  kernels: z.array(Text),
  /** The services started at boot. */
  services: z.array(Text),
  users: z.array(z.object({ name: Text, uid: Count, gid: Count, home: Text, shell: Text })),
  groups: z.array(z.object({ name: Text, gid: Count, members: z.array(Text) })),
  /** First-boot modules with the digest of their script. */
  modules: z.array(z.object({ name: Text, digest: DigestText })),
  files: z.array(FileRecord),
  /** File systems by their ids, which stay the same wherever the disk is used. */
  volumes: z.array(z.object({ name: Text, fs: Text, uuid: Text.exactOptional() })),
});

/** How a template was sealed, and what was verified afterwards. */
export type SealRecord = Deep<typeof SealRecord>;
const SealRecord = z.object({
  how: z.enum(["offline", "online"]),
  skipped: z.array(Text),
  kept: z.array(Text),
  /** The next boot configures the guest. */
  armed: z.boolean(),
  /** The operations with nothing pending. */
  audited: z.array(Text),
});

/** Whether the guest boots as its domain type, according to its files. Nothing was started to find out. */
export type FitnessRecord = Deep<typeof FitnessRecord>;
const FitnessRecord = z.object({
  /** The target and the mode: `xen-4.17`, `pvm`. */
  target: Text,
  mode: Text,
  verdict: z.enum(["fit", "unfit", "unknown"]),
  findings: z.array(
    z.object({
      weight: z.enum(["unfit", "unknown", "remark"]),
      about: Text,
      why: Text,
      remedy: Text.exactOptional(),
    }),
  ),
});

/** The machine that a template is for. Missing values mean tbuild's defaults. */
export type Machine = Deep<typeof Machine>;
const Machine = z.object({
  vcpus: Count,
  memoryMib: Count,
  /** The networks, one for each vnic. */
  nics: z.array(Text),
  /** The firmware. Absent: BIOS, or not stated by an import. */
  firmware: z.literal("uefi").exactOptional(),
  /** The limits up to which it can grow while it runs. */
  maxVcpus: Count.exactOptional(),
  maxMemoryMib: Count.exactOptional(),
  /** For an import: the vifs of its vm.cfg, one for each of `nics`: `mac=00:21:f6:00:00:01,bridge=br0`. */
  vifs: z.array(Text).exactOptional(),
  /** For an import: slots of drives for removable media. */
  drives: z.array(Slot).exactOptional(),
  /** For an import: other settings of its vm.cfg, to be written out again. No secrets. */
  settings: z.record(z.string().regex(/^[A-Za-z_]\w*$/), Setting).exactOptional(),
});

/** Everything known about one stored master or template. Its digest is its identity. */
export type Manifest = Deep<typeof Manifest>;
const Manifest = z.object({
  schema: z.literal(1),
  kind: z.enum(["master", "template"]),
  name: Name,
  version: Version,
  /** ISO 8601, UTC. */
  made: z.iso.datetime(),
  summary: Text,
  /** True if it was made from the stand-in medium. Such a template is never promoted. */
  rehearsal: z.boolean(),
  release: z.object({ name: Text, major: Count, update: Count }),
  domainType: z.enum(domainTypes),
  machine: Machine,
  disks: z.array(StoredDisk),
  /** The kernel that boots, `uname -r`. */
  kernel: Text,
  /** Digest of the resolved recipe. Its text is in `recipeText`. */
  recipe: DigestText,
  recipeText: Text,
  /** The recipe's git repository, if it has one. */
  git: z.object({ commit: Text, dirty: z.boolean() }).exactOptional(),
  /** Its inputs by name: `iso`, `kickstart`, `module:grid` … */
  inputs: z.record(Text, DigestText),
  /** Digest of its parent's manifest. */
  parent: DigestText.exactOptional(),
  packages: z.array(PackageRecord),
  contract: z.array(Parameter),
  /** The operations applied, in order, and what each changed. */
  operations: z.array(z.object({ name: Text, done: z.array(Text) })),
  /** The boot trial's successful checks, as sentences; empty if there was no trial. */
  trial: z.array(Text),
  bundles: z.array(
    z.object({ format: Text, file: z.string().regex(/^[\w.+-]+$/), digest: DigestText, bytes: Count }),
  ),
  /** Milliseconds by step. */
  timings: z.record(Text, Count),
  /** Milliseconds in which its steps worked. Steps side by side count once. Older versions of tbuild did not record it. */
  took: Count.exactOptional(),
  tbuild: Text,
  /** Step → version of the tbuild that made its result, and the digest of that step's code; including cached steps. */
  makers: z.record(Text, Text).exactOptional(),
  /** The id of the build, and of the passport in the image. */
  build: Text.exactOptional(),
  passport: Text.exactOptional(),
  /** Where it was made. Contains nothing that grants access. */
  hosts: z.record(Text, Text).exactOptional(),
  guest: GuestRecord.exactOptional(),
  seal: SealRecord.exactOptional(),
  fitness: FitnessRecord.exactOptional(),
  /** For an import: whether the next boot configures it, as found in the image; absent if the image could not be read. */
  armed: z.boolean().exactOptional(),
});

/** The part of a manifest that lists show: small enough for tens of thousands of versions in memory. */
export type ManifestLine = Deep<typeof ManifestLine>;
const ManifestLine = Manifest.pick({
  kind: true,
  name: true,
  version: true,
  made: true,
  summary: true,
  rehearsal: true,
  release: true,
  domainType: true,
  disks: true,
  parent: true,
  git: true,
  seal: true,
  trial: true,
  recipe: true,
  build: true,
  passport: true,
}).extend({ packages: z.array(z.object({ name: Text })) });

/** Whether no clone of a template was booted before tbuild published or imported it. */
export function isUntried({ kind, trial }: Pick<Manifest, "kind" | "trial">): boolean {
  return kind === "template" && trial.length === 0;
}

/** Canonical JSON with sorted keys, so that equal manifests have equal bytes and digests. */
export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify(sorted(manifest), undefined, 1)}\n`;
}

export function manifestDigest(manifest: Manifest): Digest {
  return digestOf(manifestText(manifest));
}

/** Reads an untrusted manifest. Throws an `integrity` fault if it is not a manifest. */
export function readManifest(file: string, text: string): Manifest {
  try {
    const value: unknown = JSON.parse(text);
    Manifest.parse(value);
    return value as Manifest;
  } catch (error) {
    throw notAManifest(file, error);
  }
}

/** Reads only the part that lists show, in a fifth of the time. The rest is not validated. */
export function readManifestLine(file: string, text: string): ManifestLine {
  try {
    return ManifestLine.parse(JSON.parse(text));
  } catch (error) {
    throw notAManifest(file, error);
  }
}

export function lineOf(manifest: Manifest): ManifestLine {
  return ManifestLine.parse(manifest);
}

function notAManifest(file: string, error: unknown): TbuildError {
  return new TbuildError("integrity", "is not a manifest", {
    subject: file,
    cause: error,
    lines: error instanceof z.ZodError ? faultsOf(error) : [(error as Error).message.slice(0, 300)],
  });
}

// The first few, a line each: `disks.0.bytes: is missing`.
function faultsOf({ issues }: z.ZodError): string[] {
  return issues.slice(0, 5).map(({ path, message }) => {
    const what = message
      .replace(/^Invalid input: /, "")
      .replace(/^expected .*, received undefined$/, "is missing");
    return `${path.join(".") || "the document"}: ${what}`.slice(0, 300);
  });
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, one]) => one !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => [key, sorted(one)]),
  );
}

type Deep<S extends z.ZodType> = ReadonlyDeep<z.infer<S>>;
type ReadonlyDeep<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer E)[]
    ? readonly ReadonlyDeep<E>[]
    : { readonly [K in keyof T]: ReadonlyDeep<T[K]> };

/** Milliseconds in which its steps worked: their sum, if it says nothing else. */
export function workTime({ took, timings }: Pick<Manifest, "took" | "timings">): number {
  return took ?? Object.values(timings).reduce((sum, ms) => sum + ms, 0);
}
