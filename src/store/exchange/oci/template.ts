import { createHash } from "node:crypto";
import { open, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { TbuildError } from "../../../errors.ts";
import { openCompression } from "../../../io/compression.ts";
import { explained, renameDurably } from "../../../io/durable.ts";
import { makeFolders } from "../../../io/folders.ts";
import { inParallel } from "../../../io/parallel.ts";
import type { Digest } from "../../../model/digest.ts";
import { DigestText } from "../../../model/digest.ts";
import type { Manifest } from "../../../model/manifest.ts";
import { manifestDigest, manifestText, readManifest } from "../../../model/manifest.ts";
import { compareVersions } from "../../../model/version.ts";
import { readDiskList } from "../../folder/disk-list.ts";
import { checkPack, largestPack } from "../../folder/pack.ts";
import { packFile, readPacks } from "../../folder/packs.ts";
import { hex, type StoreFolder } from "../../folder/store-folder.ts";
import { type Reference, referenceText } from "./reference.ts";
import { manifestType, type Registry, type Tags } from "./registry.ts";

const artifactType = "application/vnd.tbuild.template.v1";
const types = {
  manifest: "application/vnd.tbuild.manifest.v1+json",
  ancestor: "application/vnd.tbuild.ancestor.v1+json",
  disk: "application/vnd.tbuild.disk.v2",
  pack: "application/vnd.tbuild.pack.v1",
} as const;

/** The annotation with the signature of the manifest, as it stands in the recipe repo of who pushed it. */
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
  annotations: z.looseObject({ [signatureKey]: z.string().max(16_384).exactOptional() }).exactOptional(),
});

export interface Moved {
  /** Digest of the template's manifest. */
  readonly digest: Digest;
  readonly manifest: Manifest;
  /** Bytes that went over the line, and bytes that were there already. */
  readonly moved: number;
  readonly spared: number;
}

export type Progress = (moved: number, total: number) => void;

export interface PushOptions {
  readonly signature?: string | undefined;
  /** What it grew out of, nearest first: their manifests go with it, their disks do not. */
  readonly ancestors?: readonly Manifest[];
  readonly progress?: Progress;
}

/**
 * Puts a template into a registry as an OCI artifact: our manifest is its config, and its layers are the lists of its
 * disks and the packs that have their chunks. Packs are shared by versions here as there, so only new ones go over the
 * line; the artifact's own manifest goes last, and a push that broke off goes on where it was.
 */
export async function pushTemplate(
  store: StoreFolder,
  template: Manifest,
  reference: Reference & { readonly which: string },
  registry: Registry,
  { signature, ancestors = [], progress }: PushOptions = {},
): Promise<Moved> {
  // Registries cannot be asked to write a manifest only where there is none. So it is looked for again just before it is
  // written, and again behind that: of two who push at one time, one is told, unless both write within that instant.
  const checkFree = async () => {
    const there = await registry.getManifest(reference.which);
    if (there && readArtifact(reference, there).config.digest !== manifestDigest(template))
      throw new TbuildError("integrity", "is already published with different content", {
        subject: referenceText(reference),
        hint: "Raise the version. A published version never changes.",
      });
  };
  await checkFree();
  const blobs = await blobsOf(store, template, ancestors);
  const total = blobs.reduce((sum, { size }) => sum + size, 0);
  let [moved, spared] = [0, 0];
  const sent = inParallel(blobs, atATime, async ({ digest, size, read }) => {
    if (await registry.hasBlob(digest)) spared += size;
    else {
      const data = await read();
      if (data.length !== size || `sha256:${createHash("sha256").update(data).digest("hex")}` !== digest)
        throw new TbuildError("integrity", "does not match its digest", {
          subject: digest,
          hint: "The store is damaged; `tbuild template verify` lists the versions that corruption affects.",
        });
      await registry.putBlob(digest, data);
      moved += size;
    }
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
        ? `A rehearsal, no Oracle Linux. ${template.summary}`
        : template.summary,
      ...(template.git && { "org.opencontainers.image.revision": template.git.commit }),
      ...(signature !== undefined && { [signatureKey]: signature }),
    },
  };
  await checkFree();
  await registry.putManifest(reference.which, Buffer.from(JSON.stringify(artifact)));
  await checkFree();
  return { digest: manifestDigest(template), manifest: template, moved, spared };
}

