import { basename } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Reader } from "../../io/reader.ts";
import type { Volume } from "../access.ts";
import { overlapWith } from "../file/holes.ts";
import { insideOf, type Layout, placesOf, tableOf } from "./disk.ts";
import { fileSystemOf } from "./filesystem.ts";
import { freeExtents, type Piece } from "./lvm.ts";
import type { MdArray } from "./md-arrays.ts";
import { claimOn } from "./members.ts";
import type { PartitionTable } from "./partitions.ts";

/** A part of a disk outside all file systems that nothing is known to use. */
export interface Unclaimed {
  /** A description: `the gap after p1`. */
  readonly name: string;
  readonly pieces: readonly Piece[];
  /** The partition or logical volume, if it is one. */
  readonly volume?: Volume;
  /** The image that contains it, if it is another one. */
  readonly image?: string;
  /** Why it is searched but never cleared. */
  readonly kept?: string;
  /** Why it is neither searched nor cleared. */
  readonly unread?: string;
}

/**
 * The parts of a disk outside all file systems: the area before the first partition, gaps, volumes without a signature,
 * LVM's free extents, and the space after a file system that is shorter than its volume.
 */
export async function unclaimedPlaces(
  disk: Reader,
  { volumes, arrays, followed = [] }: Pick<Layout, "volumes" | "arrays" | "followed">,
): Promise<Unclaimed[]> {
  const table = await tableOf(disk);
  const own = arrays.filter((array) => !followed.some(({ offset }) => offset === array.offset));
  const found = [
    ...(await gapsOf(disk, table)),
    ...(await unusedVolumes(disk, volumes)),
    ...(await behindFileSystems(disk, volumes)),
    ...arrays.flatMap(besideArray),
    ...(await freeOfLvm(disk, placesOf(disk, table), { volumes, arrays, own })),
  ];
  return found.map((place) => {
    const touches = touching(place.pieces);
    const other = volumes.find((volume) => volume !== place.volume && placeOf(volume).some(touches));
    return other && place.unread === undefined ? { ...place, unread: `it overlaps ${other.name}` } : place;
  });
}

async function gapsOf(disk: Reader, { table, partitions, own }: PartitionTable): Promise<Unclaimed[]> {
  if (table === "none") return [];
  if (!own)
    return [{ name: "the space outside partitions", pieces: [], unread: "the partition table is damaged" }];
  const byPlace = (one: Piece, other: Piece) => one.offset - other.offset;
  const first = [...partitions].sort(byPlace)[0];
  if (!first) return [];
  const taken = [...partitions, ...own].sort(byPlace).filter(({ offset }) => offset >= first.offset);
  const gaps = new Map<string, Piece[]>();
  let end = first.offset;
  for (const { offset, bytes } of [...taken, { offset: disk.bytes, bytes: 0 }]) {
    const bytesFree = Math.min(offset, disk.bytes) - end;
    if (bytesFree > 0) {
      const name = nameOfGap(partitions, end);
      gaps.set(name, [...(gaps.get(name) ?? []), { offset: end, bytes: bytesFree }]);
    }
    end = Math.max(end, offset + bytes);
  }
  const before = {
    name: "the area before the first partition",
    pieces: [{ offset: 0, bytes: Math.min(first.offset, disk.bytes) }],
    kept: "it may contain a boot loader",
  };
  const behind = [...gaps].map(async ([name, pieces]) => {
    const claims = await Promise.all(pieces.map((piece) => claimOn(insideOf(disk, piece))));
    const claim = claims.find((one) => one !== undefined);
    return { name, pieces, ...(claim !== undefined && { unread: `it ${claim}` }) };
  });
  return [before, ...(await Promise.all(behind))];
}

// There is one: gaps are searched only after the first partition.
function nameOfGap(partitions: PartitionTable["partitions"], at: number): string {
  const [last] = partitions
    .filter(({ offset }) => offset < at)
    .sort((one, other) => other.offset + other.bytes - (one.offset + one.bytes));
  return `the gap after ${last?.name}`;
}

async function unusedVolumes(disk: Reader, volumes: readonly Volume[]): Promise<Unclaimed[]> {
  const found: Unclaimed[] = [];
  for (const volume of volumes) {
    const { name, fs, holds, refused, partType, offset, bytes } = volume;
    if (fs !== "unknown" || holds !== undefined || refused !== undefined) continue;
    if (partType !== undefined && !dataTypes.has(partType)) continue;
    if (bytes === 0 || offset + bytes > disk.bytes) continue;
    if ((await fileSystemOf(insideOf(disk, volume))).lvm) continue;
    found.push({ name: `${name}, which contains no file system`, pieces: piecesOf(volume), volume });
  }
  return found;
}

