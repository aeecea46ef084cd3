import { TbuildError } from "../../errors.ts";
import type { Reader } from "../../io/reader.ts";
import type { Mount, Volume } from "../access.ts";
import { openExt } from "../ext/ext.ts";
import { readImageFile } from "../file/image-file.ts";
import { coveredPlaces, isCover } from "./covered.ts";
import { insideOf, type Layout, layoutOf } from "./disk.ts";
import {
  type FstabEntry,
  fstabEntries,
  type GuestMounts,
  mountUnitEntry,
  partOf,
  resolveMounts,
} from "./fstab.ts";
import { nextStep } from "./members.ts";
import type { OtherVolume } from "./other-volumes.ts";

/** The guest's mounts, from the `/etc/fstab` of the volume that contains it. */
export async function mountsOf(image: string): Promise<readonly Mount[]> {
  await using reader = await readImageFile(image);
  return (await mountsIn(reader, image, await layoutOf(reader))).mounts;
}

/** The same for a given layout. `wordsOn` reads volumes that tbuild's own readers cannot open. */
export async function mountsIn(
  reader: Reader,
  image: string,
  { volumes, tableFault }: Pick<Layout, "volumes" | "tableFault">,
  wordsOn: (volume: Volume) => Promise<MountWords | undefined> = async () => undefined,
): Promise<GuestMounts & { readonly covered: readonly OtherVolume[] }> {
  // The last failure for each volume, which has the reasons against all access methods that were tried.
  const unread = new Map<string, TbuildError>();
  const told = async ({ name }: Volume, look: () => Promise<MountWords | undefined>) =>
    look().catch((error) => {
      if (!(error instanceof TbuildError)) throw error;
      unread.set(name, error);
      return undefined;
    });
  const readable = volumes.filter(({ refused }) => refused === undefined);
  for (const volume of readable.filter(({ fs }) => fs.startsWith("ext"))) {
    const own = await told(volume, async () => mountWords(await openExt(insideOf(reader, volume))));
    const isStrange = unread.get(volume.name)?.fault === "environment";
    const words = own ?? (isStrange ? await told(volume, () => wordsOn(volume)) : undefined);
    if (words) return { ...resolveMounts(words.entries, volumes, volume), covered: coveredIn(words) };
  }
  for (const volume of readable.filter(({ fs }) => fs === "xfs" || fs === "btrfs")) {
    const words = await told(volume, () => wordsOn(volume));
    if (!words) continue;
    const root = partOf(volume, words.subvolume);
    return { ...resolveMounts(words.entries, volumes, root, words.missing), covered: coveredIn(words) };
  }
  const closed = volumes.find(({ refused }) => refused !== undefined);
  if (closed)
    throw new TbuildError(
      "environment",
      `${closed.name} ${closed.refused}, and no other volume contains /etc/fstab`,
      { subject: image, hint: nextStep(closed.refused ?? "") },
    );
  const [[name, first] = [], ...more] = unread;
  if (name !== undefined && first)
    throw first.within(`${image}: no readable volume has an /etc/fstab: ${name}`, {
      lines: [
        ...first.lines,
        ...more.flatMap(([name, { message, lines }]) => [
          `${name}: ${message}`,
          ...lines.map((line) => `  ${line}`),
        ]),
      ],
    });
  throw new TbuildError("guest", "contains no guest: no volume has an /etc/fstab", {
    subject: image,
    code: "no-guest",
    lines: [
      ...(tableFault === undefined ? [] : [`its partition table: ${tableFault}`]),
      ...volumes.map(({ name, fs, bytes }) => `${name}: ${fs}, ${bytes} bytes`),
    ],
  });
}

/** A guest's mount entries, and its btrfs subvolume if that is not the default one. */
export interface MountWords {
  readonly entries: readonly FstabEntry[];
  /** The home folders in its /etc/passwd, if an entry may cover one. */
  readonly homes: readonly string[];
  readonly subvolume?: string;
  /** Subvolumes in the entries that the root's btrfs lacks. */
  readonly missing?: readonly string[];
}

/** The file operations needed to find a guest's mounts. */
export interface MountFiles {
  stat(path: string): Promise<{ readonly kind: string } | undefined>;
  list(path: string): Promise<readonly string[]>;
  readFile(path: string): Promise<Uint8Array>;
}

/** The entries of a guest's fstab, mount units and swap units; `undefined` if there is no fstab. */
export async function mountWords(files: MountFiles, top = ""): Promise<MountWords | undefined> {
  if (!(await files.stat(`${top}/etc/fstab`))) return undefined;
  const text = async (path: string) => Buffer.from(await files.readFile(path)).toString();
  const units = `${top}/etc/systemd/system`;
  const names = (await files.stat(units))?.kind === "dir" ? await files.list(units) : [];
  const found = fstabEntries(await text(`${top}/etc/fstab`));
  for (const name of names) {
    // A link points at a unit that is listed itself, or at /dev/null, which masks it.
    if (!/\.(?:mount|swap)$/.test(name) || (await files.stat(`${units}/${name}`))?.kind !== "file") continue;
    const entry = mountUnitEntry(await text(`${units}/${name}`), `/etc/systemd/system/${name}`);
    if (entry) found.push(entry);
  }
  const passwd = `${top}/etc/passwd`;
  const isAsked = found.some(isCover) && (await files.stat(passwd))?.kind === "file";
  const users = isAsked ? (await text(passwd)).split("\n") : [];
  const homes = users.map((line) => line.split(":")[5] ?? "").filter((home) => home.startsWith("/"));
  return { entries: found, homes };
}

function coveredIn({ entries, homes }: MountWords): readonly OtherVolume[] {
  return coveredPlaces(entries, homes);
}
