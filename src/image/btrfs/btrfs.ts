import { TbuildError } from "../../errors.ts";
import type { Reader } from "../../io/reader.ts";
import { chunk, head, itemTypes, key, leafItem, pointer, rootItem, stripe } from "./layout.ts";
import { BtrfsSuperblock, type TreeRoot } from "./superblock.ts";

/** The key of an item: in each tree, items are sorted by these three numbers. */
export interface Key {
  readonly object: bigint;
  readonly type: number;
  readonly offset: bigint;
}

export interface Item extends Key {
  readonly data: Buffer;
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
  /** The size of the device, from its superblock. */
  readonly bytes: number;
  readonly chunks: readonly Chunk[];
  /** The root of the tree with this number, such as 2 for extents; `undefined` if there is none. */
  rootOf(tree: bigint): Promise<TreeRoot | undefined>;
  /** The tree of roots. */
  readonly roots: TreeRoot;
  /** The items of a tree in order, from the first whose key is at least `from`. */
  items(root: TreeRoot, from?: Key): AsyncGenerator<Item>;
}

const deepest = 8;
// DUP. All profiles except this and a single copy need several devices or compute addresses.
const dup = 32n;
const profiles = 0x7f8n;
// Bits 0 to 11, up to RAID1C34. Zoned devices and later formats are not read here.
const knownFeatures = 12n;

/** The data for reading its nodes. */
interface Nodes {
  readonly volume: Reader;
  readonly name: string;
  readonly superblock: BtrfsSuperblock;
  readonly chunks: readonly Chunk[];
}

/**
 * Opens a btrfs. Throws an `environment` fault if it is not supported (several devices, a pending log, or a
 * later format), and an `integrity` fault if it is damaged. `name` is the volume's, for errors.
 */
export async function openBtrfs(volume: Reader, name: string): Promise<Btrfs> {
  const superblock = await superblockOf(volume, name);
  const { sectorBytes, nodeBytes, roots, bytes } = superblock;
  const first: Nodes = { volume, name, superblock, chunks: systemChunks(superblock, name) };
  const chunks: Chunk[] = [];
  for await (const { type, offset, data } of itemsOf(first, superblock.chunkRoot))
    if (type === itemTypes.chunk) chunks.push(chunkOf(offset, data, name));
  const nodes: Nodes = { ...first, chunks };
  return {
    sectorBytes,
    nodeBytes,
    chunks,
    roots,
    bytes,
    items: (root, from) => itemsOf(nodes, root, from),
    async rootOf(tree) {
      const from = { object: tree, type: itemTypes.root, offset: 0n };
      for await (const { object, type, data } of itemsOf(nodes, roots, from)) {
        if (object !== tree || type !== itemTypes.root) return undefined;
        if (data.length <= rootItem.level) throw damaged(name, `the root of tree ${tree}`);
        return {
          at: data.readBigUInt64LE(rootItem.address),
          level: data.readUInt8(rootItem.level),
          lastSnapshot: data.readBigUInt64LE(rootItem.lastSnapshot),
        };
      }
      return undefined;
    },
  };
}

async function superblockOf(volume: Reader, name: string): Promise<BtrfsSuperblock> {
  if (volume.bytes < BtrfsSuperblock.offset + BtrfsSuperblock.bytes) throw damaged(name, "its superblock");
  const data = Buffer.from(await volume.read(BtrfsSuperblock.offset, BtrfsSuperblock.bytes));
  const superblock = new BtrfsSuperblock(data);
  if (!superblock.isBtrfs) throw damaged(name, "its superblock");
  const { sectorBytes, nodeBytes, incompatible } = superblock;
  const isPower = (size: number) => size >= 4096 && size <= 65536 && (size & (size - 1)) === 0;
  if (!isPower(sectorBytes) || !isPower(nodeBytes)) throw damaged(name, `nodes of ${nodeBytes} bytes`);
  if (superblock.devices !== 1n) throw unfit(name, "has several devices");
  if (superblock.hasLog) throw unfit(name, "has a log that must be replayed");
  if (incompatible >> knownFeatures !== 0n)
    throw unfit(name, `has features that tbuild does not know (0x${incompatible.toString(16)})`);
  return superblock;
}

/** The items of a tree in order, from the first whose key is at least `from`. */
async function* itemsOf(nodes: Nodes, root: TreeRoot, from?: Key, seen = { nodes: 0 }): AsyncGenerator<Item> {
  const { volume, name, superblock } = nodes;
  if (root.level > deepest) throw damaged(name, `a tree of ${root.level} levels`);
  // Nodes that point at the same node again and again would never end.
  if (++seen.nodes > volume.bytes / superblock.nodeBytes)
    throw damaged(name, "a tree with more nodes than fit on the device");
  const data = await nodeAt(nodes, root);
  if (root.level === 0) {
    yield* itemsIn(data, name, from);
    return;
  }
  const count = data.readUInt32LE(head.items);
  for (let index = 0; index < count; index++) {
    const at = head.bytes + index * pointer.bytes;
    const isLast = index + 1 === count;
    // Everything below this pointer is before `from`.
    if (from && !isLast && compare(keyAt(data, at + pointer.bytes), from) <= 0) continue;
    const below = { at: data.readBigUInt64LE(at + pointer.address), level: root.level - 1 };
    yield* itemsOf(nodes, below, from, seen);
  }
}

