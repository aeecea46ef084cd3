import type { Reader } from "../../io/reader.ts";
import { type FilePlaces, hasHoles, notAFile, type Place } from "../disk/file-places.ts";
import { stringOf } from "../names.ts";
import { type Btrfs, damaged, type Key, keyAt, openBtrfs } from "./btrfs.ts";
import { dirItem, extentItem, fileExtent, inodeItem, itemTypes, objects } from "./layout.ts";
import { subvolumesOf } from "./subvolumes.ts";
import type { TreeRoot } from "./superblock.ts";

/** An inode of a subvolume. */
interface Found {
  readonly root: TreeRoot;
  readonly inode: bigint;
  readonly kind: "file" | "folder" | "other";
  readonly size: number;
  readonly flags: bigint;
}

/**
 * The blocks of a btrfs file that can be written in place: btrfs does not copy them on write, and has no
 * checksums or other owners of them. A kernel requires the same of a swap file. Includes blocks that are
 * reserved but not written. The path is that in `subvolume`, or in the default one. `name` is the volume's
 * name, for errors.
 */
export async function btrfsFilePlaces(
  volume: Reader,
  name: string,
  path: string,
  subvolume: string | undefined,
): Promise<FilePlaces> {
  const btrfs = await openBtrfs(volume, name);
  const all = await subvolumesOf(volume, name);
  const own = all.find((one) => (subvolume === undefined ? one.isDefault : one.path === subvolume));
  const top = own && (await btrfs.rootOf(own.id));
  if (!top) return undefined;
  const file = await fileAt(btrfs, name, top, path);
  if (file === undefined || typeof file === "string") return file;
  if ((file.flags & unsummed) === 0n || (file.flags & inPlace) === 0n)
    return "is a swap file that btrfs does not change in place (chattr +C)";
  return placesIn(btrfs, name, file);
}

/** Flags of inodes. */
const [unsummed, inPlace] = [1n, 2n];

async function fileAt(
  btrfs: Btrfs,
  name: string,
  top: TreeRoot,
  path: string,
): Promise<Found | string | undefined> {
  let at = await inodeOf(btrfs, name, top, objects.firstFree);
  for (const one of path.split("/").filter((word) => word !== "")) {
    if (at.kind !== "folder") return notAFile;
    const next = await entryOf(btrfs, name, at, one);
    if (!next) return undefined;
    const isSubvolume = next.type === itemTypes.root;
    const root = isSubvolume ? await btrfs.rootOf(next.object) : at.root;
    if (!root) throw damaged(name, `the subvolume ${next.object}`);
    at = await inodeOf(btrfs, name, root, isSubvolume ? objects.firstFree : next.object);
  }
  return at.kind === "file" ? at : notAFile;
}

async function inodeOf(btrfs: Btrfs, name: string, root: TreeRoot, inode: bigint): Promise<Found> {
  const from = { object: inode, type: itemTypes.inode, offset: 0n };
  for await (const { object, type, data } of btrfs.items(root, from)) {
    if (object !== inode || type !== itemTypes.inode || data.length < inodeItem.bytes) break;
    const mode = data.readUInt32LE(inodeItem.mode) & 0o170000;
    return {
      root,
      inode,
      kind: mode === 0o100000 ? "file" : mode === 0o040000 ? "folder" : "other",
      size: Number(data.readBigUInt64LE(inodeItem.size)),
      flags: data.readBigUInt64LE(inodeItem.flags),
    };
  }
  throw damaged(name, `the inode ${inode}`);
}

// The key of the folder entry `word`.
async function entryOf(
  btrfs: Btrfs,
  name: string,
  { root, inode }: Found,
  word: string,
): Promise<Key | undefined> {
  const from = { object: inode, type: itemTypes.dirIndex, offset: 0n };
  for await (const { object, type, data } of btrfs.items(root, from)) {
    if (object !== inode || type !== itemTypes.dirIndex) return undefined;
    if (data.length < dirItem.name) throw damaged(name, "an entry of a folder");
    const end = dirItem.name + data.readUInt16LE(dirItem.nameBytes);
    if (stringOf(data.subarray(dirItem.name, end)) === word) return keyAt(data, 0);
  }
  return undefined;
}

const [written, reserved] = [1, 2];

/** A part of an extent, in logical addresses. */
interface Part {
  readonly extent: bigint;
  readonly extentBytes: bigint;
  readonly start: bigint;
  readonly bytes: number;
}

async function placesIn(btrfs: Btrfs, name: string, file: Found): Promise<FilePlaces> {
  const parts: Part[] = [];
  let next = 0n;
  const from = { object: file.inode, type: itemTypes.fileExtent, offset: 0n };
  for await (const { object, type, offset, data } of btrfs.items(file.root, from)) {
    if (object !== file.inode || type !== itemTypes.fileExtent) break;
    const kind = data.length > fileExtent.kind ? data.readUInt8(fileExtent.kind) : 0;
    if (kind !== written && kind !== reserved) return "is a swap file in btrfs's own trees";
    if (data.length < fileExtent.bytes) throw damaged(name, "an extent of a file");
    if (data.readUInt16LE(fileExtent.compression) !== 0) return "is a swap file that is compressed";
    const extent = data.readBigUInt64LE(fileExtent.address);
    const length = data.readBigUInt64LE(fileExtent.length);
    if (extent === 0n || offset !== next) return hasHoles;
    parts.push({
      extent,
      extentBytes: data.readBigUInt64LE(fileExtent.diskBytes),
      start: extent + data.readBigUInt64LE(fileExtent.start),
      bytes: Number(length),
    });
    next += length;
  }
  if (next === 0n || next < file.size) return hasHoles;
  if (await isShared(btrfs, file.root, parts))
    return "is a swap file that may share blocks with a snapshot or another file";
  const places: Place[] = [];
  for (const { start, bytes } of parts) {
    const chunk = btrfs.chunks.find(
      ({ logical, bytes: all }) => start >= logical && start + BigInt(bytes) <= logical + BigInt(all),
    );
    const [first, ...more] = chunk?.copies ?? [];
    if (!chunk || first === undefined) throw damaged(name, `no chunk has the address ${start}`);
    if (more.length > 0) return "is a swap file that btrfs stores twice (the profile DUP)";
    places.push({ offset: first + Number(start - chunk.logical), bytes });
  }
  return places;
}

// Like the kernel: an extent from before the last snapshot may belong to that snapshot, too.
async function isShared(btrfs: Btrfs, root: TreeRoot, parts: readonly Part[]): Promise<boolean> {
  const extents = await btrfs.rootOf(objects.extentTree);
  if (!extents) return true;
  const uses = new Map<bigint, { bytes: bigint; times: bigint }>();
  for (const { extent, extentBytes } of parts)
    uses.set(extent, { bytes: extentBytes, times: (uses.get(extent)?.times ?? 0n) + 1n });
  for (const [extent, { bytes, times }] of uses) {
    let isOwn = false;
    const from = { object: extent, type: itemTypes.extent, offset: bytes };
    for await (const { object, type, offset, data } of btrfs.items(extents, from)) {
      if (object !== extent || type !== itemTypes.extent || offset !== bytes) break;
      if (data.length < extentItem.bytes) break;
      isOwn =
        data.readBigUInt64LE(extentItem.references) === times &&
        data.readBigUInt64LE(extentItem.generation) > (root.lastSnapshot ?? 0n);
      break;
    }
    if (!isOwn) return true;
  }
  return false;
}