/** What there is, for who asked for nothing that there is. */
export function versionsHint({ names, lacking }: Tags): string {
  const versions = versionsAmong(names);
  if (versions.length === 0)
    return lacking === undefined || lacking.startsWith("404")
      ? "Not found, or you have no permission to read it."
      : `The registry does not list its tags (${lacking}), so the versions that it has are not known.`;
  const more = versions.length > 10 ? `, and ${versions.length - 10} older ones` : "";
  return `Available: ${versions.slice(-10).join(", ")}${more}.`;
}

/** The versions among the tags of a repository, the newest last. */
export function versionsAmong(tags: readonly string[]): string[] {
  return tags.filter((tag) => /^\d+\.\d+\.\d+$/.test(tag)).sort(compareVersions);
}

interface Blob extends Descriptor {
  read(): Promise<Uint8Array>;
}

/** The config first, then ancestors, then lists, then packs in the order in which the disks need them. */
async function blobsOf(
  store: StoreFolder,
  template: Manifest,
  ancestors: readonly Manifest[],
): Promise<Blob[]> {
  const blobs = [
    manifestBlob(types.manifest, template),
    ...ancestors.map((one) => manifestBlob(types.ancestor, one)),
  ];
  const fromFile = async (mediaType: string, digest: Digest, file: string) => {
    if (!blobs.some((blob) => blob.digest === digest))
      blobs.push({ mediaType, digest, size: (await stat(file)).size, read: () => readFile(file) });
  };
  const { chunks } = await readPacks(store.folder);
  const packs = new Set<string>();
  for (const disk of template.disks) {
    for (const { chunk } of await store.partsOf(disk)) {
      if (chunk === undefined) continue;
      const found = chunks.get(chunk);
      if (!found) throw new TbuildError("integrity", `chunk ${chunk}: is missing from the store`);
      packs.add(found.pack);
    }
    await fromFile(types.disk, disk.digest, store.listFile(disk.digest));
  }
  for (const pack of packs) await fromFile(types.pack, `sha256:${pack}`, packFile(store.folder, pack));
  return blobs;
}

function manifestBlob(mediaType: string, manifest: Manifest): Blob {
  const text = Buffer.from(manifestText(manifest));
  return { mediaType, digest: manifestDigest(manifest), size: text.length, read: async () => text };
}

export interface PullOptions {
  /** Told what comes, with the signature that came with it, before its disks are fetched; what it throws ends the pull. */
  readonly accept?: (manifest: Manifest, signature: string | undefined) => Promise<void>;
  readonly progress?: Progress;
}

/** Takes a template out of a registry into the store; every byte is checked before it counts. */
export async function pullTemplate(
  store: StoreFolder,
  reference: Reference & { readonly which: string },
  registry: Registry,
  { accept, progress }: PullOptions = {},
): Promise<Moved & { readonly signature?: string; readonly ancestors: readonly Manifest[] }> {
  await store.checkFormat();
  const artifact = await registry.getManifest(reference.which);
  if (!artifact)
    throw new TbuildError("usage", "no such version in the registry", {
      subject: referenceText(reference),
      hint: versionsHint(await registry.tags()),
    });
  const { config, layers, annotations } = readArtifact(reference, artifact);
  const signature = annotations?.[signatureKey];
  const text = Buffer.from(await wholeBlob(registry, config)).toString("utf8");
  const manifest = readManifest(referenceText(reference), text);
  if (manifest.kind !== "template" || manifestText(manifest) !== text)
    throw new TbuildError("integrity", "its manifest is not a template manifest", {
      subject: referenceText(reference),
    });
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

/** As far as the artifact has them; that each is what the one before grew out of, its digest proves. */
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
    const ancestor = readManifest(`what ${template.name}@${template.version} grew out of`, text);
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

/** Downloads a pack, and takes it in once each chunk in it is what it says: a registry is anybody's. */
async function takePack(store: StoreFolder, registry: Registry, layer: Descriptor): Promise<void> {
  const { digest, size } = layer;
  if (size > largestPack) throw new TbuildError("integrity", "is too large for a pack", { subject: digest });
  // Not in tmp/, which is cleared when the store is locked.
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
    const { whole, bad } = await checkPack(file, hex(digest), await openCompression());
    if (!whole || bad.length > 0)
      throw new TbuildError("integrity", "contains a chunk that does not match its digest", {
        subject: digest,
      });
    await using _lock = await store.lock();
    await renameDurably(file, packFile(store.folder, hex(digest)));
  } catch (error) {
    throw explained(error, store.folder);
  } finally {
    await rm(file, { force: true });
  }
}
