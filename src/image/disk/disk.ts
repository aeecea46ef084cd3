import { TbuildError } from "../../errors.ts";
import { joinedReader, type Reader, windowOf } from "../../io/reader.ts";
import type { Mount, Volume } from "../access.ts";
import { openExt } from "../ext/ext.ts";
import { readImageFile } from "../file/image-file.ts";
import { fileSystemOf } from "./filesystem.ts";
import {
  type FstabEntry,
  fstabEntries,
  type GuestMounts,
  mountUnitEntry,
  partOf,
  resolveMounts,
} from "./fstab.ts";
import { type LogicalVolume, logicalVolumes, type PhysicalVolume } from "./lvm.ts";
import { claimOn, nextStep } from "./members.ts";
import { mbrOfLargeSectors, type PartitionTable, partitionTableOf } from "./partitions.ts";

/** The layout of a disk. */
export interface Layout {
  readonly table: PartitionTable["table"];
  readonly volumes: readonly Volume[];
  /** What exceeds its container: the image was truncated. */
  readonly cutOff: readonly string[];
  /** What is wrong with the partition table, and how it was read nevertheless. */
  readonly tableFault?: string;
}

/** The volumes of an image: its partitions, and the linear logical volumes in them. */
export async function volumesOf(image: string): Promise<readonly Volume[]> {
  await using reader = await readImageFile(image);
  return (await layoutOf(reader)).volumes;
}

export async function layoutOf(disk: Reader): Promise<Layout> {
  const { table, partitions, fault, sectorBytes } = await tableOf(disk);
  const tableFault =
    fault ?? (sectorBytes === 512 ? undefined : `it counts in sectors of ${sectorBytes} bytes`);
  const places = table === "none" ? [{ name: "disk", offset: 0, bytes: disk.bytes }] : partitions;
  const volumes: Volume[] = [];
  const cutOff = partitions
    .filter(({ offset, bytes }) => offset + bytes > disk.bytes)
    .map(({ name, offset, bytes }) => `${name} ends at byte ${offset + bytes}, the disk at ${disk.bytes}`);
  const physicals: PhysicalVolume[] = [];
  for (const place of places) {
    const { lvm, own = 0, ...volume } = await volumeAt(disk, place);
    if (own > place.bytes && cutOff.length === 0)
      cutOff.push(`${place.name}: its file system has ${own} bytes, and there are ${place.bytes}`);
    if (lvm) physicals.push({ name: place.name, reader: insideOf(disk, place), offset: place.offset });
    else volumes.push(volume);
  }
  // A RAID of whole disks contains its partitions. A signature at the end of the last partition belongs to that partition.
  const whole = table === "none" ? undefined : await claimOn(behindPartitions(disk, partitions));
  if (whole !== undefined)
    volumes.push({ name: "disk", offset: 0, bytes: disk.bytes, fs: "unknown", refused: whole });
  for (const logical of await logicalVolumes(physicals).catch((error) => closedGroup(error, physicals))) {
    if (logical.refused !== undefined) {
      volumes.push({ ...logical, fs: "unknown" });
      continue;
    }
    const { own: _own, lvm: _lvm, ...volume } = await volumeAt(disk, logical);
    volumes.push(volume);
  }
  const isOffTable = tableFault !== undefined;
  return {
    table,
    volumes: volumes.map((volume) => ({ ...volume, ...(isOffTable && { isOffTable }) })),
    cutOff,
    ...(isOffTable && { tableFault }),
  };
}

/** The partition table of a disk. An MBR does not state its sector size; the data at the partitions' offsets show it. */
export async function tableOf(disk: Reader): Promise<PartitionTable> {
  const table = await partitionTableOf(disk);
  if (table.table !== "mbr" || (await holdsAnything(disk, table))) return table;
  const large = await mbrOfLargeSectors(disk);
  return large && (await holdsAnything(disk, large)) ? large : table;
}

async function holdsAnything(disk: Reader, { partitions }: PartitionTable): Promise<boolean> {
  for (const place of partitions) {
    const { fs, lvm, refused } = await volumeAt(disk, place);
    if (fs !== "unknown" || lvm || refused !== undefined) return true;
  }
  return false;
}

// That a group cannot be read says nothing of the other volumes.
function closedGroup(error: unknown, physicals: readonly PhysicalVolume[]): LogicalVolume[] {
  if (!(error instanceof TbuildError)) throw error;
  const refused = `is a physical volume of LVM that cannot be read (${error.message})`;
  return physicals.map(({ reader, offset, name }) => ({ name, offset, bytes: reader.bytes, refused }));
}

