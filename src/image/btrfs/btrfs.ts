import { TbuildError } from "../../errors.ts";
import type { Reader } from "../../io/reader.ts";

/** The key of an item: in each tree, items are sorted by these three numbers. */
export interface Key {
  readonly object: bigint;
  readonly type: number;
  readonly offset: bigint;
}

export interface Item extends Key {
  readonly data: Buffer;
}

/** Where a tree starts: a logical address, and the level of its topmost node. */
export interface TreeRoot {
  readonly at: bigint;
  readonly level: number;
}

/** A run of logical addresses, and where its copies are on the device, in bytes. */
export interface Chunk {
  readonly logical: bigint;
  readonly bytes: number;
  readonly copies: readonly number[];
}

/** A btrfs on one device, opened for reading its trees. */
export interface Btrfs {
  readonly sectorBytes: number;
  readonly nodeBytes: number;
  /** Of the device, by its superblock. */
  readonly bytes: number;
  readonly chunks: readonly Chunk[];
  /** The root of the tree with this number, such as 2 for extents; `undefined` if there is none. */
  rootOf(tree: bigint): Promise<TreeRoot | undefined>;
  /** The tree of roots. */
  readonly roots: TreeRoot;
  /** The items of a tree in order, from the first whose key is not below `from`. */
  items(root: TreeRoot, from?: Key): AsyncGenerator<Item>;
}

export const itemTypes = {
  inode: 1,
  inodeRef: 12,
  dirItem: 84,
  root: 132,
  rootRef: 156,
  extent: 168,
  metadata: 169,
  chunk: 228,
} as const;

const superblockAt = 65536;
const headerBytes = 101;
const deepest = 8;
// DUP; every other profile than this and a single copy needs several devices or computes places.
const dup = 32n;
const profiles = 0x7f8n;

/**
 * Opens a btrfs (the kernel's btrfs_tree.h; all numbers are little-endian). Throws an `environment` fault for what is not
 * known here: several devices, a log that waits, or a format of later kernels; `integrity` for damage. `name` is the
 * volume's, for errors.
 */
export async function openBtrfs(volume: Reader, name: string): Promise<Btrfs> {
  if (volume.bytes < superblockAt + 4096) throw damaged(name, "its superblock");
  const superblock = Buffer.from(await volume.read(superblockAt, 4096));
  if (superblock.toString("latin1", 64, 72) !== "_BHRfS_M") throw damaged(name, "its superblock");
  const [sectorBytes, nodeBytes] = [superblock.readUInt32LE(0x90), superblock.readUInt32LE(0x94)];
  const isPower = (size: number) => size >= 4096 && size <= 65536 && (size & (size - 1)) === 0;
  if (!isPower(sectorBytes) || !isPower(nodeBytes)) throw damaged(name, `nodes of ${nodeBytes} bytes`);
  if (superblock.readBigUInt64LE(0x88) !== 1n) throw unfit(name, "has several devices");
  if (superblock.readBigUInt64LE(0x60) !== 0n) throw unfit(name, "has a log that waits for a replay");
  const features = superblock.readBigUInt64LE(0xbc);
  if (features >> 12n !== 0n)
    throw unfit(name, `has features that are not known here (0x${features.toString(16)})`);
  const fsid = superblock.subarray(0x20, 0x30);

  let chunks: Chunk[] = systemChunks(superblock, name);
  const physical = (logical: bigint): number => {
    const chunk = chunks.find((one) => logical >= one.logical && logical < one.logical + BigInt(one.bytes));
    const [first] = chunk?.copies ?? [];
    if (!chunk || first === undefined) throw damaged(name, `no chunk has the address ${logical}`);
    return first + Number(logical - chunk.logical);
  };
  const node = async (at: bigint, level: number): Promise<Buffer> => {
    const place = physical(at);
    if (place + nodeBytes > volume.bytes) throw damaged(name, `a node at ${place} is behind its end`);
    const data = Buffer.from(await volume.read(place, nodeBytes));
    const count = data.readUInt32LE(96);
    const isRight = data.readBigUInt64LE(48) === at && data[100] === level;
    const size = level === 0 ? 25 : 33;
    if (!isRight || !isOwn(data, superblock, fsid) || headerBytes + count * size > nodeBytes)
      throw damaged(name, `the node at ${place}`);
    return data;
  };
  const mostNodes = volume.bytes / nodeBytes;
  async function* items(root: TreeRoot, from?: Key, seen = { nodes: 0 }): AsyncGenerator<Item> {
    if (root.level > deepest) throw damaged(name, `a tree of ${root.level} levels`);
    // Nodes that lead to one node again and again would take for ever.
    if (++seen.nodes > mostNodes) throw damaged(name, "a tree with more nodes than there is room for");
    const data = await node(root.at, root.level);
    const count = data.readUInt32LE(96);
    for (let index = 0; index < count; index++) {
      if (root.level === 0) {
        const at = headerBytes + index * 25;
        const key = keyAt(data, at);
        if (from && compare(key, from) < 0) continue;
        const [start, bytes] = [headerBytes + data.readUInt32LE(at + 17), data.readUInt32LE(at + 21)];
        if (start + bytes > nodeBytes) throw damaged(name, "an item is behind the end of its node");
        yield { ...key, data: data.subarray(start, start + bytes) };
        continue;
      }
      const at = headerBytes + index * 33;
      const isLast = index + 1 === count;
      // What lies before the next key cannot hold what is wanted.
      if (from && !isLast && compare(keyAt(data, at + 33), from) <= 0) continue;
      yield* items({ at: data.readBigUInt64LE(at + 17), level: root.level - 1 }, from, seen);
    }
  }
  const chunkRoot = { at: superblock.readBigUInt64LE(0x58), level: superblock[0xc7] ?? 0 };
  const all: Chunk[] = [];
  for await (const { type, offset, data } of items(chunkRoot))
    if (type === itemTypes.chunk) all.push(chunkOf(offset, data, name));
  chunks = all;
  const roots = { at: superblock.readBigUInt64LE(0x50), level: superblock[0xc6] ?? 0 };
  return {
    ...{ sectorBytes, nodeBytes, chunks, roots, items },
    bytes: Number(superblock.readBigUInt64LE(0xd1)),
    async rootOf(tree) {
      for await (const { object, type, data } of items(roots, {
        object: tree,
        type: itemTypes.root,
        offset: 0n,
      })) {
        if (object !== tree || type !== itemTypes.root) return undefined;
        if (data.length < 239) throw damaged(name, `the root of tree ${tree}`);
        return { at: data.readBigUInt64LE(176), level: data[238] ?? 0 };
      }
      return undefined;
    },
  };
}

