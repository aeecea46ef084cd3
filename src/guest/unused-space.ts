import type { DraftedGuest } from "../image/change/drafted-guest.ts";
import type { Unclaimed } from "../image/disk/unclaimed.ts";
import type { GuestTree } from "../image/tree.ts";
import { type ClassReport, countShown } from "./residue.ts";

/** The report's class for data outside all file systems. */
export const unusedSpaceClass = "unused space";

/** The number of blocks with traces of a class, by class and then by place. */
export type ShownOutside = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Searches the parts of the disk outside all file systems. */
export async function lookOutside(
  guest: DraftedGuest,
): Promise<{ readonly shown: ShownOutside; readonly classes: readonly ClassReport[] }> {
  const shown = new Map<string, Map<string, number>>();
  const space = await guest.unclaimed?.();
  if (!space) return { shown, classes: [] };
  const inUse = await namedVolumes(guest);
  const places = await space.filled(space.places.map((place) => withUse(place, inUse)));
  for await (const { place, data } of space.blocks(places)) {
    const found = new Map<string, number>();
    countShown(data, found);
    for (const [name, count] of found) {
      const counts = shown.get(name) ?? new Map<string, number>();
      shown.set(name, counts.set(place.name, (counts.get(place.name) ?? 0) + count));
    }
  }
  return { shown, classes: unusedSpaceReport(places) };
}

/** Reports where a scrub left data, and what was not searched; empty if there is neither. */
export function unusedSpaceReport(
  places: readonly Unclaimed[],
  kept: readonly Unclaimed[] = [],
): ClassReport[] {
  const name = unusedSpaceClass;
  if (kept.length > 0)
    return [{ name, state: "left", why: kept.map((place) => `${place.name} is not cleared: ${place.kept}`) }];
  const why = places.flatMap((place) =>
    place.unread === undefined ? [] : [`${place.name} was not searched: ${place.unread}`],
  );
  return why.length > 0 ? [{ name, state: "unknown", why }] : [];
}

/** A program may use a volume without a file system directly: a raw device, or a disk with plain encryption. */
export function withUse(place: Unclaimed, inUse: NamedVolumes): Unclaimed {
  const { volume } = place;
  if (volume?.fs !== "unknown" || place.unread !== undefined) return place;
  const unread = inUse(volume);
  return unread === undefined ? place : { ...place, unread };
}

/** Returns why a volume is in use; `undefined` if nothing in the guest names it. */
export type NamedVolumes = (volume: NonNullable<Unclaimed["volume"]>) => string | undefined;

/** The volumes named in a guest's files about devices. */
export async function namedVolumes({
  tree,
  unresolved,
}: Pick<DraftedGuest, "tree" | "unresolved">): Promise<NamedVolumes> {
  const files: { readonly path: string; readonly text: string }[] = [];
  for (const path of await filesWithDevices(tree)) {
    const text = (await tree.text(path)) ?? "";
    files.push({ path, text: text.replaceAll(/^\s*#.*$/gm, "") });
  }
  const lost = unresolved.find(({ entry }) => /uuid|label/i.test(entry.device));
  return (volume) => {
    if (lost) return `${lost.entry.from} names ${lost.entry.device}, which may be this volume`;
    const named = files.find(({ text }) => namesOf(volume).test(text));
    return named && `${named.path} names it`;
  };
}

const unitFolder = "/etc/systemd/system";
const ruleFolder = "/etc/udev/rules.d";

async function filesWithDevices(tree: GuestTree): Promise<string[]> {
  const found = ["/etc/fstab", "/etc/crypttab", "/etc/sysconfig/rawdevices", "/etc/rc.d/rc.local"];
  for (const [folder, kind] of [
    [ruleFolder, /\.rules$/],
    [unitFolder, /\.(?:mount|swap|service)$/],
  ] as const)
    if ((await tree.stat(folder))?.kind === "dir")
      found.push(
        ...(await tree.list(folder)).filter((name) => kind.test(name)).map((name) => `${folder}/${name}`),
      );
  return found;
}

// As devices are named in configuration: sda2, xvd?2, nvme0n1p2, vg/lv, vg-lv with hyphens doubled, and the GPT's words.
function namesOf({ name, partUuid, partLabel }: NonNullable<Unclaimed["volume"]>): RegExp {
  const number = /^p(\d+)$/.exec(name)?.[1];
  const [group = "", logical = ""] = name.split("/");
  const mapped = `${group.replaceAll("-", "--")}-${logical.replaceAll("-", "--")}`;
  const words = number === undefined ? [escaped(name), escaped(mapped)] : [];
  const partition =
    number === undefined ? [] : [`(?:[shv]d|xvd|part|p|emcpower)[\\w*?\\[\\]-]*?(?<!\\d)${number}(?!\\d)`];
  const ids = [partUuid, partLabel].flatMap((id) => (id === undefined ? [] : [escaped(id)]));
  return new RegExp([...words, ...partition, ...ids].join("|"), "i");
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
