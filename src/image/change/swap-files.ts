import { TbuildError } from "../../errors.ts";
import type { Reader } from "../../io/reader.ts";
import type { Mount, Volume } from "../access.ts";
import { btrfsFilePlaces } from "../btrfs/file-places.ts";
import { insideOf } from "../disk/disk.ts";
import { type FilePlaces, hasHoles, notAFile, type Place } from "../disk/file-places.ts";
import { swapAreaIn } from "../disk/swap.ts";
import { type Ext, openExt } from "../ext/ext.ts";
import { ExtVolume } from "../ext/volume.ts";
import { xfsFilePlaces } from "../xfs/file-places.ts";
import { readOnly } from "./draft.ts";
import { partFinder } from "./parts.ts";

/** How much of a swap volume or swap file differs from a new one. */
export interface SwapState {
  /** The name of the volume, or the path of the file. */
  readonly name: string;
  readonly bytes: number;
  /** The reason why it is not written to. */
  readonly refused?: string;
}

/**
 * The swap files of a guest as volumes at the offsets of their blocks. Includes those whose blocks cannot be
 * found, with the reason.
 */
export async function findSwapFiles(
  disk: Reader,
  mounts: readonly Mount[],
  paths: readonly string[],
): Promise<{ readonly files: Volume[]; readonly unseen: SwapState[] }> {
  const files: Volume[] = [];
  const unseen: SwapState[] = [];
  if (paths.length === 0) return { files, unseen };
  const partOf = partFinder(mounts);
  for (const name of paths) {
    const [{ volume }, inside] = partOf(name);
    const found = await swapFileAt(disk, volume, inside);
    if (typeof found === "string") unseen.push({ name, bytes: 0, refused: found });
    else if (found) files.push({ ...found, name });
  }
  return { files, unseen };
}

/** A volume has no name that begins with a slash. */
export function isSwapFile({ name }: Volume): boolean {
  return name.startsWith("/");
}

// `undefined` if there is no such file; the reason if its blocks are not certain.
async function swapFileAt(
  disk: Reader,
  volume: Volume,
  path: string,
): Promise<Omit<Volume, "name"> | string | undefined> {
  try {
    const places = await placesIn(insideOf(disk, volume), volume, path);
    if (places === undefined || typeof places === "string") return places;
    if (places.length === 0) return hasHoles;
    const pieces = places.flatMap((place) => onDisk(volume, place));
    const bytes = pieces.reduce((sum, piece) => sum + piece.bytes, 0);
    const [first] = pieces;
    const area = { offset: first?.offset ?? 0, bytes, fs: "swap" as const, pieces };
    const head = await insideOf(disk, area).read(0, Math.min(65536, bytes));
    return swapAreaIn(Buffer.from(head)) ? area : "is listed as a swap file, but has no swap signature";
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    return `is a swap file whose blocks cannot be found (${error.message})`;
  }
}

async function placesIn(inside: Reader, volume: Volume, path: string): Promise<FilePlaces> {
  const { name, fs, subvolume } = volume;
  if (fs === "xfs") return xfsFilePlaces(inside, name, path);
  if (fs === "btrfs") return btrfsFilePlaces(inside, name, path, subvolume);
  return fs.startsWith("ext")
    ? extFilePlaces(inside, path)
    : `is a swap file on ${fs}, whose blocks tbuild cannot find`;
}

// If a volume has several pieces, a range may be in more than one of them.
function onDisk(volume: Volume, { offset, bytes }: Place): Place[] {
  const found: Place[] = [];
  let start = 0;
  for (const piece of volume.pieces ?? [volume]) {
    const [from, to] = [Math.max(offset, start), Math.min(offset + bytes, start + piece.bytes)];
    if (from < to) found.push({ offset: piece.offset + from - start, bytes: to - from });
    start += piece.bytes;
  }
  return found;
}

async function extFilePlaces(inside: Reader, path: string): Promise<FilePlaces> {
  const files = await openExt(inside);
  const found = await kindAt(files, path);
  if (found === undefined) return undefined;
  if (found !== "file") return notAFile;
  const places = await files.places(path);
  if (places) await checkOwn(inside, places);
  return places ?? hasHoles;
}

async function kindAt(files: Ext, path: string): Promise<"file" | "other" | undefined> {
  const names = path.split("/").filter((name) => name !== "");
  for (let count = 1; count <= names.length; count++) {
    const kind = (await files.stat(`/${names.slice(0, count).join("/")}`))?.kind;
    if (kind === undefined) return undefined;
    if (kind !== (count === names.length ? "file" : "dir")) return "other";
  }
  return "file";
}

// These writes bypass the file system, so the blocks must certainly belong to the file.
async function checkOwn(inside: Reader, places: readonly { offset: number; bytes: number }[]): Promise<void> {
  const volume = await ExtVolume.open(readOnly(inside));
  for (const { offset, bytes } of places) {
    const first = offset / volume.blockBytes;
    await volume.checkBlocks(Array.from({ length: bytes / volume.blockBytes }, (_, step) => first + step));
  }
}
