// Sizes and offsets of the structures in btrfs's trees (Linux, include/uapi/linux/btrfs_tree.h). All numbers are little-endian.

/** struct btrfs_disk_key */
export const key = { object: 0, type: 8, offset: 9, bytes: 17 } as const;

/** struct btrfs_header, at the start of each node */
export const head = { fsid: 32, address: 48, items: 96, level: 100, bytes: 101 } as const;

/** struct btrfs_item, in leaves: a key, and the offset of the data after the header */
export const leafItem = { start: key.bytes, size: key.bytes + 4, bytes: 25 } as const;

/** struct btrfs_key_ptr, in other nodes */
export const pointer = { address: key.bytes, bytes: 33 } as const;

/** struct btrfs_chunk, up to its stripes; each stripe is a struct btrfs_stripe */
export const chunk = { length: 0, type: 24, stripes: 44, bytes: 48 } as const;
export const stripe = { offset: 8, bytes: 32 } as const;

/** struct btrfs_root_item; older kernels write it up to `level`, newer ones with the UUIDs */
export const rootItem = { address: 176, lastSnapshot: 200, level: 238, parentUuid: 263 } as const;

/** struct btrfs_root_ref, and the name behind it */
export const rootRef = { folder: 0, nameBytes: 16, name: 18 } as const;

/** struct btrfs_inode_ref, and the name behind it */
export const inodeRef = { nameBytes: 8, name: 10 } as const;

/** struct btrfs_inode_item */
export const inodeItem = { size: 16, mode: 52, flags: 64, bytes: 160 } as const;

/** struct btrfs_dir_item: the key of what it names, and the name behind it */
export const dirItem = { nameBytes: 27, name: 30 } as const;

/** struct btrfs_file_extent_item; inline data starts where `address` is */
export const fileExtent = {
  compression: 16,
  encryption: 17,
  kind: 20,
  address: 21,
  diskBytes: 29,
  start: 37,
  length: 45,
  bytes: 53,
} as const;

/** struct btrfs_extent_item */
export const extentItem = { references: 0, generation: 8, bytes: 24 } as const;

/** Types of items. */
export const itemTypes = {
  inode: 1,
  inodeRef: 12,
  dirItem: 84,
  dirIndex: 96,
  fileExtent: 108,
  root: 132,
  rootRef: 156,
  extent: 168,
  metadata: 169,
  chunk: 228,
} as const;

/** Fixed numbers of trees and inodes. */
export const objects = { extentTree: 2n, top: 5n, rootsFolder: 6n, firstFree: 256n } as const;
