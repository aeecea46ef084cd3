import { TbuildError } from "../../errors.ts";
import type { Digest } from "../../model/digest.ts";
import type { Manifest, ManifestLine } from "../../model/manifest.ts";
import { compareVersions } from "../../model/version.ts";
import { groupedBy } from "../grouped-by.ts";
import type { Store } from "../store.ts";
import { type ChannelName, channelNames, type Pointer } from "./pointers.ts";
import type { Records } from "./records.ts";
import type { Revocation } from "./revocations.ts";

/** One master or template, with every statement about it, local and in the recipe repo. */
export interface CatalogEntry {
  readonly manifest: ManifestLine;
  readonly digest: Digest;
  /** True if this store has its disks. */
  readonly here: boolean;
  readonly recorded: boolean;
  readonly channels: readonly ChannelName[];
  readonly tags: readonly string[];
  readonly revoked?: Revocation;
}

/** Reads the complete manifest of an entry. */
export type ReadManifest = (entry: CatalogEntry) => Promise<Manifest>;

/** All masters and templates in the store or the recipe repo, by name, oldest version first. */
export async function readCatalog(store: Store, records: Records): Promise<CatalogEntry[]> {
  const kept = await store.lines();
  const recorded = await records.lines(kept);
  const all = new Map([...recorded, ...kept]);
  const said = new Map<string, Said>();
  for (const { name, kind } of all.values())
    if (kind === "template" && !said.has(name)) said.set(name, await saidOf(records, name));
  return [...all]
    .map(([digest, manifest]) =>
      entryOf(manifest, digest, { here: kept.has(digest), recorded: recorded.has(digest) }, said),
    )
    .sort(inOrder);
}

/** Versions are usually compared with their neighbours, so the most recent manifests stay in memory. */
const fewKept = 4;

export function manifestReader(store: Store, records: Records): ReadManifest {
  const kept = new Map<Digest, Promise<Manifest>>();
  const read: ReadManifest = async ({ manifest: { kind, name, version }, here }) => {
    const found = here
      ? await store.find(kind, { name, version })
      : await records.find({ kind, name, version });
    if (found) return found;
    throw new TbuildError("environment", "was removed in the meantime", {
      subject: `${kind} ${name}@${version}`,
    });
  };
  return (entry) => {
    const manifest = kept.get(entry.digest) ?? read(entry);
    kept.delete(entry.digest);
    kept.set(entry.digest, manifest);
    const [oldest] = kept.keys();
    if (kept.size > fewKept && oldest !== undefined) kept.delete(oldest);
    return manifest;
  };
}

export function entryOf<M extends ManifestLine>(
  manifest: M,
  digest: Digest,
  where: Pick<CatalogEntry, "here" | "recorded">,
  said: ReadonlyMap<string, Said>,
): CatalogEntry & { readonly manifest: M } {
  const {
    channels = [],
    tags = [],
    revocations,
  } = manifest.kind === "template" ? (said.get(manifest.name) ?? {}) : {};
  const revoked = revocations?.get(manifest.version);
  const leadsHere = ([, pointer]: readonly [string, { digest: string }]) => pointer.digest === digest;
  return {
    manifest,
    digest,
    ...where,
    channels: channels.filter(leadsHere).map(([channel]) => channel),
    tags: tags.filter(leadsHere).map(([tag]) => tag),
    ...(revoked && { revoked }),
  };
}

interface Index {
  readonly byDigest: ReadonlyMap<Digest, CatalogEntry>;
  readonly templates: readonly CatalogEntry[];
  /** The templates of each name, oldest first. */
  readonly byName: ReadonlyMap<string, readonly CatalogEntry[]>;
}

// Made once for each catalog, so that looking at every version stays linear.
const indexes = new WeakMap<readonly CatalogEntry[], Index>();

function indexOf(catalog: readonly CatalogEntry[]): Index {
  const known = indexes.get(catalog);
  if (known) return known;
  const templates = catalog.filter(({ manifest }) => manifest.kind === "template");
  const index = {
    byDigest: new Map(catalog.map((entry) => [entry.digest, entry])),
    templates,
    byName: groupedBy(templates, ({ manifest }) => manifest.name),
  };
  indexes.set(catalog, index);
  return index;
}

/** The templates of a name, oldest version first. */
export function versionsOf(catalog: readonly CatalogEntry[], name: string): readonly CatalogEntry[] {
  return indexOf(catalog).byName.get(name) ?? [];
}

/** Only the templates. */
export function templatesOf(catalog: readonly CatalogEntry[]): readonly CatalogEntry[] {
  return indexOf(catalog).templates;
}

/**
 * Versions in the store whose number is recorded with other content in the recipe repo: two people built it,
 * and one of them yielded.
 */
export function yieldedIn(catalog: readonly CatalogEntry[]): CatalogEntry[] {
  const nameOf = ({ manifest: { kind, name, version } }: CatalogEntry) => `${kind} ${name}@${version}`;
  const recorded = new Set(catalog.filter((entry) => entry.recorded).map(nameOf));
  return catalog.filter((entry) => !entry.recorded && recorded.has(nameOf(entry)));
}

/** Warnings to show before a version is used. */
export function warningsOf({ manifest, revoked }: CatalogEntry): string[] {
  const { name, version, rehearsal } = manifest;
  return [
    ...(revoked
      ? [`${name}@${version} was revoked on ${revoked.since.slice(0, 10)}: ${revoked.reason}`]
      : []),
    ...(rehearsal
      ? [`${name}@${version} is a rehearsal, made from Debian packages, and not for production`]
      : []),
  ];
}

/** The previous version, by number. */
export function previousOf(
  catalog: readonly CatalogEntry[],
  { manifest }: CatalogEntry,
): CatalogEntry | undefined {
  const named = versionsOf(catalog, manifest.name);
  let [low, high] = [0, named.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareVersions(named[middle]?.manifest.version ?? "", manifest.version) < 0) low = middle + 1;
    else high = middle;
  }
  return named[low - 1];
}

/** The version, its parent, and so on, as far as they are known. */
export function lineageOf(catalog: readonly CatalogEntry[], entry: CatalogEntry): CatalogEntry[] {
  const { byDigest } = indexOf(catalog);
  const line = new Set<CatalogEntry>();
  for (let next: CatalogEntry | undefined = entry; next && !line.has(next); ) {
    line.add(next);
    const parent: Digest | undefined = next.manifest.parent;
    next = parent === undefined ? undefined : byDigest.get(parent);
  }
  return [...line];
}

/** Statements about the versions of a template. */
export interface Said {
  readonly channels: readonly (readonly [ChannelName, Pointer])[];
  readonly tags: readonly (readonly [string, Pointer])[];
  /** The revocations in force. */
  readonly revocations: ReadonlyMap<string, Revocation>;
}

export async function saidOf(records: Records, name: string): Promise<Said> {
  const channels: [ChannelName, Pointer][] = [];
  for (const channel of channelNames) {
    const pointer = await records.channel(name, channel);
    if (pointer) channels.push([channel, pointer]);
  }
  const ever = await records.revocations(name);
  return {
    channels,
    tags: Object.entries(await records.tags(name)),
    revocations: new Map([...ever].filter(([, { lifted }]) => lifted === undefined)),
  };
}

function inOrder({ manifest: a }: CatalogEntry, { manifest: b }: CatalogEntry): number {
  if (a.kind !== b.kind) return a.kind < b.kind ? -1 : 1;
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return compareVersions(a.version, b.version);
}
