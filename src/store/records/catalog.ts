import { TbuildError } from "../../errors.ts";
import type { Digest } from "../../model/digest.ts";
import type { Manifest } from "../../model/manifest.ts";
import { manifestDigest } from "../../model/manifest.ts";
import { compareVersions } from "../../model/version.ts";
import type { Store } from "../store.ts";
import { type ChannelName, channelNames, type Records, type Revocation } from "./records.ts";

/** One master or template, with all that is said of it here and in the recipe repo. */
export interface CatalogEntry {
  readonly manifest: Manifest;
  readonly digest: Digest;
  /** Its disks are in this store. */
  readonly here: boolean;
  readonly recorded: boolean;
  readonly channels: readonly ChannelName[];
  readonly tags: readonly string[];
  readonly revoked?: Revocation;
}

/** All masters and templates that the store holds or the recipe repo knows: by name, oldest version first. */
export async function readCatalog(store: Store, records: Records): Promise<CatalogEntry[]> {
  const [kept, recorded] = [await store.list(), await records.list()];
  const here = new Set(kept.map(manifestDigest));
  const known = new Set(recorded.map(manifestDigest));
  const all = new Map([...kept, ...recorded].map((manifest) => [manifestDigest(manifest), manifest]));
  const said = new Map<string, Awaited<ReturnType<typeof saidOf>>>();
  for (const { name, kind } of all.values())
    if (kind === "template" && !said.has(name)) said.set(name, await saidOf(records, name));
  const entries: CatalogEntry[] = [];
  for (const [digest, manifest] of all) {
    const { channels = [], tags = [] } = manifest.kind === "template" ? (said.get(manifest.name) ?? {}) : {};
    const leadsHere = (pointer: { digest: string }) => pointer.digest === digest;
    const revoked =
      manifest.kind === "template" ? await records.revocation(manifest.name, manifest.version) : undefined;
    entries.push({
      manifest,
      digest,
      here: here.has(digest),
      recorded: known.has(digest),
      channels: channels.filter(([, pointer]) => leadsHere(pointer)).map(([channel]) => channel),
      tags: tags.filter(([, pointer]) => leadsHere(pointer)).map(([tag]) => tag),
      ...(revoked && { revoked }),
    });
  }
  return entries.sort(inOrder);
}

interface Index {
  readonly byDigest: ReadonlyMap<Digest, CatalogEntry>;
  readonly templates: readonly CatalogEntry[];
  /** The templates of each name, the oldest first. */
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

/** In the order in which they come. */
export function groupedBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

/** The templates of a name, the oldest version first. */
export function versionsOf(catalog: readonly CatalogEntry[], name: string): readonly CatalogEntry[] {
  return indexOf(catalog).byName.get(name) ?? [];
}

/** The templates among them. */
export function templatesOf(catalog: readonly CatalogEntry[]): readonly CatalogEntry[] {
  return indexOf(catalog).templates;
}

/** `name` is its newest version that is not revoked; `name@1.2.3`, `name@stable` and `name@<tag>` are exactly that. */
export function findTemplate(catalog: readonly CatalogEntry[], ref: string): CatalogEntry {
  const [name = "", which] = ref.split("@");
  const named = versionsOf(catalog, name);
  if (named.length === 0)
    throw new TbuildError("usage", "no such template", {
      subject: ref,
      hint: "`tbuild template list` lists all templates.",
    });
  const fitting = named.filter(({ manifest, channels, tags, revoked }) =>
    which === undefined
      ? !revoked
      : manifest.version === which || [...channels, ...tags].some((one) => one === which),
  );
  if (fitting.length === 0 && which === undefined)
    throw new TbuildError("usage", "all of its versions are revoked", {
      subject: name,
      hint: `To use one anyway, name its version: ${newestOf(named, (version) => `${name}@${version}`)}.`,
    });
  const found = fitting.at(-1);
  if (!found)
    throw new TbuildError("usage", `${name} has no such version, channel or tag`, {
      subject: ref,
      hint: `Available: ${newestOf(named, (version) => version)}.`,
    });
  const others = fitting.filter(({ manifest }) => manifest.version === found.manifest.version);
  if (others.length > 1)
    throw new TbuildError(
      "integrity",
      `${name}@${found.manifest.version}: two different versions have this number`,
      {
        lines: others.map((one) => `${one.digest} ${one.here ? "in the store" : "in the recipe repo"}`),
        hint: "Two people published the same version. The recorded one is valid. Build the other again with a new number, and remove it from the store with `tbuild template prune --apply`.",
      },
    );
  return found;
}

/** Versions in the store whose number the recipe repo records with other content: two people built it, one yielded. */
export function yieldedIn(catalog: readonly CatalogEntry[]): CatalogEntry[] {
  const nameOf = ({ manifest: { kind, name, version } }: CatalogEntry) => `${kind} ${name}@${version}`;
  const recorded = new Set(catalog.filter((entry) => entry.recorded).map(nameOf));
  return catalog.filter((entry) => !entry.recorded && recorded.has(nameOf(entry)));
}

/** The versions that `ref` does not mean because they were revoked, in words. */
export function passedOver(catalog: readonly CatalogEntry[], ref: string, found: CatalogEntry): string[] {
  if (ref.includes("@")) return [];
  const { name, version } = found.manifest;
  return templatesOf(catalog)
    .filter(({ manifest, revoked }) => manifest.name === name && revoked !== undefined)
    .filter(({ manifest }) => compareVersions(manifest.version, version) > 0)
    .map(
      ({ manifest, revoked }) =>
        `${name}@${manifest.version} is newer and was revoked (${revoked?.reason}); this is ${version}`,
    );
}

/** What has to be said before a version is used. */
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

/** The version before it, by number. */
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

/** It, its parent, and so on, as far as they are known. */
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

/** The newest few, and how many more there are. */
function newestOf(named: readonly CatalogEntry[], words: (version: string) => string): string {
  const shown = named.slice(-10).map(({ manifest }) => words(manifest.version));
  return `${shown.join(", ")}${named.length > 10 ? `, and ${named.length - 10} older ones` : ""}`;
}

async function saidOf(records: Records, name: string) {
  const channels: [ChannelName, { digest: string }][] = [];
  for (const channel of channelNames) {
    const pointer = await records.channel(name, channel);
    if (pointer) channels.push([channel, pointer]);
  }
  return { channels, tags: Object.entries(await records.tags(name)) };
}

function inOrder({ manifest: a }: CatalogEntry, { manifest: b }: CatalogEntry): number {
  if (a.kind !== b.kind) return a.kind < b.kind ? -1 : 1;
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return compareVersions(a.version, b.version);
}
