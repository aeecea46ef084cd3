import { readFile } from "node:fs/promises";
import type { Runner } from "../../host/host.ts";
import { textOf } from "../../io/durable.ts";
import { type Digest, digestOf } from "../../model/digest.ts";
import type { Manifest } from "../../model/manifest.ts";
import { lineOf, manifestDigest, readManifest, readManifestLine } from "../../model/manifest.ts";
import { linesIn } from "../manifest-lines.ts";
import type { Store } from "../store.ts";
import { ownBytesOf } from "./own-bytes.ts";
import { pruneStore } from "./prune.ts";
import { hex, storeFolder, sumFile } from "./store-folder.ts";
import { storedDisks } from "./stored-disks.ts";
import { verifyStore } from "./verify.ts";

/**
 * A store in a folder:
 *
 *     packs/<sha256>.pack             compressed chunks of disks and their index; the layers of an artifact in a registry
 *     disks/<sha256>                  the chunks and holes of a disk, in order
 *     masters/, templates/<name>/<version>.json, and beside it .sha256
 *     tmp/                            files are written here, synced and renamed; the manifest is last
 *     lock                            held by the writer
 *
 * A disk's digest is that of its list, not of its plain bytes. So holes cost nothing, and versions share equal
 * data. Bundles carry plain SHA-256 sums. List lines are cached in the folder `cache`.
 */
export function folderStore(host: Runner, folder: string, cache?: string): Store {
  const at = storeFolder(folder);

  const read = async (file: string) => {
    const text = await textOf(file);
    return text === undefined ? undefined : readManifest(file, text);
  };

  const disks = storedDisks(host, at);
  const self: Store = {
    ...disks,

    async publish(manifest) {
      await using _lock = await at.lock();
      // Awaited here: otherwise a failure would be lost while the lock is released.
      return await at.addManifest(manifest);
    },

    async find(kind, ref) {
      await at.checkFormat();
      const versions = ref.version === undefined ? await at.versions(kind, ref.name) : [ref.version];
      const newest = versions.at(-1);
      return newest === undefined
        ? undefined
        : read(at.manifestFile({ kind, name: ref.name, version: newest }));
    },

    async get(digest) {
      await at.checkFormat();
      for (const file of await at.manifestFiles()) {
        // Its checksum file gives the digest; without one, the manifest has to be read.
        const sum = await textOf(sumFile(file));
        if (sum !== undefined && !sum.startsWith(hex(digest))) continue;
        const manifest = await read(file);
        if (manifest && manifestDigest(manifest) === digest) return manifest;
      }
      return undefined;
    },

    async list() {
      await at.checkFormat();
      const found: Manifest[] = [];
      for (const file of await at.manifestFiles())
        found.push(readManifest(file, await readFile(file, "utf8")));
      return found;
    },

    async lines(which) {
      await at.checkFormat();
      return linesIn(
        folder,
        {
          isManifest: /\.json$/,
          cache,
          async read(file, text) {
            const digest = digestOf(text);
            // It is as it was published, and it was checked then.
            if ((await textOf(sumFile(file)))?.startsWith(hex(digest)))
              return { digest, line: readManifestLine(file, text) };
            const manifest = readManifest(file, text);
            return { digest: manifestDigest(manifest), line: lineOf(manifest) };
          },
        },
        which,
      );
    },

    versions: at.versions,

    async lineage(digest) {
      const line = new Map<Digest, Manifest>();
      // A manifest names its parent by digest, so a cycle cannot be made; but a manipulated store can contain one.
      for (let next: Digest | undefined = digest; next !== undefined && !line.has(next); ) {
        const manifest: Manifest | undefined = await self.get(next);
        if (!manifest) break;
        line.set(next, manifest);
        next = manifest.parent;
      }
      return [...line.values()];
    },

    ownBytes: async (mostBytes) => ownBytesOf(at, await self.lines(), mostBytes),

    async verify(signal) {
      await at.checkFormat();
      return verifyStore(at, signal);
    },

    async prune(options) {
      await using _lock = options.apply ? await at.lock(options.signal) : undefined;
      return await pruneStore(at, await self.lines(), options);
    },
  };
  return self;
}
