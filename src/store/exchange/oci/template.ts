import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import { TbuildError } from "../../../errors.ts";
import { openCompression } from "../../../io/compression.ts";
import { explained, renameDurably } from "../../../io/durable.ts";
import { makeFolders } from "../../../io/folders.ts";
import { inParallel } from "../../../io/parallel.ts";
import { type Digest, digestOf } from "../../../model/digest.ts";
import { DigestText } from "../../../model/digest-text.ts";
import type { Manifest } from "../../../model/manifest.ts";
import { manifestDigest, manifestText, readManifest } from "../../../model/manifest.ts";
import { compareVersions } from "../../../model/version.ts";
import { readDiskList } from "../../folder/disk-list.ts";
import { checkPack, largestPack } from "../../folder/pack.ts";
import { packFile, readPacks } from "../../folder/packs.ts";
import { rememberSent } from "../../folder/sent-packs.ts";
import { hex, type StoreFolder } from "../../folder/store-folder.ts";
import { packsToSend } from "./packs-to-send.ts";
import { type Reference, referenceText } from "./reference.ts";
import { manifestType, type Registry } from "./registry.ts";
import type { Tags } from "./tags.ts";

const artifactType = "application/vnd.tbuild.template.v1";
const types = {
  manifest: "application/vnd.tbuild.manifest.v1+json",
  ancestor: "application/vnd.tbuild.ancestor.v1+json",
  disk: "application/vnd.tbuild.disk.v2",
  pack: "application/vnd.tbuild.pack.v1",
} as const;

export const packType = types.pack;

/** The annotation with the manifest's signature from the pusher's recipe repo. */
const signatureKey = "vnd.tbuild.signature";

const largestConfig = 32 * 2 ** 20;
const largestList = 128 * 2 ** 20;
const mostAncestors = 100;
const atATime = 3;

const Descriptor = z.looseObject({
  mediaType: z.string(),
  digest: DigestText.transform((text) => text as Digest),
  size: z.int().min(0),
});
type Descriptor = z.infer<typeof Descriptor>;

const Artifact = z.looseObject({
  schemaVersion: z.literal(2),
  artifactType: z.literal(artifactType),
  config: Descriptor.refine(({ mediaType, size }) => mediaType === types.manifest && size <= largestConfig),
  layers: z.array(Descriptor).max(50_000),
  annotations: z
    .looseObject({ [signatureKey]: z.string().max(16_384).exactOptional() })
    .catchall(z.string())
    .exactOptional(),
});

export interface Moved {
  /** The digest of the template's manifest. */
  readonly digest: Digest;
  readonly manifest: Manifest;
  /** Bytes transferred, and bytes that were already there. */
  readonly moved: number;
  readonly spared: number;
}

export type Progress = (moved: number, total: number) => void;

export interface PushOptions {
  readonly signature?: string | undefined;
  /** Its ancestors, nearest first. Their manifests are pushed with it, their disks are not. */
  readonly ancestors?: readonly Manifest[];
  /** Further annotations of the artifact. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Take the place of another artifact. */
  readonly replace?: boolean;
  readonly progress?: Progress;
}

/**
 * Pushes a template to a registry as an OCI artifact. tbuild's manifest is its config; its layers are the disks' chunk
 * lists and the packs with their chunks. Versions share packs, so only new packs are uploaded. The artifact's manifest
 * is written last, and an interrupted push resumes.
 */
export async function pushTemplate(
  store: StoreFolder,
  template: Manifest,
  reference: Reference & { readonly which: string },
  registry: Registry,
  { signature, ancestors = [], annotations = {}, replace = false, progress }: PushOptions = {},
): Promise<Moved> {
  // Registries cannot write a manifest conditionally. So tbuild looks for it just before writing, and again when another push
  // that looked at the same time has written, too. The one that wrote first is told.
  const checkFree = async () => {
    if (replace) return true;
    const there = await registry.getManifest(reference.which);
    if (there && readArtifact(reference, there).config.digest !== manifestDigest(template))
      throw new TbuildError("integrity", "is already published with different content", {
        subject: referenceText(reference),
        hint: "Raise the version. A published version never changes.",
      });
    return there === undefined;
  };
  await checkFree();
  const relative = repositoryOf(ancestors, template, reference);
  const isThere = async (digest: Digest) =>
    (await registry.hasBlob(digest)) ||
    (relative !== undefined && (await registry.mountBlob(digest, relative)));
  const blobs = await blobsOf(store, template, ancestors, isThere);
  const total = blobs.reduce((sum, { size }) => sum + size, 0);
  let [moved, spared] = [0, 0];
  const sent = inParallel(blobs, atATime, async ({ digest, size, read, chunks, ...blob }) => {
    if (blob.isThere || (await isThere(digest))) spared += size;
    else {
      const data = await read();
      if (data.length !== size || digestOf(data) !== digest)
        throw new TbuildError("integrity", "does not match its digest", {
          subject: digest,
          hint: "The store is damaged; `tbuild template verify` lists the versions that corruption affects.",
        });
      await registry.putBlob(digest, data);
      moved += size;
    }
    if (chunks) await rememberSent(store.folder, { digest, size, chunks });
    progress?.(moved + spared, total);
  });
  for await (const _ of sent);
  const [config, ...layers] = blobs.map(({ mediaType, digest, size }) => ({ mediaType, digest, size }));
  const artifact = {
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType,
    config,
    layers,
    annotations: {
      "org.opencontainers.image.title": `${template.name}-${template.version}`,
      "org.opencontainers.image.version": template.version,
      "org.opencontainers.image.created": template.made,
      "org.opencontainers.image.description": template.rehearsal
        ? `A rehearsal, not Oracle Linux. ${template.summary}`
        : template.summary,
      ...(template.git && { "org.opencontainers.image.revision": template.git.commit }),
      ...(signature !== undefined && { [signatureKey]: signature }),
      ...annotations,
    },
  };
  const looked = performance.now();
  const isNew = await checkFree();
  await registry.putManifest(reference.which, Buffer.from(JSON.stringify(artifact)));
  if (isNew && !replace) await setTimeout(othersWrite(performance.now() - looked));
  await checkFree();
  return { digest: manifestDigest(template), manifest: template, moved, spared };
}