// The disk with zeros where its partitions are.
function behindPartitions(disk: Reader, partitions: readonly Pick<Volume, "offset" | "bytes">[]): Reader {
  return {
    bytes: disk.bytes,
    async read(offset, length) {
      const data = Buffer.from(await disk.read(offset, length));
      for (const { offset: from, bytes } of partitions)
        data.fill(
          0,
          Math.max(0, Math.min(length, from - offset)),
          Math.max(0, Math.min(length, from + bytes - offset)),
        );
      return data;
    },
  };
}

/** The guest's mounts, from the `/etc/fstab` of the volume that contains it. */
export async function mountsOf(image: string): Promise<readonly Mount[]> {
  await using reader = await readImageFile(image);
  return (await mountsIn(reader, image, (await layoutOf(reader)).volumes)).mounts;
}

/** The same for given volumes. `wordsOn` reads volumes that tbuild's own readers cannot open. */
export async function mountsIn(
  reader: Reader,
  image: string,
  volumes: readonly Volume[],
  wordsOn: (volume: Volume) => Promise<MountWords | undefined> = async () => undefined,
): Promise<GuestMounts> {
  const unread: TbuildError[] = [];
  const told = async (look: () => Promise<MountWords | undefined>) =>
    look().catch((error) => {
      if (!(error instanceof TbuildError)) throw error;
      unread.push(error);
      return undefined;
    });
  const readable = volumes.filter(({ refused }) => refused === undefined);
  for (const volume of readable.filter(({ fs }) => fs.startsWith("ext"))) {
    const failures = unread.length;
    const own = await told(async () => mountWords(await openExt(insideOf(reader, volume))));
    const isStrange = unread.length > failures && unread.at(-1)?.fault === "environment";
    const words = own ?? (isStrange ? await told(() => wordsOn(volume)) : undefined);
    if (words) return resolveMounts(words.entries, volumes, volume);
  }
  for (const volume of readable.filter(({ fs }) => fs === "xfs" || fs === "btrfs")) {
    const words = await told(() => wordsOn(volume));
    if (words) return resolveMounts(words.entries, volumes, partOf(volume, words.subvolume), words.missing);
  }
  const closed = volumes.find(({ refused }) => refused !== undefined);
  if (closed)
    throw new TbuildError(
      "environment",
      `${closed.name} ${closed.refused}, and no other volume contains /etc/fstab`,
      { subject: image, hint: nextStep(closed.refused ?? "") },
    );
  const [first] = unread;
  if (first)
    throw first.within(`${image}: no readable volume has an /etc/fstab`, {
      lines: unread.flatMap(({ message, lines }) => [message, ...lines]),
    });
  throw new TbuildError("guest", "contains no guest: no volume has an /etc/fstab", {
    subject: image,
    code: "no-guest",
    lines: volumes.map(({ name, fs, bytes }) => `${name}: ${fs}, ${bytes} bytes`),
  });
}

/** A guest's mount entries, and its btrfs subvolume if that is not the default one. */
export interface MountWords {
  readonly entries: readonly FstabEntry[];
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
  return { entries: found };
}

/** The bytes of a volume. */
export function insideOf(
  disk: Reader,
  { offset, bytes, pieces }: Pick<Volume, "offset" | "bytes" | "pieces">,
): Reader {
  if (pieces) return joinedReader(pieces.map((piece) => windowOf(disk, piece.offset, piece.bytes)));
  return windowOf(disk, offset, Math.min(bytes, disk.bytes - offset));
}

async function volumeAt(
  disk: Reader,
  place: Pick<Volume, "name" | "offset" | "bytes" | "pieces">,
): Promise<Volume & { readonly lvm?: true; readonly own?: number }> {
  if (place.offset >= disk.bytes) return { ...place, fs: "unknown" };
  const {
    lvm,
    uuid,
    label,
    holds,
    isDirty,
    fs,
    bytes: own,
    ...rest
  } = await fileSystemOf(insideOf(disk, place));
  const refused = rest.refused ?? (fs.startsWith("ext") ? await damageOf(insideOf(disk, place)) : undefined);
  return {
    ...place,
    fs,
    ...(uuid !== undefined && { uuid }),
    ...(label !== undefined && { label }),
    ...(refused !== undefined && { refused }),
    ...(holds !== undefined && { holds }),
    ...(isDirty && { isDirty }),
    ...(lvm && { lvm }),
    ...(own !== undefined && { own }),
  };
}

// What another way in may know is no damage.
async function damageOf(volume: Reader): Promise<string | undefined> {
  try {
    await (await openExt(volume)).stat("/");
    return undefined;
  } catch (error) {
    if (!(error instanceof TbuildError) || error.fault !== "integrity") return undefined;
    return `cannot be read (${error.message})`;
  }
}
