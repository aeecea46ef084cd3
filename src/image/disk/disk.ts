import { TbuildError } from "../../errors.ts";
import { joinedReader, type Reader, windowOf } from "../../io/reader.ts";
import type { Mount, Volume } from "../access.ts";
import { openExt } from "../ext/ext.ts";
import { readImageFile } from "../file/image-file.ts";
import { fileSystemOf } from "./filesystem.ts";
import { type LogicalVolume, logicalVolumes, type PhysicalVolume } from "./lvm.ts";
import { mbrOfLargeSectors, type PartitionTable, partitionTableOf } from "./partitions.ts";

/** How a disk is divided. */
export interface Layout {
  readonly table: PartitionTable["table"];
  readonly volumes: readonly Volume[];
  /** What reaches over the end of what holds it: the image was cut off. */
  readonly cutOff: readonly string[];
  /** What is wrong with the partition table, and how it was read all the same. */
  readonly tableFault?: string;
}

/** The volumes of an image nobody described: its partitions, and the linear logical volumes in them. */
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

// An MBR does not say how long its sectors are: what stands at its places does.
async function tableOf(disk: Reader): Promise<PartitionTable> {
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

/** Where the guest mounts its volumes, read from the `/etc/fstab` of the one that holds it. */
export async function mountsOf(image: string): Promise<Mount[]> {
  await using reader = await readImageFile(image);
  return await mountsIn(reader, image, (await layoutOf(reader)).volumes);
}

/** The same, for volumes that are known; `fstabOn` looks into those that no reader of ours opens. */
export async function mountsIn(
  reader: Reader,
  image: string,
  volumes: readonly Volume[],
  fstabOn: (volume: Volume) => Promise<FoundFstab | undefined> = async () => undefined,
): Promise<Mount[]> {
  const unread: TbuildError[] = [];
  const told = async (volume: Volume, look: typeof fstabOn) =>
    look(volume).catch((error) => {
      if (!(error instanceof TbuildError)) throw error;
      unread.push(error);
      return undefined;
    });
  const readable = volumes.filter(({ refused }) => refused === undefined);
  for (const volume of readable.filter(({ fs }) => fs.startsWith("ext"))) {
    const failures = unread.length;
    const fstab = await told(volume, () => fstabOnExt(insideOf(reader, volume)));
    const isStrange = unread.length > failures && unread.at(-1)?.fault === "environment";
    const found = fstab ?? (isStrange ? await told(volume, fstabOn) : undefined);
    if (found) return mountsFromFstab(found.text, readable, volume);
  }
  const others = readable.filter(({ fs }) => fs === "xfs" || fs === "btrfs");
  for (const volume of others) {
    const fstab = await told(volume, fstabOn);
    if (fstab) return mountsFromFstab(fstab.text, readable, partOf(volume, fstab.subvolume));
  }
  const closed = volumes.find(({ refused }) => refused !== undefined);
  if (closed)
    throw new TbuildError(
      "environment",
      `${image}: ${closed.name} ${closed.refused}, and no other holds an /etc/fstab`,
      {
        hint: "Attach the disk to a machine that has it open, and change the guest online.",
      },
    );
  const [first] = unread;
  if (first)
    throw new TbuildError(
      first.fault,
      `${image}: no volume that can be read holds an /etc/fstab: ${first.message}`,
      {
        lines: unread.flatMap(({ message, lines }) => [message, ...lines]),
        ...(first.hint !== undefined && { hint: first.hint }),
        cause: first,
      },
    );
  throw new TbuildError("guest", `${image}: no volume of it holds an /etc/fstab`, {
    lines: volumes.map(({ name, fs, bytes }) => `${name}: ${fs}, ${bytes} bytes`),
  });
}

async function fstabOnExt(volume: Reader): Promise<FoundFstab | undefined> {
  const ext = await openExt(volume);
  if (!(await ext.stat("/etc/fstab"))) return undefined;
  return { text: Buffer.from(await ext.readFile("/etc/fstab")).toString() };
}

/** An `/etc/fstab`, and the subvolume of btrfs that it lies in, where that is not the default one. */
export interface FoundFstab {
  readonly text: string;
  readonly subvolume?: string;
}

// A name goes into the options of a mount, so one that could be more is none.
function partOf(volume: Volume, subvolume: string | undefined): Volume {
  if (volume.fs !== "btrfs" || !subvolume || !/^[\w@./-]+$/.test(subvolume)) return volume;
  return { ...volume, subvolume: subvolume.replace(/^\/+/, "") };
}

/** The mounts that an fstab names; what is not on this disk (nfs, a second disk) is left out. */
export function mountsFromFstab(fstab: string, volumes: readonly Volume[], root: Volume): Mount[] {
  const mounts = new Map([["/", root]]);
  for (const line of fstab.split("\n")) {
    const [device, place = "", , options = ""] = line.replace(/#.*/, "").trim().split(/\s+/);
    const at = place.replace(/\/+$/, "");
    if (!device || !isPlace(at)) continue;
    const found = volumes.find((one) => isNamed(one, device));
    if (!found || ["swap", "unknown"].includes(found.fs)) continue;
    const volume = partOf(found, /(?:^|,)subvol=([^,]+)/.exec(options)?.[1]);
    if (volume.name !== root.name || volume.subvolume !== root.subvolume) mounts.set(at, volume);
  }
  return [...mounts].map(([at, volume]) => ({ at, volume }));
}

// A guest's word on where something is mounted is a path on the host that mounts it: none that leads up.
function isPlace(at: string): boolean {
  const [start, ...names] = at.split("/");
  return start === "" && names.length > 0 && names.every((name) => name !== "" && !/^\.{1,2}$/.test(name));
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
  const { lvm, uuid, label, isDirty, fs, bytes: own, ...rest } = await fileSystemOf(insideOf(disk, place));
  const refused = rest.refused ?? (fs.startsWith("ext") ? await damageOf(insideOf(disk, place)) : undefined);
  return {
    ...place,
    fs,
    ...(uuid !== undefined && { uuid }),
    ...(label !== undefined && { label }),
    ...(refused !== undefined && { refused }),
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

// A disk is called sda, vda, xvda or hda by the hypervisor that shows it, so only the number counts.
function isNamed(volume: Volume, device: string): boolean {
  const [, key, value] = /^(UUID|LABEL)="?([^"]*)"?$/.exec(device) ?? [];
  if (key === "UUID") return volume.uuid?.toLowerCase() === value?.toLowerCase();
  if (key === "LABEL") return volume.label === value;
  const [, byUuid] = /^\/dev\/disk\/by-uuid\/(.+)$/.exec(device) ?? [];
  if (byUuid !== undefined) return volume.uuid === byUuid;
  const [, number] = /^\/dev\/(?:[hsv]|xv)da(\d+)$/.exec(device) ?? [];
  if (number !== undefined) return volume.name === `p${number}`;
  return volume.name === logicalName(device);
}

// device-mapper doubles a dash that belongs to a name: vg--a-root is root in vg-a.
function logicalName(device: string): string | undefined {
  const [, group, logical] =
    /^\/dev\/mapper\/((?:[^-]|--)+)-((?:[^-]|--)+)$/.exec(device) ??
    /^\/dev\/([^/]+)\/([^/]+)$/.exec(device) ??
    [];
  if (group === undefined || logical === undefined) return undefined;
  const single = (name: string) => (device.startsWith("/dev/mapper/") ? name.replaceAll("--", "-") : name);
  return `${single(group)}/${single(logical)}`;
}