/** How long another push may take from its look to its write, in milliseconds, if this one took `ms`. */
function othersWrite(ms: number): number {
  return Math.min(10_000, Math.max(500, 10 * ms));
}

/** The repository of the parent template, beside this one. It may have most of the packs. */
function repositoryOf(
  ancestors: readonly Manifest[],
  template: Manifest,
  { repository }: Reference,
): string | undefined {
  const parent = ancestors.find(({ name }) => name !== template.name);
  return parent && repository.replace(/[^/]*$/, parent.name);
}

/** Lists existing versions, for a reference to a missing one. */
export function versionsHint({ names, lacking }: Tags): string {
  const versions = versionsAmong(names);
  if (versions.length === 0)
    return lacking === undefined || lacking.startsWith("404")
      ? "Not found, or you have no permission to read it."
      : `The registry does not list its tags (${lacking}), so its versions are unknown.`;
  const more = versions.length > 10 ? `, and ${versions.length - 10} older ones` : "";
  return `Available: ${versions.slice(-10).join(", ")}${more}.`;
}

/** The versions among a repository's tags, newest last. */
export function versionsAmong(tags: readonly string[]): string[] {
  return tags.filter((tag) => /^\d+\.\d+\.\d+$/.test(tag)).sort(compareVersions);
}

interface Blob extends Descriptor {
  /** Of a pack. */
  readonly chunks?: readonly string[];
  /** The registry is known to have it. */
  readonly isThere?: boolean;
  read(): Promise<Uint8Array>;
}

/** The config, then ancestors, then lists, then packs in the order in which the disks need them. */
async function blobsOf(
  store: StoreFolder,
  template: Manifest,
  ancestors: readonly Manifest[],
  isThere: (digest: Digest) => Promise<boolean>,
): Promise<Blob[]> {
  const blobs: Blob[] = [
    manifestBlob(types.manifest, template),
    ...ancestors.map((one) => manifestBlob(types.ancestor, one)),
  ];
  const needed = new Set<string>();
  for (const disk of template.disks) {
    for (const { chunk } of await store.partsOf(disk)) if (chunk !== undefined) needed.add(chunk);
    if (blobs.some(({ digest }) => digest === disk.digest)) continue;
    const list = await readFile(store.listFile(disk.digest));
    blobs.push({ mediaType: types.disk, digest: disk.digest, size: list.length, read: async () => list });
  }
  for (const pack of await packsToSend(store.folder, needed, isThere))
    blobs.push({ mediaType: types.pack, ...pack });
  return blobs;
}

function manifestBlob(mediaType: string, manifest: Manifest): Blob {
  const text = Buffer.from(manifestText(manifest));
  return { mediaType, digest: manifestDigest(manifest), size: text.length, read: async () => text };
}

export interface PullOptions {
  /** Called with the manifest and its signature before the disks are fetched. If it throws, the pull ends. */
  readonly accept?: (manifest: Manifest, signature: string | undefined) => Promise<void>;
  readonly progress?: Progress;
}

/** A template in a registry, without its disks. */
export async function templateIn(
  reference: Reference & { readonly which: string },
  registry: Registry,
): Promise<TemplateThere> {
  const found = await findTemplate(reference, registry);
  if (found) return found;
  throw new TbuildError("usage", "no such version in the registry", {
    subject: referenceText(reference),
    hint: versionsHint(await registry.tags()),
  });
}

/** The same; `undefined` if it is not there. */
export async function findTemplate(
  reference: Reference & { readonly which: string },
  registry: Registry,
): Promise<TemplateThere | undefined> {
  const artifact = await registry.getManifest(reference.which);
  if (!artifact) return undefined;
  const { config, layers, annotations } = readArtifact(reference, artifact);
  const signature = annotations?.[signatureKey];
  const text = Buffer.from(await wholeBlob(registry, config)).toString("utf8");
  const manifest = readManifest(referenceText(reference), text);
  if (manifest.kind !== "template" || manifestText(manifest) !== text)
    throw new TbuildError("integrity", "its manifest is not a template manifest", {
      subject: referenceText(reference),
    });
  return {
    manifest,
    config,
    layers,
    annotations: annotations ?? {},
    ...(signature !== undefined && { signature }),
  };
}

