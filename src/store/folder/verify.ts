import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, relative } from "node:path";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import { openCompression } from "../../io/compression.ts";
import { textOf } from "../../io/durable.ts";
import type { StoredDisk } from "../../model/disk.ts";
import type { Manifest } from "../../model/manifest.ts";
import { readManifest } from "../../model/manifest.ts";
import { diskListDigest } from "./disk-list.ts";
import { checkPack } from "./pack.ts";
import { packFile, readPacks } from "./packs.ts";
import { type StoreFolder, sumFile } from "./store-folder.ts";

/** Reads every byte of a store. Returns one sentence for each problem, with the versions that it affects. */
export async function verifyStore(store: StoreFolder, signal?: AbortSignal): Promise<string[]> {
  const wrong: string[] = [];
  const chunks = await verifyPacks(store, wrong, signal);
  const named = new Set<string>();
  for (const file of await store.manifestFiles()) {
    checkInterrupted(signal);
    const manifest = await verifyManifest(store, file).catch((error) => void wrong.push(sentence(error)));
    for (const disk of manifest?.disks ?? []) {
      named.add(disk.digest);
      const what = `${manifest?.kind} ${manifest?.name}@${manifest?.version}, disk ${disk.name}`;
      for (const one of await verifyDisk(store, disk, chunks)) wrong.push(`${what}: ${one}`);
    }
  }
  for (const digest of await store.disks())
    if (!named.has(digest) && diskListDigest(await readFile(store.listFile(digest))) !== digest)
      wrong.push(`disk ${digest}: its chunk list does not match its digest; nothing published needs it`);
  return wrong;
}

/** The problem of each chunk: `undefined` for an intact one, no entry for a missing one. */
type Chunks = ReadonlyMap<string, string | undefined>;

async function verifyPacks(store: StoreFolder, wrong: string[], signal?: AbortSignal): Promise<Chunks> {
  const compression = await openCompression();
  const chunks = new Map<string, string | undefined>();
  const { packs, broken } = await readPacks(store.folder);
  for (const pack of [...packs.keys(), ...broken]) {
    checkInterrupted(signal);
    const file = packFile(store.folder, pack);
    const name = relative(store.folder, file);
    const { whole, entries, bad } = await checkPack(file, pack, compression);
    if (!whole) wrong.push(`${name}: does not match its digest`);
    const hit = new Set(bad);
    // While this pack exists, its damaged copy is the one that is read, even if another pack has an intact one.
    for (const { digest } of entries)
      if (hit.has(digest) || !chunks.has(digest))
        chunks.set(digest, hit.has(digest) ? `does not match its digest (${name})` : undefined);
  }
  return chunks;
}

async function verifyManifest(store: StoreFolder, file: string): Promise<Manifest> {
  const name = relative(store.folder, file);
  const text = await readFile(file, "utf8");
  const manifest = readManifest(name, text);
  if (store.manifestFile(manifest) !== file)
    throw new TbuildError("integrity", `is the manifest of ${manifest.name}@${manifest.version}`, {
      subject: name,
    });
  const sum = `${createHash("sha256").update(text).digest("hex")}  ${basename(file)}\n`;
  if ((await textOf(sumFile(file))) !== sum)
    throw new TbuildError("integrity", "does not match its .sha256", { subject: name });
  return manifest;
}

async function verifyDisk(store: StoreFolder, disk: StoredDisk, chunks: Chunks): Promise<string[]> {
  try {
    const found = new Map<string, string[]>();
    for (const chunk of new Set((await store.partsOf(disk)).map((part) => part.chunk))) {
      if (chunk === undefined) continue;
      const what = chunks.has(chunk) ? chunks.get(chunk) : "is missing";
      if (what !== undefined) found.set(what, [...(found.get(what) ?? []), chunk]);
    }
    return [...found].map(
      ([what, [first, ...rest]]) =>
        `chunk ${first} ${what}${rest.length > 0 ? `, and ${rest.length} more` : ""}`,
    );
  } catch (error) {
    return [sentence(error)];
  }
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
