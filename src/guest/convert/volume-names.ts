import type { Mount, Volume } from "../../image/access.ts";
import { takesId } from "../../image/change/volume-ids.ts";
import type { GuestTree } from "../../image/tree.ts";
import { legacyMenuFiles } from "../legacy-menus.ts";
import type { Done } from "../operation.ts";

/** A volume, and its intended UUID. */
export type NewIds = ReadonlyMap<Volume, string>;

/** The volumes of a guest that do not have the UUID of their mount point, with that UUID. */
export function newVolumeIds(
  mounts: readonly Mount[],
  volumes: readonly Volume[],
  idOf: (mount: string) => string,
): NewIds {
  const [swap, ...more] = volumes.filter(({ fs }) => fs === "swap");
  // With several swap areas, it is unknown which one the recipe means.
  const swaps = swap && more.length === 0 ? [{ at: "swap", volume: swap }] : [];
  const wanted = [...mounts, ...swaps].filter(
    ({ at, volume }) => takesId(volume) && volume.uuid !== idOf(at),
  );
  return new Map(wanted.map(({ at, volume }) => [volume, idOf(at)]));
}

/** Names volumes by their new UUIDs in fstab and in the boot menus of EL5 and EL6. */
export async function renameVolumes(tree: GuestTree, ids: NewIds): Promise<Done> {
  const done: string[] = [];
  for (const path of ["/etc/fstab", ...(await legacyMenuFiles(tree))]) {
    const text = await tree.text(path);
    if (text === undefined) continue;
    const renamed = [...ids].reduce(
      (words, [{ uuid = "" }, id]) => words.replaceAll(new RegExp(uuid, "gi"), id),
      text,
    );
    if (renamed === text) continue;
    await tree.write(path, renamed);
    done.push(path);
  }
  return { name: "volume-ids", done };
}