interface TemplateThere {
  readonly manifest: Manifest;
  readonly annotations: Readonly<Record<string, unknown>>;
  readonly signature?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** Pulls a template from a registry into the store. Every byte is verified before it counts. */
export async function pullTemplate(
  store: StoreFolder,
  reference: Reference & { readonly which: string },
  registry: Registry,
  { accept, progress }: PullOptions = {},
): Promise<Moved & { readonly signature?: string; readonly ancestors: readonly Manifest[] }> {
  await store.checkFormat();
  const { manifest, signature, config, layers } = await templateIn(reference, registry);
  await store.checkFree(manifest);
  await accept?.(manifest, signature);
  const ancestors = await ancestorsOf(registry, manifest, layers);

  let moved = config.size;
  const lists: string[] = [];
  const needed = new Set<string>();
  for (const disk of manifest.disks) {
    const layer = layers.find(({ mediaType, digest }) => mediaType === types.disk && digest === disk.digest);
    if (!layer || layer.size > largestList)
      throw new TbuildError("integrity", `the chunk list of disk ${disk.name} is missing`, {
        subject: referenceText(reference),
      });
    const list = Buffer.from(await wholeBlob(registry, layer)).toString("utf8");
    for (const { chunk } of readDiskList(disk, list)) if (chunk !== undefined) needed.add(chunk);
    lists.push(list);
    moved += layer.size;
  }

  const { chunks, packs } = await readPacks(store.folder);
  const complete = [...needed].every((chunk) => chunks.has(chunk));
  const all = layers.filter(({ mediaType }) => mediaType === types.pack);
  const wanted = complete ? [] : all.filter(({ digest }) => !packs.has(hex(digest)));
  const size = (some: readonly Descriptor[]) => some.reduce((sum, one) => sum + one.size, 0);
  const total = moved + size(wanted);
  const taken = inParallel(wanted, atATime, async (layer) => {
    await takePack(store, registry, layer);
    moved += layer.size;
    progress?.(moved, total);
  });
  for await (const _ of taken);

  await using _lock = await store.lock();
  for (const list of lists) await store.addList(list);
  return {
    digest: await store.addManifest(manifest),
    manifest,
    moved,
    spared: size(all) - size(wanted),
    ancestors,
    ...(signature !== undefined && { signature }),
  };
}

/** The ancestors in the artifact. Each digest proves that it is the parent of the previous one. */
async function ancestorsOf(
  registry: Registry,
  template: Manifest,
  layers: readonly Descriptor[],
): Promise<Manifest[]> {
  const found: Manifest[] = [];
  for (let { parent } = template; parent !== undefined && found.length < mostAncestors; ) {
    const layer = layers.find(({ mediaType, digest }) => mediaType === types.ancestor && digest === parent);
    if (!layer || layer.size > largestConfig) break;
    const text = Buffer.from(await wholeBlob(registry, layer)).toString("utf8");
    const ancestor = readManifest(`the lineage of ${template.name}@${template.version}`, text);
    found.push(ancestor);
    parent = ancestor.parent;
  }
  return found;
}

function readArtifact(reference: Reference, data: Uint8Array): z.infer<typeof Artifact> {
  try {
    return Artifact.parse(JSON.parse(Buffer.from(data).toString("utf8")));
  } catch (cause) {
    throw new TbuildError("integrity", "is not a tbuild template", {
      subject: referenceText(reference),
      cause,
    });
  }
}

async function wholeBlob(registry: Registry, { digest, size }: Descriptor): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of registry.readBlob(digest, size)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Downloads a pack and stores it after verifying each of its chunks: a registry is not trusted. */
async function takePack(store: StoreFolder, registry: Registry, layer: Descriptor): Promise<void> {
  const { digest, size } = layer;
  if (size > largestPack) throw new TbuildError("integrity", "is too large for a pack", { subject: digest });
  // Not in tmp/, which is emptied when the store is locked.
  const incoming = join(store.folder, "incoming");
  const file = join(incoming, `${hex(digest)}.${process.pid}`);
  await makeFolders(incoming);
  try {
    const handle = await open(file, "w", 0o444);
    try {
      for await (const piece of registry.readBlob(digest, size)) await handle.writeFile(piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const { whole, bad, entries } = await checkPack(file, hex(digest), await openCompression());
    if (!whole || bad.length > 0)
      throw new TbuildError("integrity", "contains a chunk that does not match its digest", {
        subject: digest,
      });
    await using _lock = await store.lock();
    await renameDurably(file, packFile(store.folder, hex(digest)));
    await rememberSent(store.folder, { digest, size, chunks: entries.map((entry) => entry.digest) });
  } catch (error) {
    throw explained(error, store.folder);
  } finally {
    await rm(file, { force: true }).catch(() => {});
  }
}
