import type { Reader } from "../../io/reader.ts";
import { stringOf } from "../names.ts";
import { type Btrfs, damaged, openBtrfs } from "./btrfs.ts";
import { inodeRef, itemTypes, key, objects, rootItem, rootRef } from "./layout.ts";

export interface Subvolume {
  /** The number of its tree. */
  readonly id: bigint;
  /** From the top of the file system, without a leading slash; empty for the top itself. */
  readonly path: string;
  readonly isSnapshot: boolean;
  readonly isEmpty: boolean;
  /** True for the default of a mount. */
  readonly isDefault: boolean;
}

const { top, firstFree } = objects;
const mostSubvolumes = 10_000;
const deepest = 64;

/** The subvolumes of a btrfs, including the top. `name` is the volume's name, for errors. */
export async function subvolumesOf(volume: Reader, name: string): Promise<Subvolume[]> {
  const btrfs = await openBtrfs(volume, name);
  const refs = new Map<bigint, Reference>();
  const snapshots = new Set<bigint>();
  let byDefault: bigint = top;
  for await (const { object, type, offset, data } of btrfs.items(btrfs.roots)) {
    if (type === itemTypes.root && hasParent(data)) snapshots.add(object);
    // The folder of the tree of roots has one entry, `default`, whose key starts with the id.
    if (type === itemTypes.dirItem && object === objects.rootsFolder && data.length >= key.bytes)
      byDefault = data.readBigUInt64LE(key.object);
    if (type !== itemTypes.rootRef || data.length < rootRef.name) continue;
    refs.set(offset, {
      parent: object,
      folder: data.readBigUInt64LE(rootRef.folder),
      name: nameIn(data, rootRef),
    });
    if (refs.size > mostSubvolumes) throw damaged(name, `more than ${mostSubvolumes} subvolumes`);
  }
  const found: Subvolume[] = [];
  for (const id of [top, ...refs.keys()])
    found.push({
      id,
      path: await pathOf(btrfs, name, refs, id),
      isSnapshot: snapshots.has(id),
      isEmpty: await isEmpty(btrfs, id),
      isDefault: id === byDefault,
    });
  return found;
}

// A snapshot has the UUID of its origin. A root from older kernels is too short for one.
function hasParent(root: Buffer): boolean {
  const parent = root.subarray(rootItem.parentUuid, rootItem.parentUuid + 16);
  return parent.length === 16 && parent.some((byte) => byte !== 0);
}

function nameIn(data: Buffer, at: { readonly nameBytes: number; readonly name: number }): string {
  return stringOf(data.subarray(at.name, at.name + data.readUInt16LE(at.nameBytes)));
}

/** The place of a subvolume: its name in a folder of its parent. */
interface Reference {
  readonly parent: bigint;
  readonly folder: bigint;
  readonly name: string;
}

async function pathOf(
  btrfs: Btrfs,
  name: string,
  refs: ReadonlyMap<bigint, Reference>,
  id: bigint,
): Promise<string> {
  const names: string[] = [];
  for (let ref = refs.get(id); ref; ref = refs.get(ref.parent)) {
    names.unshift(ref.name);
    for (let folder = ref.folder; folder !== firstFree; ) {
      const above = await folderAbove(btrfs, ref.parent, folder);
      if (!above) throw damaged(name, `the folder of the subvolume ${ref.name}`);
      names.unshift(above.name);
      folder = above.folder;
      if (names.length > deepest) throw damaged(name, "its subvolumes contain each other");
    }
    if (names.length > deepest) throw damaged(name, "its subvolumes contain each other");
  }
  return names.join("/");
}

async function folderAbove(btrfs: Btrfs, tree: bigint, folder: bigint) {
  const root = await btrfs.rootOf(tree);
  if (!root) return undefined;
  const from = { object: folder, type: itemTypes.inodeRef, offset: 0n };
  for await (const { object, type, offset, data } of btrfs.items(root, from)) {
    if (object !== folder || type !== itemTypes.inodeRef || data.length < inodeRef.name) return undefined;
    return { folder: offset, name: nameIn(data, inodeRef) };
  }
  return undefined;
}

// A subvolume has one inode, its top folder. Subvolumes within it are not inodes of it.
async function isEmpty(btrfs: Btrfs, id: bigint): Promise<boolean> {
  const root = await btrfs.rootOf(id);
  if (!root) return true;
  const from = { object: firstFree + 1n, type: itemTypes.inode, offset: 0n };
  for await (const { object, type } of btrfs.items(root, from))
    if (type === itemTypes.inode && object < 1n << 63n) return false;
  return true;
}
