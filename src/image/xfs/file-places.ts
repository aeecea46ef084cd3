import { pacer } from "../../host/long-work.ts";
import type { Reader } from "../../io/reader.ts";
import { type FilePlaces, hasHoles, notAFile, type Place } from "../disk/file-places.ts";
import { joined, overlapWith } from "../file/holes.ts";
import { entriesOfXfs } from "./folder.ts";
import { freeRunsOfXfs } from "./free-space.ts";
import { inodeOf, runsOfXfs, type XfsInode } from "./inode.ts";
import { hasXfsLog } from "./log.ts";
import { openXfs, type Xfs } from "./xfs.ts";

// Up to parent pointers. Later features may change where blocks are.
const knownFeatures = 0xff;

/**
 * The blocks of an XFS file, including those that are reserved but not written. `name` is the volume's name,
 * for errors.
 */
export async function xfsFilePlaces(volume: Reader, name: string, path: string): Promise<FilePlaces> {
  const xfs = await openXfs(volume, name);
  const { superblock } = xfs;
  if (superblock.incompatible & ~knownFeatures) return "is on an XFS with features that tbuild does not know";
  if ((await hasXfsLog(volume, superblock)) !== false)
    return "is on an XFS that was not cleanly unmounted, so its blocks are not certain";
  const inode = await fileAt(xfs, path);
  if (inode === undefined || typeof inode === "string") return inode;
  if (inode.isRealtime) return "is a swap file on another device (XFS realtime)";
  if (inode.isShared) return "is a swap file that may share blocks with another file";
  return placesIn(xfs, inode);
}

async function fileAt(xfs: Xfs, path: string): Promise<XfsInode | string | undefined> {
  let at = await inodeOf(xfs, xfs.superblock.rootInode);
  const names = path.split("/").filter((name) => name !== "");
  const pace = pacer();
  for (const name of names) {
    if (at.kind !== "folder") return notAFile;
    let found: bigint | undefined;
    for await (const entry of entriesOfXfs(xfs, at)) {
      const turn = pace();
      if (turn) await turn;
      if (entry.name !== name) continue;
      found = entry.inode;
      break;
    }
    if (found === undefined) return undefined;
    at = await inodeOf(xfs, found);
  }
  return at.kind === "file" ? at : notAFile;
}

async function placesIn(xfs: Xfs, inode: XfsInode): Promise<FilePlaces> {
  const { blockBytes } = xfs.superblock;
  const places: Place[] = [];
  let next = 0;
  for await (const { logical, block, count } of runsOfXfs(xfs, inode)) {
    if (logical !== next) return hasHoles;
    next += count;
    places.push({ offset: block * blockBytes, bytes: count * blockBytes });
  }
  if (next === 0 || next * blockBytes < inode.size) return hasHoles;
  const isOneOf = overlapWith(joined(places.map(({ offset, bytes }) => ({ start: offset, length: bytes }))));
  for await (const { offset, bytes } of freeRunsOfXfs(xfs.volume, xfs.name))
    if (isOneOf(offset, bytes)) return "is a swap file with blocks that its XFS marks as free";
  return places;
}