function* itemsIn(leaf: Buffer, name: string, from: Key | undefined): Generator<Item> {
  const count = leaf.readUInt32LE(head.items);
  for (let index = 0; index < count; index++) {
    const at = head.bytes + index * leafItem.bytes;
    const key = keyAt(leaf, at);
    if (from && compare(key, from) < 0) continue;
    const start = head.bytes + leaf.readUInt32LE(at + leafItem.start);
    const end = start + leaf.readUInt32LE(at + leafItem.size);
    if (end > leaf.length) throw damaged(name, "an item is beyond the end of its node");
    yield { ...key, data: leaf.subarray(start, end) };
  }
}

async function nodeAt(nodes: Nodes, { at, level }: TreeRoot): Promise<Buffer> {
  const { volume, name, superblock } = nodes;
  const { nodeBytes } = superblock;
  const place = physical(nodes, at);
  if (place + nodeBytes > volume.bytes) throw damaged(name, `a node at ${place} is beyond its end`);
  const data = Buffer.from(await volume.read(place, nodeBytes));
  const size = level === 0 ? leafItem.bytes : pointer.bytes;
  const isWhole = head.bytes + data.readUInt32LE(head.items) * size <= nodeBytes;
  const isRight = data.readBigUInt64LE(head.address) === at && data.readUInt8(head.level) === level;
  if (!isRight || !isWhole || !isOwn(data, superblock)) throw damaged(name, `the node at ${place}`);
  return data;
}

function physical({ chunks, name }: Nodes, logical: bigint): number {
  const chunk = chunks.find((one) => logical >= one.logical && logical < one.logical + BigInt(one.bytes));
  const [first] = chunk?.copies ?? [];
  if (!chunk || first === undefined) throw damaged(name, `no chunk has the address ${logical}`);
  return first + Number(logical - chunk.logical);
}

function systemChunks({ systemChunks: array }: BtrfsSuperblock, name: string): Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 0; at + key.bytes + chunk.bytes <= array.length; ) {
    const { offset } = keyAt(array, at);
    const start = at + key.bytes;
    const end = start + chunk.bytes + array.readUInt16LE(start + chunk.stripes) * stripe.bytes;
    if (end > array.length) throw damaged(name, "its list of system chunks");
    chunks.push(chunkOf(offset, array.subarray(start, end), name));
    at = end;
  }
  return chunks;
}

function chunkOf(logical: bigint, data: Buffer, name: string): Chunk {
  if (data.length < chunk.bytes) throw damaged(name, "a chunk");
  const [type, stripes] = [data.readBigUInt64LE(chunk.type), data.readUInt16LE(chunk.stripes)];
  if (data.length < chunk.bytes + stripes * stripe.bytes || stripes === 0) throw damaged(name, "a chunk");
  if ((type & profiles & ~dup) !== 0n) throw unfit(name, "spreads its data by a RAID profile");
  const copies = Array.from({ length: stripes }, (_, index) =>
    Number(data.readBigUInt64LE(chunk.bytes + index * stripe.bytes + stripe.offset)),
  );
  return { logical, bytes: Number(data.readBigUInt64LE(chunk.length)), copies };
}

export function keyAt(data: Buffer, at: number): Key {
  return {
    object: data.readBigUInt64LE(at + key.object),
    type: data.readUInt8(at + key.type),
    offset: data.readBigUInt64LE(at + key.offset),
  };
}

function compare(one: Key, other: Key): number {
  if (one.object !== other.object) return one.object < other.object ? -1 : 1;
  if (one.type !== other.type) return one.type - other.type;
  return one.offset === other.offset ? 0 : one.offset < other.offset ? -1 : 1;
}

// A node has the id of its file system, or the id with which it was made (the feature metadata_uuid).
function isOwn(node: Buffer, { uuid, metadataUuid }: BtrfsSuperblock): boolean {
  const own = node.subarray(head.fsid, head.fsid + 16);
  return own.equals(uuid) || own.equals(metadataUuid);
}

export function damaged(name: string, what: string): TbuildError {
  return new TbuildError("integrity", `its btrfs is damaged: ${what}`, {
    subject: name,
    hint: "Check it on a machine that can mount it: btrfs check",
  });
}

function unfit(name: string, what: string): TbuildError {
  return new TbuildError("environment", `its btrfs ${what}`, {
    subject: name,
    hint: "Mount it once on a machine whose kernel supports it.",
  });
}
