import { stringOf } from "../names.ts";
import type { Stat } from "../tree.ts";
import { at, attributesMagic, flag, kindOf, mapBytes, oldInodeBytes, sizeOf } from "./inode-fields.ts";

/** An inode as it is stored, to be read. */
export class StoredInode {
  readonly #data: Buffer;

  constructor(data: Uint8Array) {
    this.#data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }

  copy(): StoredInode {
    return new StoredInode(Uint8Array.from(this.#data));
  }
  get kind(): Stat["kind"] {
    return kindOf(this.#data);
  }
  get mode(): number {
    return this.#data.readUInt16LE(at.mode) & 0o7777;
  }
  get uid(): number {
    return this.#data.readUInt16LE(at.uid) + this.#data.readUInt16LE(at.uidHigh) * 65536;
  }
  get gid(): number {
    return this.#data.readUInt16LE(at.gid) + this.#data.readUInt16LE(at.gidHigh) * 65536;
  }
  get size(): number {
    return sizeOf(this.#data);
  }
  get flags(): number {
    return this.#data.readUInt32LE(at.flags);
  }
  /** The flags that chattr set. */
  get locked(): string {
    return `${this.flags & flag.immutable ? "i" : ""}${this.flags & flag.append ? "a" : ""}`;
  }
  get block(): Buffer {
    return this.#data.subarray(at.block, at.block + mapBytes);
  }
  get attributeBlock(): number {
    return this.#data.readUInt32LE(at.attributes) + this.#data.readUInt16LE(at.attributesHigh) * 2 ** 32;
  }
  /** A short target is stored in the inode. */
  fastTarget(): Uint8Array | undefined {
    return this.size < mapBytes && !(this.flags & flag.extents)
      ? this.block.subarray(0, this.size)
      : undefined;
  }
  /** The extended attributes that fit into the inode. */
  insideAttributes(): Buffer | undefined {
    if (this.#data.length <= oldInodeBytes) return undefined;
    const start = at.extra + this.#data.readUInt16LE(at.extra);
    if (start + 4 > this.#data.length || this.#data.readUInt32LE(start) !== attributesMagic) return undefined;
    return this.#data.subarray(start + 4);
  }
}

const attributePrefixes: Readonly<Record<number, string>> = {
  1: "user.",
  2: "system.posix_acl_access",
  3: "system.posix_acl_default",
  4: "trusted.",
  6: "security.",
  7: "system.",
};

/** The header of a block of attributes. */
export const attributeHeaderBytes = 32;

/** Reads a table of extended attributes (struct ext4_xattr_entry) into `into`. */
export function parseAttributes(table: Buffer, values: Buffer, into: Map<string, Uint8Array>): void {
  for (let at = 0; at + 16 <= table.length && table.readUInt32LE(at) !== 0; ) {
    const length = table.readUInt8(at);
    const name = stringOf(table.subarray(at + 16, at + 16 + length));
    const offset = table.readUInt16LE(at + 2);
    const prefix = attributePrefixes[table.readUInt8(at + 1)] ?? "";
    into.set(`${prefix}${name}`, values.subarray(offset, offset + table.readUInt32LE(at + 8)));
    at += 16 + Math.ceil(length / 4) * 4;
  }
}
