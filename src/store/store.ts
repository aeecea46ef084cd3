import type { Digest } from "../model/digest.ts";
import type { Run, StoredDisk } from "../model/disk.ts";
import type { Manifest, ManifestLine } from "../model/manifest.ts";
import type { Which } from "./manifest-lines.ts";

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
  /** All manifests, whole. `lines` needs far less time and memory. */
  list(): Promise<Manifest[]>;
  /** What lists show of manifests, by their digests; of one name, or of all. */
  lines(which?: Which): Promise<ReadonlyMap<Digest, ManifestLine>>;
  /** The versions that there are of a name, the newest last; none of what is no name. */
  versions(kind: Manifest["kind"], name: string): Promise<string[]>;
  /** The manifest, its parent, and so on. */
  lineage(digest: Digest): Promise<Manifest[]>;
  /**
   * How much would go if one manifest alone went, by its digest: what no other shares. `undefined` where more than
   * `mostBytes` of chunk lists had to be read to know.
   */
  ownBytes(mostBytes?: number): Promise<ReadonlyMap<Digest, number> | undefined>;
  /** Reads every byte. Gives one sentence for each thing that is wrong. */
  verify(signal?: AbortSignal): Promise<string[]>;
  /** Lists what is no longer needed and why; with `apply`, removes it. */
  prune(options: PruneOptions): Promise<Pruned>;
}
