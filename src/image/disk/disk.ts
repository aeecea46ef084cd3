import { TbuildError } from "../../errors.ts";
import { joinedReader, type Reader, windowOf } from "../../io/reader.ts";
import type { Volume } from "../access.ts";
import { openExt } from "../ext/ext.ts";
import { readImageFile } from "../file/image-file.ts";
import { fileSystemOf } from "./filesystem.ts";
import { type LogicalVolume, logicalVolumes, type PhysicalVolume } from "./lvm.ts";
import { mdMember } from "./md.ts";
import { type ArrayLook, type MdArray, type MdPart, mdArrays } from "./md-arrays.ts";
import { claimOn, mdClaim } from "./members.ts";
import {
  mbrOfLargeSectors,
  type PartitionTable,
  partitionTableOf,
  type Run,
  unprotectedGpt,
} from "./partitions.ts";

/** The layout of a disk. */
export interface Layout {
  readonly table: PartitionTable["table"];
  readonly volumes: readonly Volume[];
  /** The mirrors (MD RAID1) that are complete. Each is one of the volumes; its members are not. */
  readonly arrays: readonly MdArray[];
  /** The ranges whose contents are those of a mirror's first member, in another image. */
  readonly followed?: readonly Run[];
  /** Parts that exceed their container, because the image was truncated. */
  readonly cutOff: readonly string[];
  /** The error in the partition table, and how it was read nevertheless. */
  readonly tableFault?: string;
}

/** The volumes of an image: its partitions, and the linear logical volumes in them. */
export async function volumesOf(image: string): Promise<readonly Volume[]> {
  await using reader = await readImageFile(image);
  return (await layoutOf(reader)).volumes;
}

/** The layout of a disk. With `differs`, the members of a mirror count as such only if they are equal. */
export async function layoutOf(disk: Reader, look: Omit<ArrayLook, "isSwap"> = {}): Promise<Layout> {
  const table = await tableOf(disk);
  const ownFault = faultOf(table);
  const isOff = ownFault !== undefined;
  const volumes: Volume[] = [];
  const cutOff: string[] = [];
  const physicals: PhysicalVolume[] = [];
  const members: MdPart[] = [];
  const add = async (place: Place, traits: Pick<Volume, "isOffTable"> = {}) => {
    const { lvm, own = 0, ...found } = await volumeAt(disk, place);
    const volume = { ...found, ...traits };
    if (own > place.bytes && cutOff.length === 0)
      cutOff.push(`${place.name}: its file system has ${own} bytes, but only ${place.bytes} are there`);
    if (lvm) physicals.push({ name: place.name, reader: insideOf(disk, place), offset: place.offset });
    else volumes.push(volume);
    return volume;
  };
  for (const { name, offset, bytes } of table.partitions)
    if (offset + bytes > disk.bytes)
      cutOff.push(`${name} ends at byte ${offset + bytes}, but the disk ends at ${disk.bytes}`);
  for (const place of placesOf(disk, table)) {
    const volume = await add(place, isOff ? { isOffTable: true } : {});
    const member = volume.refused === mdClaim ? await mdMember(insideOf(disk, place)) : undefined;
    if (member) members.push({ place: volume, member });
  }
  // A RAID of whole disks contains its partitions. A signature at the end of the last partition belongs to that partition.
  const whole = table.table === "none" ? undefined : await claimOn(behindPartitions(disk, table));
  if (whole !== undefined)
    volumes.push({ name: "disk", offset: 0, bytes: disk.bytes, fs: "unknown", refused: whole });
  const isUnknown =
    table.table === "none" && volumes.every(({ fs, refused }) => fs === "unknown" && refused === undefined);
  const tableFault =
    ownFault ?? (isUnknown && physicals.length === 0 ? await unprotectedGpt(disk) : undefined);
  const isSwap = async (place: Run) => (await fileSystemOf(insideOf(disk, place))).fs === "swap";
  const { arrays, closed } = await mdArrays(members, { isSwap, ...look });
  const legs = new Set(arrays.flatMap((array) => array.legs.map(({ name }) => name)));
  for (const { name, offset, bytes } of arrays) await add({ name, offset, bytes }, { isOffTable: true });
  for (const logical of await logicalVolumes(physicals).catch((error) => closedGroup(error, physicals))) {
    if (logical.refused !== undefined) {
      volumes.push({ ...logical, fs: "unknown" });
      continue;
    }
    const { own: _own, lvm: _lvm, ...volume } = await volumeAt(disk, logical);
    volumes.push({ ...volume, ...(isOff && { isOffTable: true }) });
  }
  return {
    table: table.table,
    volumes: volumes
      .filter(({ name }) => !legs.has(name))
      .map((volume) => closed.find(({ name }) => name === volume.name) ?? volume),
    arrays,
    cutOff,
    ...(tableFault !== undefined && { tableFault }),
  };
}

type Place = Pick<Volume, "name" | "offset" | "bytes" | "pieces">;

/** The partitions of a disk, or the whole of one that has no partition table. */
export function placesOf(disk: Reader, { table, partitions }: PartitionTable): readonly Place[] {
  return table === "none" ? [{ name: "disk", offset: 0, bytes: disk.bytes }] : partitions;
}

function faultOf({ fault, sectorBytes }: PartitionTable): string | undefined {
  return fault ?? (sectorBytes === 512 ? undefined : `it uses sectors of ${sectorBytes} bytes`);
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

// An unreadable group does not affect the other volumes.
function closedGroup(error: unknown, physicals: readonly PhysicalVolume[]): LogicalVolume[] {
  if (!(error instanceof TbuildError)) throw error;
  const refused = `is a physical volume of LVM that cannot be read (${error.message})`;
  return physicals.map(({ reader, offset, name }) => ({ name, offset, bytes: reader.bytes, refused }));
}

// The disk with zeros where its partitions are.
function behindPartitions(disk: Reader, { partitions }: PartitionTable): Reader {
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
  place: Place,
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

// Another access method may support it, so it is not damage.
async function damageOf(volume: Reader): Promise<string | undefined> {
  try {
    await (await openExt(volume)).stat("/");
    return undefined;
  } catch (error) {
    if (!(error instanceof TbuildError) || error.fault !== "integrity") return undefined;
    return `cannot be read (${error.message})`;
  }
}
