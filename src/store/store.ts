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
  /** How many versions of each name to keep. Default: all, so only unused data is removed. */
  readonly keep?: number;
  /** Versions to keep, however old, and why: a channel or a tag points at them. */
  readonly held?: ReadonlyMap<Digest, string>;
  /** Versions to remove, and why: another version with this number is the agreed one. */
  readonly yielded?: ReadonlyMap<Digest, string>;
  /** Without it, nothing is removed. */
  readonly apply: boolean;
  /** How long data without a manifest is kept, because a build may be about to publish it. Default: a day. */
  readonly graceMs?: number;
  readonly signal?: AbortSignal;
}

export interface Pruned {
  readonly removed: readonly { readonly what: string; readonly reason: string }[];
  readonly kept: readonly { readonly what: string; readonly reason: string }[];
  /** The number of bytes freed. */
  readonly bytes: number;
  readonly applied: boolean;
}

/** Stores masters and templates: content by digest, under names and versions that never change. */
export interface Store {
  /** Stores a raw image. Storing it again is cheap. */
  putDisk(file: string, name: string, signal?: AbortSignal): Promise<StoredDisk>;
  /** Writes a disk to `to` as a sparse file, and verifies its digest while reading. */
  restoreDisk(disk: StoredDisk, to: string, signal?: AbortSignal): Promise<void>;
  /** Reads a disk from start to end, and verifies its digest. Holes are reported, not read. */
  readDisk(disk: StoredDisk, signal?: AbortSignal): AsyncIterable<Run>;
  /** The same name and version with other content is an `integrity` fault. The same content is fine. */
  publish(manifest: Manifest): Promise<Digest>;
  find(kind: Manifest["kind"], ref: Ref): Promise<Manifest | undefined>;
  get(digest: Digest): Promise<Manifest | undefined>;
  /** All complete manifests. `lines` needs far less time and memory. */
  list(): Promise<Manifest[]>;
  /** The list lines of manifests, by digest, of one name or of all. */
  lines(which?: Which): Promise<ReadonlyMap<Digest, ManifestLine>>;
  /** The versions of a name, newest last; empty for an invalid name. */
  versions(kind: Manifest["kind"], name: string): Promise<string[]>;
  /** The manifest, its parent, and so on. */
  lineage(digest: Digest): Promise<Manifest[]>;
  /**
   * By manifest digest, the bytes that removing only this manifest would free: data that no other version
   * uses. `undefined` if that would need reading more than `mostBytes` of chunk lists.
   */
  ownBytes(mostBytes?: number): Promise<ReadonlyMap<Digest, number> | undefined>;
  /** Reads every byte. Returns one sentence for each problem. */
  verify(signal?: AbortSignal): Promise<string[]>;
  /** Lists unneeded data and why; with `apply`, removes it. */
  prune(options: PruneOptions): Promise<Pruned>;
}
