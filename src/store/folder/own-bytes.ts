import type { Digest } from "../../model/digest.ts";
import type { Manifest } from "../../model/manifest.ts";
import { manifestDigest } from "../../model/manifest.ts";
import { readPacks } from "./packs.ts";
import type { StoreFolder } from "./store-folder.ts";

/** How many bytes of the store each version has to itself: what its chunks take that no other version's disks have. */
export async function ownBytesOf(
  store: StoreFolder,
  manifests: readonly Manifest[],
): Promise<Map<Digest, number>> {
  // Of each chunk the only one that has it, or `undefined` once there are two.
  const users = new Map<string, Digest | undefined>();
  const own = new Map<Digest, number>();
  for (const manifest of manifests) {
    const digest = manifestDigest(manifest);
    own.set(digest, 0);
    // A disk that is missing is for `verify` to report; here it takes no room.
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
