import { damaged } from "./faults.ts";

export type Counted = "blocks" | "inodes" | "dirs";

/** Offsets in struct ext4_group_desc, low half and high half (Linux, Documentation/filesystems/ext4/group_descr.rst). */
const at = {
  blockBitmap: [0x00, 0x20],
  inodeBitmap: [0x04, 0x24],
  inodeTable: [0x08, 0x28],
  blocks: [0x0c, 0x2c],
  inodes: [0x0e, 0x2e],
  dirs: [0x10, 0x30],
  blockBitmapSum: [0x18, 0x38],
  inodeBitmapSum: [0x1a, 0x3a],
  unused: [0x1c, 0x32],
} as const;
const flagsAt = 0x12;
/** Where the checksum of a descriptor is, and where the part begins that only 64-bit file systems have. */
export const descriptor = { sumAt: 0x1e, highAt: 0x20 } as const;

export const inodesUninit = 1;
export const blocksUninit = 2;

/** A group descriptor and the two bitmaps of the group. */
export class Group {
  readonly data: Buffer;
  readonly #hasFlags: boolean;
  blocks: Buffer = Buffer.alloc(0);
  inodes: Buffer = Buffer.alloc(0);
  isChanged = false;
  /** No block or inode before these is free, so searches need not start from the beginning. */
  blocksFrom = 0;
  inodesFrom = 0;

  constructor(data: Buffer, hasFlags: boolean) {
    this.data = data;
    this.#hasFlags = hasFlags;
  }

  get blocksAt(): number {
    return this.#place("blockBitmap");
  }
  get inodesAt(): number {
    return this.#place("inodeBitmap");
  }
  get tableAt(): number {
    return this.#place("inodeTable");
  }
  get flags(): number {
    return this.#hasFlags ? this.data.readUInt16LE(flagsAt) : 0;
  }
  get unused(): number {
    return this.#get("unused");
  }
  set unused(value: number) {
    this.#count("unused", value);
  }
  free(what: Counted): number {
    return this.#get(what);
  }
  add(what: Counted, by: number): void {
    this.#count(what, this.#get(what) + by);
  }
  /** The checksum of a bitmap as stored; small descriptors have only its low half. */
  bitmapSum(of: "blocks" | "inodes"): number {
    return this.#get(of === "blocks" ? "blockBitmapSum" : "inodeBitmapSum");
  }
  setBitmapSum(of: "blocks" | "inodes", sum: number): void {
    this.#set(of === "blocks" ? "blockBitmapSum" : "inodeBitmapSum", sum);
  }
  get sum(): number {
    return this.data.readUInt16LE(descriptor.sumAt);
  }
  set sum(value: number) {
    this.data.writeUInt16LE(value, descriptor.sumAt);
  }
  get isWide(): boolean {
    return this.data.length >= 64;
  }

  #place(what: "blockBitmap" | "inodeBitmap" | "inodeTable"): number {
    const [low, high] = at[what];
    return this.data.readUInt32LE(low) + (this.isWide ? this.data.readUInt32LE(high) * 2 ** 32 : 0);
  }
  #get(what: keyof typeof at): number {
    const [low, high] = at[what];
    return this.data.readUInt16LE(low) + (this.isWide ? this.data.readUInt16LE(high) * 65536 : 0);
  }
  #count(what: Counted | "unused", value: number): void {
    if (value < 0) throw damaged(`a group has a negative count of ${what}`);
    this.#set(what, value);
  }
  #set(what: keyof typeof at, value: number): void {
    const [low, high] = at[what];
    this.data.writeUInt16LE(value % 65536, low);
    if (this.isWide) this.data.writeUInt16LE(Math.floor(value / 65536), high);
  }
}
