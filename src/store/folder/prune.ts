import { open, readdir, rm, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import { openCompression } from "../../io/compression.ts";
import { bytesAt, explained, namesIn, removeDurably } from "../../io/durable.ts";
import type { Digest } from "../../model/digest.ts";
import type { ManifestLine } from "../../model/manifest.ts";
import { compareVersions } from "../../model/version.ts";
import { groupedBy } from "../grouped-by.ts";
import type { Pruned, PruneOptions } from "../store.ts";
import { type Entry, unpack } from "./pack.ts";
import { openPackWriter, packFile, readPacks } from "./packs.ts";
import { uselessSent } from "./sent-packs.ts";
import { type StoreFolder, sumFile } from "./store-folder.ts";

// A disk that no manifest names may belong to a build that is about to publish it, or to a pull that will resume.
const graceMs = 24 * 60 * 60 * 1000;

interface Finding {
  readonly what: string;
  readonly reason: string;
}

/**
 * Decides what to remove, and with `apply` removes it: manifests first, then lists, then packs. So a kill leaves a complete
 * store with, at worst, unused data. Needs the lock.
 */
export async function pruneStore(
  store: StoreFolder,
  manifests: ReadonlyMap<Digest, ManifestLine>,
  options: PruneOptions,
): Promise<Pruned> {
  const grace = options.graceMs ?? graceMs;
  const versions = decideVersions(manifests, options);
  const disks = await decideDisks(store, versions, grace);
  const needed = await chunksOf(store, disks.kept);
  const packs = await decidePacks(store, needed, await chunksOf(store, disks.left), grace);
  const loose = [...(await looseFiles(store, grace)), ...(await uselessSent(store.folder, needed))];
  if (options.apply) {
    await removeDurably(versions.gone.map((manifest) => store.manifestFile(manifest)));
    await removeDurably(versions.gone.map((manifest) => sumFile(store.manifestFile(manifest))));
    await removeDurably(disks.gone.map((digest) => store.listFile(digest)));
    await repack(store, packs.shrunk, options.signal);
    await removeDurably([...packs.gone, ...packs.shrunk.keys()].map((pack) => packFile(store.folder, pack)));
    for (const file of loose) await rm(file, { recursive: true, force: true });
  }
  return {
    removed: [
      ...versions.removed,
      ...disks.removed,
      ...packs.removed,
      ...loose.map((file) => ({ what: relative(store.folder, file), reason: "left over" })),
    ],
    kept: [...versions.stay, ...disks.stay, ...packs.stay],
    bytes: packs.bytes,
    applied: options.apply,
  };
}

function decideVersions(byDigest: ReadonlyMap<Digest, ManifestLine>, { keep, held, yielded }: PruneOptions) {
  const reasons = new Map<ManifestLine, string>();
  const lines = groupedBy([...byDigest], ([, { kind, name }]) => `${kind} ${name}`);
  for (const line of lines.values())
    [...line]
      .sort(([, a], [, b]) => compareVersions(b.version, a.version))
      .forEach(([digest, manifest], i) => {
        const why = held?.get(digest);
        if (why !== undefined) reasons.set(manifest, why);
        else if (yielded?.has(digest)) return;
        else if (keep === undefined) reasons.set(manifest, "published");
        else if (i < keep) reasons.set(manifest, keep === 1 ? "the newest" : `among the newest ${keep}`);
      });
  for (const manifest of [...reasons.keys()])
    for (let child = manifest; ; ) {
      const parent = child.parent && byDigest.get(child.parent);
      if (!parent || reasons.has(parent)) break;
      reasons.set(parent, `it is the parent of ${child.kind} ${child.name}@${child.version}`);
      child = parent;
    }
  const removed = [...byDigest].filter(([, manifest]) => !reasons.has(manifest));
  return {
    kept: [...reasons.keys()],
    gone: removed.map(([, manifest]) => manifest),
    stay: [...reasons].map(([manifest, reason]): Finding => ({ what: nameOf(manifest), reason })),
    removed: removed.map(
      ([digest, manifest]): Finding => ({
        what: nameOf(manifest),
        reason:
          yielded?.get(digest) ??
          `older than the newest ${keep}, without a channel or tag, and no parent of a kept version`,
      }),
    ),
  };
}

async function decideDisks(
  store: StoreFolder,
  versions: { readonly kept: readonly ManifestLine[]; readonly gone: readonly ManifestLine[] },
  grace: number,
) {
  const named = (manifests: readonly ManifestLine[]) =>
    new Map<Digest, number | undefined>(
      manifests.flatMap(({ disks }) => disks.map((disk) => [disk.digest, disk.bytes] as const)),
    );
  const [kept, left] = [named(versions.kept), named(versions.gone)];
  const [gone, stay]: [Digest[], Finding[]] = [[], []];
  const there = await store.disks();
  for (const digest of there) {
    if (kept.has(digest)) continue;
    if (!left.has(digest) && (await isYoung(store.listFile(digest), grace))) {
      kept.set(digest, undefined);
      stay.push({ what: `disk ${digest}`, reason: "not published, but stored less than a day ago" });
    } else gone.push(digest);
  }
  return {
    kept,
    // A kill during an earlier removal may already have removed some lists.
    left: new Map([...left].filter(([digest]) => there.includes(digest))),
    gone,
    stay,
    removed: gone.map((digest): Finding => ({ what: `disk ${digest}`, reason: "no kept version uses it" })),
  };
}

/** The chunks of disks. If a list cannot be read, it is unknown what to keep, so nothing may be removed. */
async function chunksOf(
  store: StoreFolder,
  disks: ReadonlyMap<Digest, number | undefined>,
): Promise<Set<string>> {
  const chunks = new Set<string>();
  for (const [digest, bytes] of disks)
    try {
      for (const { chunk } of await store.partsOf({ digest, bytes }))
        if (chunk !== undefined) chunks.add(chunk);
    } catch (error) {
      throw new TbuildError("integrity", "is damaged, so nothing was removed", {
        subject: store.folder,
        lines: [error instanceof Error ? error.message : String(error)],
        hint: "`tbuild template verify` lists the versions that corruption affects.",
        cause: error,
      });
    }
  return chunks;
}

async function decidePacks(
  store: StoreFolder,
  needed: ReadonlySet<string>,
  left: ReadonlySet<string>,
  grace: number,
) {
  const index = await readPacks(store.folder);
  const gone: string[] = [];
  const shrunk = new Map<string, readonly Entry[]>();
  const [stay, removed]: [Finding[], Finding[]] = [[], []];
  let bytes = 0;
  for (const pack of index.broken)
    stay.push({
      what: `pack ${pack}`,
      reason: "cannot be read: `tbuild template verify` lists the versions that corruption affects",
    });
  for (const [pack, entries] of index.packs) {
    const used = entries.filter(
      ({ digest }) => needed.has(digest) && index.chunks.get(digest)?.pack === pack,
    );
    const [all, live] = [sizeOf(entries), sizeOf(used)];
    if (live * 2 >= all && used.length > 0) continue;
    const what = `pack ${pack}`;
    const wasNeeded = entries.some(({ digest }) => left.has(digest));
    if (used.length === 0 && !wasNeeded && (await isYoung(packFile(store.folder, pack), grace)))
      stay.push({ what, reason: "unused, but written less than a day ago" });
    else {
      bytes += all - live;
      if (used.length === 0) {
        gone.push(pack);
        removed.push({ what, reason: "no kept version needs a chunk of it" });
      } else {
        shrunk.set(pack, used);
        removed.push({
          what,
          reason: `only ${Math.round((live * 100) / all)} % of it is still needed; it is repacked`,
        });
      }
    }
  }
  return { gone, shrunk, stay, removed, bytes };
}

/** Copies the needed chunks into new packs, and verifies each. */
async function repack(
  store: StoreFolder,
  shrunk: ReadonlyMap<string, readonly Entry[]>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const compression = await openCompression();
  const writer = await openPackWriter(store.folder, []);
  for (const [pack, entries] of shrunk) {
    checkInterrupted(signal);
    const handle = await open(packFile(store.folder, pack), "r");
    try {
      for (const entry of entries) {
        const { digest, length } = entry;
        if (!(await unpack(handle, entry, compression)))
          throw new TbuildError("integrity", `chunk ${digest}: does not match its digest`, {
            hint: "The store is damaged; `tbuild template verify` lists the versions that corruption affects.",
          });
        await writer.add({
          digest,
          packed: { digest, length, stored: await bytesAt(handle, entry.at, entry.stored) },
        });
      }
    } finally {
      await handle.close();
    }
  }
  await writer.close().catch((error) => {
    throw explained(error, store.folder);
  });
}

/** Remains of a kill: checksum files without a manifest, and downloads that were never resumed. */
async function looseFiles(store: StoreFolder, grace: number): Promise<string[]> {
  const manifests = await store.manifestFiles();
  const sums = new Set(manifests.map(sumFile));
  const found: string[] = [];
  for (const folder of new Set(manifests.map(dirname)))
    for (const name of await readdir(folder))
      if (name.endsWith(".sha256") && !sums.has(join(folder, name))) found.push(join(folder, name));
  const incoming = join(store.folder, "incoming");
  for (const name of await namesIn(incoming))
    if (!(await isYoung(join(incoming, name), grace))) found.push(join(incoming, name));
  return found;
}

async function isYoung(file: string, grace: number): Promise<boolean> {
  return Date.now() - (await stat(file)).mtimeMs < grace;
}

function sizeOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + entry.stored, 0);
}

function nameOf({ kind, name, version }: ManifestLine): string {
  return `${kind} ${name}@${version}`;
}
