import { stat } from "node:fs/promises";
import type { Digest } from "../../model/digest.ts";
import type { ManifestLine } from "../../model/manifest.ts";
import { readPacks } from "./packs.ts";
import type { StoreFolder } from "./store-folder.ts";

/**
 * The bytes in the store that only one version uses: its chunks that no other version's disks contain.
 * `undefined` if that would need reading more than `mostBytes` of chunk lists.
 */
export async function ownBytesOf(
  store: StoreFolder,
  manifests: ReadonlyMap<Digest, Pick<ManifestLine, "disks">>,
  mostBytes = Number.POSITIVE_INFINITY,
): Promise<Map<Digest, number> | undefined> {
  const lists = new Set([...manifests.values()].flatMap(({ disks }) => disks.map((disk) => disk.digest)));
  let bytes = 0;
  for (const digest of lists) {
    bytes += (await stat(store.listFile(digest)).catch(() => undefined))?.size ?? 0;
    if (bytes > mostBytes) return undefined;
  }
  // For each chunk its only user, or `undefined` once there are two.
  const users = new Map<string, Digest | undefined>();
  const own = new Map<Digest, number>();
  for (const [digest, manifest] of manifests) {
    own.set(digest, 0);
    // `verify` reports a missing disk; here it takes no space.
    for (const disk of manifest.disks)
      for (const { chunk } of await store.partsOf(disk).catch(() => []))
        if (chunk !== undefined)
          users.set(chunk, users.has(chunk) && users.get(chunk) !== digest ? undefined : digest);
  }
  const { chunks } = await readPacks(store.folder);
  for (const [chunk, only] of users)
    if (only !== undefined) own.set(only, (own.get(only) ?? 0) + (chunks.get(chunk)?.entry.stored ?? 0));
  return own;
}
