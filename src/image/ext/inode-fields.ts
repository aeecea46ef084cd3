/** Offsets in struct ext4_inode (Linux, Documentation/filesystems/ext4/inodes.rst). */
export const at = {
  mode: 0,
  uid: 2,
  size: 4,
  atime: 8,
  ctime: 12,
  mtime: 16,
  dtime: 20,
  gid: 24,
  links: 26,
  sectors: 28,
  flags: 32,
  block: 40,
  generation: 100,
  attributes: 104,
  sizeHigh: 108,
  sectorsHigh: 116,
  attributesHigh: 118,
  uidHigh: 120,
  gidHigh: 122,
  sum: 124,
  /** How many bytes of fields begin here. */
  extra: 128,
  sumHigh: 130,
  /** Nanoseconds, and two more bits of the seconds. */
  ctimeExtra: 132,
  mtimeExtra: 136,
  atimeExtra: 140,
  crtime: 144,
} as const;

export const flag = {
  immutable: 0x10,
  append: 0x20,
  encrypted: 0x800,
  indexed: 0x1000,
  huge: 0x40000,
  extents: 0x80000,
  verity: 0x100000,
  pastEnd: 0x400000,
  inline: 0x10000000,
} as const;

/** The flags by which chattr locks a file, by their letters: immutable and append-only. */
export const lockFlags: Readonly<Record<string, number>> = { i: flag.immutable, a: flag.append };

/** The inode of the root folder. */
export const rootInode = 2;

/** The bytes of the block map, or of a short link's target. */
export const mapBytes = 60;
/** The bytes of an inode before its `extra` fields. */
export const oldInodeBytes = 128;
export const extentMagic = 0xf30a;
/** An extent that was allocated and never written has a length beyond this. */
export const mostWritten = 32768;
export const attributesMagic = 0xea020000;

export function kindOf(inode: Buffer): "file" | "dir" | "link" | "other" {
  return ({ 4: "dir", 8: "file", 10: "link" } as const)[inode.readUInt16LE(at.mode) >> 12] ?? "other";
}

export function sizeOf(inode: Buffer): number {
  return inode.readUInt32LE(at.size) + inode.readUInt32LE(at.sizeHigh) * 2 ** 32;
}