function systemChunks(superblock: Buffer, name: string): Chunk[] {
  const array = superblock.subarray(0x32b, 0x32b + Math.min(2048, superblock.readUInt32LE(0xa0)));
  const chunks: Chunk[] = [];
  for (let at = 0; at + 17 + 48 <= array.length; ) {
    const { offset } = keyAt(array, at);
    const stripes = array.readUInt16LE(at + 17 + 44);
    const end = at + 17 + 48 + stripes * 32;
    if (end > array.length) throw damaged(name, "its list of system chunks");
    chunks.push(chunkOf(offset, array.subarray(at + 17, end), name));
    at = end;
  }
  return chunks;
}

function chunkOf(logical: bigint, data: Buffer, name: string): Chunk {
  if (data.length < 48) throw damaged(name, "a chunk");
  const [type, stripes] = [data.readBigUInt64LE(24), data.readUInt16LE(44)];
  if (data.length < 48 + stripes * 32 || stripes === 0) throw damaged(name, "a chunk");
  if ((type & profiles & ~dup) !== 0n) throw unfit(name, "spreads its data by a RAID profile");
  const copies = Array.from({ length: stripes }, (_, index) =>
    Number(data.readBigUInt64LE(48 + index * 32 + 8)),
  );
  return { logical, bytes: Number(data.readBigUInt64LE(0)), copies };
}

function keyAt(data: Buffer, at: number): Key {
  return {
    object: data.readBigUInt64LE(at),
    type: data[at + 8] ?? 0,
    offset: data.readBigUInt64LE(at + 9),
  };
}

function compare(one: Key, other: Key): number {
  if (one.object !== other.object) return one.object < other.object ? -1 : 1;
  if (one.type !== other.type) return one.type - other.type;
  return one.offset === other.offset ? 0 : one.offset < other.offset ? -1 : 1;
}

// A node bears the id of its file system, or the one that it was made with (the feature metadata_uuid).
function isOwn(node: Buffer, superblock: Buffer, fsid: Buffer): boolean {
  const own = node.subarray(32, 48);
  return own.equals(fsid) || own.equals(superblock.subarray(0x23b, 0x24b));
}

export function damaged(name: string, what: string): TbuildError {
  return new TbuildError("integrity", `its btrfs is damaged: ${what}`, {
    subject: name,
    hint: "Check it where it can be mounted: btrfs check",
  });
}

function unfit(name: string, what: string): TbuildError {
  return new TbuildError("environment", `its btrfs ${what}`, {
    subject: name,
    hint: "Mount it once on a machine whose kernel knows it.",
  });
}