// The types of partitions in which a system has its files, its swap, its LVM or its RAID. Any other may
// contain data without a signature: a boot loader, its environment, firmware (UEFI specification;
// Discoverable Partitions Specification).
const dataTypes = new Set([
  ...["06", "07", "0b", "0c", "0e", "82", "83", "8e", "fd"],
  "0fc63daf-8483-4772-8e79-3d69d8477de4",
  "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f",
  "e6d6d379-f507-44c2-a23c-238f2a3df928",
  "a19d880f-05fc-4d3b-a006-743f0f84911e",
  "933ac7e1-2eb4-4f13-b844-0e14e2aef915",
  "3b8f8425-20e0-4f3b-907f-1a25a76f98e8",
  "4d21b016-b534-45c2-a9fb-5c16e091fd2d",
  "7ec6f557-3bc5-4aca-b293-16ef5df639d1",
  "44479540-f297-41b2-9af7-d131d5f0458a",
  "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
  "b921b045-1df0-41c3-af44-4c6f280d3fae",
  "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7",
]);

async function behindFileSystems(disk: Reader, volumes: readonly Volume[]): Promise<Unclaimed[]> {
  const found: Unclaimed[] = [];
  for (const volume of volumes) {
    const { name, fs, refused, bytes } = volume;
    if (refused !== undefined || !(fs.startsWith("ext") || fs === "xfs")) continue;
    const { bytes: own = 0 } = await fileSystemOf(insideOf(disk, volume));
    if (own > 0 && own < bytes)
      found.push({
        name: `the space after the file system of ${name}`,
        pieces: piecesOf(volume, own),
        volume,
      });
  }
  return found;
}

// Around the data of a mirror, each member has the RAID's own records.
function besideArray({ bytes, legs }: MdArray): Unclaimed[] {
  return legs.flatMap(({ name, offset, whole }) => {
    const pieces = [
      { offset: whole.offset, bytes: offset - whole.offset },
      { offset: offset + bytes, bytes: whole.offset + whole.bytes - offset - bytes },
    ].filter((piece) => piece.bytes > 0);
    const why = "it contains the records of the RAID";
    return pieces.length > 0 ? [{ name: `the space beside the data of ${name}`, pieces, kept: why }] : [];
  });
}

// Every partition is one of the volumes, unless it is a physical volume that can be read, or the member of a mirror.
async function freeOfLvm(
  disk: Reader,
  places: readonly Pick<Volume, "name" | "offset" | "bytes">[],
  { volumes, arrays, own }: Pick<Layout, "volumes" | "arrays"> & { readonly own: readonly MdArray[] },
): Promise<Unclaimed[]> {
  const legs = new Set(arrays.flatMap((array) => array.legs.map(({ name }) => name)));
  const physicals = [...places.filter(({ name }) => !legs.has(name)), ...own]
    .filter((place) => place.offset + place.bytes <= disk.bytes)
    .filter(({ name }) => !volumes.some((volume) => volume.name === name))
    .map(({ name, offset, bytes }) => ({ name, offset, reader: insideOf(disk, { offset, bytes }) }));
  const name = (group: string) => `the free extents of ${group}`;
  try {
    return (await freeExtents(physicals)).map(({ group, pieces, unknown }) => ({
      name: name(group),
      pieces,
      ...(unknown !== undefined && { unread: unknown }),
    }));
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    return [{ name: name("LVM"), pieces: [], unread: error.message }];
  }
}

/** The name of a part of another image of the machine. */
export function inImage(name: string, file: string): string {
  return `${name} of ${basename(file)}`;
}

/** A volume that cannot be opened, but contains volumes that could be. */
export function claimAround(volumes: readonly Volume[]): Volume | undefined {
  const open = volumes.filter(({ refused }) => refused === undefined).flatMap(placeOf);
  const touches = touching(open);
  return volumes.find((volume) => volume.refused !== undefined && placeOf(volume).some(touches));
}

// The part of a volume from byte `from` on, as a place on the disk.
function piecesOf({ offset, bytes, pieces = [{ offset, bytes }] }: Volume, from = 0): Piece[] {
  let start = 0;
  return pieces.flatMap((piece) => {
    const skip = Math.min(piece.bytes, Math.max(0, from - start));
    start += piece.bytes;
    return skip < piece.bytes ? [{ offset: piece.offset + skip, bytes: piece.bytes - skip }] : [];
  });
}

// A logical volume with an unknown place has none; the metadata lists its extents.
function placeOf(volume: Volume): Piece[] {
  const isPlaceless = volume.refused !== undefined && volume.offset === 0 && volume.name !== "disk";
  return isPlaceless ? [] : piecesOf(volume);
}

/** Returns a function that tests whether a byte range overlaps any of `pieces`, however many there are. */
function touching(pieces: readonly Piece[]): (piece: Piece) => boolean {
  const runs: { start: number; length: number }[] = [];
  for (const { offset, bytes } of [...pieces].sort((one, other) => one.offset - other.offset)) {
    const last = runs.at(-1);
    if (last && offset < last.start + last.length)
      last.length = Math.max(last.length, offset + bytes - last.start);
    else runs.push({ start: offset, length: bytes });
  }
  const touches = overlapWith(runs);
  return ({ offset, bytes }) => touches(offset, bytes);
}
