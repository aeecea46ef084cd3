import { TbuildError } from "../../errors.ts";
import { fileWord } from "../../io/escape.ts";
import type { Reader } from "../../io/reader.ts";
import type { Mount, Volume } from "../access.ts";
import { subvolumesOf } from "../btrfs/subvolumes.ts";
import { openExt } from "../ext/ext.ts";
import type { ImageFile } from "../file/image-file.ts";
import { insideOf } from "./disk.ts";
import type { Unresolved } from "./fstab.ts";
import { nextStep } from "./members.ts";

/**
 * A volume that the guest does not mount according to its fstab and mount units, or the whole disk in a
 * snapshot.
 */
export interface OtherVolume {
  readonly name: string;
  readonly fs: Volume["fs"];
  readonly bytes: number;
  /** `nothing`: it contains nothing of the guest. `unknown`: it was not inspected. */
  readonly state: "nothing" | "unknown";
  /** The reason, worded to follow its name. */
  readonly why: string;
  /** How it can be inspected nevertheless, in sentences. */
  readonly next?: string;
}

/**
 * The volumes of a disk that are not inspected with the guest. With the mounts, they cover the whole disk, so
 * the result can say whether all of it is sealed.
 */
export async function otherVolumes(
  disk: Reader,
  volumes: readonly Volume[],
  mounts: readonly Mount[],
  unresolved: readonly Unresolved[],
): Promise<OtherVolume[]> {
  const mounted = new Set(mounts.map(({ volume }) => volume.name));
  const others = volumes.filter(({ name }) => !mounted.has(name));
  return Promise.all(
    others.map(async ({ name, fs, bytes, ...volume }) => ({
      name,
      fs,
      bytes,
      ...(await stateOf(disk, { name, fs, bytes, ...volume }, unresolved)),
    })),
  );
}

/**
 * The subvolumes of each btrfs that the guest does not mount. One below a subvolume that it mounts is seen
 * with that, unless it is a snapshot: it contains old versions of files, at places where nothing resets them.
 */
export async function unmountedSubvolumes(disk: Reader, mounts: readonly Mount[]): Promise<OtherVolume[]> {
  const volumes = new Map(
    mounts.flatMap(({ volume }) => (volume.fs === "btrfs" ? [[volume.name, volume]] : [])),
  );
  const found: OtherVolume[] = [];
  for (const { name, bytes, ...volume } of volumes.values()) {
    const other = (what: string, why: string, next?: string): OtherVolume => ({
      name: what,
      fs: "btrfs",
      bytes,
      state: "unknown",
      why,
      ...(next !== undefined && { next }),
    });
    const all = await subvolumesOf(insideOf(disk, { bytes, ...volume }), name).catch((error) => {
      if (!(error instanceof TbuildError)) throw error;
      found.push(other(name, `may contain subvolumes that nothing mounts (${error.about(name)})`));
      return [];
    });
    const byDefault = all.find(({ isDefault }) => isDefault)?.path ?? "";
    const mounted = mounts.flatMap(({ volume }) =>
      volume.name === name ? [(volume.subvolume ?? byDefault).replace(/^\/+|\/+$/g, "")] : [],
    );
    for (const { path, isSnapshot, isEmpty } of all) {
      if (isEmpty || mounted.includes(path)) continue;
      const isWithin = mounted.some((one) => one === "" || path.startsWith(`${one}/`));
      if (isWithin && !isSnapshot) continue;
      const what = path === "" ? "the top" : `the ${isSnapshot ? "snapshot" : "subvolume"} ${path}`;
      const why = isSnapshot
        ? "contains old versions of files"
        : "contains files, but the guest does not mount it";
      const next =
        path === "" ? undefined : "If it is not needed, mount the guest and run: btrfs subvolume delete";
      found.push(other(`${what} of ${name}`, why, next));
    }
  }
  return found;
}

/**
 * The snapshots inside an image file. Each contains an old state of the whole disk, which a change of the
 * disk does not affect.
 */
export function snapshotsOf({ file, bytes, layers: [own] }: ImageFile): OtherVolume[] {
  return (own?.snapshots ?? []).map(({ name, memoryBytes }) => ({
    name: `the snapshot ${name}`,
    fs: "unknown",
    bytes,
    state: "unknown",
    why: `contains an old state of the disk${memoryBytes > 0 ? ", and the memory of the machine" : ""}`,
    next: `Copy only the current disk: qemu-img convert -O qcow2 ${fileWord(file)} ${fileWord(`${file}.new`)}`,
  }));
}

/** The description of a volume that contains only zeros. */
export const emptied = { state: "nothing", why: "is empty" } as const;

async function stateOf(
  disk: Reader,
  volume: Volume,
  unresolved: readonly Unresolved[],
): Promise<Pick<OtherVolume, "state" | "why" | "next">> {
  const nothing = (why: string) => ({ state: "nothing" as const, why });
  const unknown = (why: string) => ({ state: "unknown" as const, why });
  const { fs, refused, holds, partType, offset, bytes } = volume;
  if (refused !== undefined) return { ...unknown(refused), next: nextStep(refused) };
  if (fs === "swap") return nothing("is swap");
  if (fs === "unknown" && bootLoaderTypes.has(partType ?? "")) return nothing("contains a boot loader");
  if (offset + bytes > disk.bytes) return unknown("extends beyond the end of the disk");
  if (fs.startsWith("ext")) {
    const isEmpty = await openExt(insideOf(disk, volume))
      .then(async (files) => (await files.list("/")).every((name) => name === "lost+found"))
      .catch(() => false);
    if (isEmpty) return nothing("is an empty file system");
  }
  if (fs === "unknown" && holds === undefined && (await isBlank(insideOf(disk, volume)))) return emptied;
  const what = fs === "unknown" ? (holds ?? "unknown data") : fs;
  // The reason why the guest's entry was unusable helps more than stating that there is none.
  const word = unresolved.length === 1 && unresolved[0] ? `; ${said(unresolved[0])}` : "";
  return unknown(`contains ${what}, but it is unknown where the guest mounts it${word}`);
}

/** An fstab line that matches no volume of this disk. */
export function said({ entry: { from, device, at }, why }: Unresolved): string {
  return `${from}: ${at} is ${device}, which ${why}`;
}

// BIOS boot, PowerPC PReP: GRUB writes its second stage there, without a file system (UEFI specification and GRUB manual).
const bootLoaderTypes = new Set([
  "21686148-6449-6e6f-744e-656564454649",
  "9e1a2d38-c612-4316-aa26-8b49521e5a8b",
  "41",
]);

/** Whether a volume contains only zeros. */
export async function isBlank(volume: Reader): Promise<boolean> {
  const step = 1024 * 1024;
  const zeros = Buffer.alloc(step);
  for (let at = 0; at < volume.bytes; at += step) {
    const data = await volume.read(at, Math.min(step, volume.bytes - at));
    if (zeros.compare(data, 0, data.length, 0, data.length) !== 0) return false;
  }
  return true;
}
