import { TbuildError } from "../../errors.ts";
import type { Reader } from "../../io/reader.ts";
import { stringOf } from "../names.ts";
import type { Stat } from "../tree.ts";
import { namedFeatures, unnamedFeatures } from "./features.ts";
import { Unfit } from "./volume.ts";

/** An ext2, ext3 or ext4 file system, read in process: microseconds instead of starting a program. */
export interface Ext {
  /** The journal contains changes that are not in place yet, or there are orphaned files. */
  readonly isDirty: boolean;
  /** It was not unmounted and has no journal, or it recorded errors. */
  readonly hasErrors: boolean;
  readonly inodeBytes: number;
  /** It has quota files. */
  readonly hasQuota: boolean;
  /** New files use extents. */
  readonly hasExtents: boolean;
  /** It records in a block who has mounted it (MMP). */
  readonly isGuarded: boolean;
  stat(path: string): Promise<Stat | undefined>;
  list(dir: string): Promise<string[]>;
  readFile(path: string): Promise<Uint8Array>;
  /** The contents of a file in parts of at most 4 MiB. */
  parts(path: string): AsyncGenerator<Uint8Array>;
  /**
   * The locations of a file's blocks in file order, including blocks that were allocated but never written. `undefined`
   * if a block is missing, or the file has no blocks of its own.
   */
  places(path: string): Promise<readonly Place[] | undefined>;
  /** All extended attributes, as stored on the disk. */
  attributes(path: string): Promise<ReadonlyMap<string, Uint8Array>>;
}

/** A byte range of a file system. */
export interface Place {
  readonly offset: number;
  readonly bytes: number;
}

export async function openExt(reader: Reader): Promise<Ext> {
  const sb = superblock(await reader.read(1024, 1024));
  const namesKept = new Map<number, Map<string, number>>();
  // For folders only, which every path passes. A guest has too many files.
  const inodes = new Map<number, Inode>();
  const stats = new Map<number, Stat>();

  async function inode(number: number): Promise<Inode> {
    const kept = inodes.get(number);
    if (kept) return kept;
    if (number < 1 || number > sb.inodes) throw damaged(`inode ${number} is none of its ${sb.inodes}`);
    const group = Math.floor((number - 1) / sb.inodesPerGroup);
    const descriptor = view(
      await reader.read(sb.descriptorsAt + group * sb.descriptorBytes, sb.descriptorBytes),
    );
    const high = sb.descriptorBytes >= 64 ? descriptor.getUint32(40, true) : 0;
    const table = descriptor.getUint32(8, true) + high * 2 ** 32;
    const at = table * sb.blockBytes + ((number - 1) % sb.inodesPerGroup) * sb.inodeBytes;
    const read = new Inode(await reader.read(at, sb.inodeBytes));
    // A copy, because a slice would keep the larger buffer alive.
    if (read.kind === "dir") inodes.set(number, read.copy());
    return read;
  }

  async function numberOf(path: string): Promise<number | undefined> {
    let number = rootInode;
    const above = new Set<number>();
    for (const name of path.split("/").filter((part) => part !== "")) {
      if (above.has(number)) throw damaged(`the folder ${path} stands in itself`);
      above.add(number);
      const names = namesKept.get(number) ?? (await namesIn(number));
      const next = names?.get(name);
      if (next === undefined) return undefined;
      number = next;
    }
    return number;
  }

  async function lookUp(path: string): Promise<Inode | undefined> {
    const number = await numberOf(path);
    return number === undefined ? undefined : inode(number);
  }

  // `undefined` if it is not a folder.
  async function namesIn(number: number): Promise<Map<string, number> | undefined> {
    const kept = namesKept.get(number);
    if (kept) return kept;
    const found = await inode(number);
    if (found.kind !== "dir") return undefined;
    const read = entries(await content(found), sb.blockBytes);
    namesKept.set(number, read);
    return read;
  }

  async function content(of: Inode): Promise<Uint8Array> {
    if (of.size > largestFile)
      throw new TbuildError("guest", `file of ${of.size} bytes: too large to read as a whole`);
    if (of.kind === "dir" && of.size > reader.bytes) throw damaged(`a folder of ${of.size} bytes`);
    if (of.kind === "link" && of.size > longestTarget) throw damaged(`a link of ${of.size} bytes`);
    const data = new Uint8Array(of.size);
    for await (const run of runs(of)) {
      const start = run.logical * sb.blockBytes;
      if (start >= of.size) continue;
      const length = Math.min(run.count * sb.blockBytes, of.size - start);
      if (length > 0) data.set(await reader.read(run.physical * sb.blockBytes, length), start);
    }
    return data;
  }

  async function* runs(of: Inode, withUnwritten = false): AsyncGenerator<Run> {
    if (of.flags & inlineFlag) throw new Unfit("a file with inline data, which is not read directly");
    if (of.flags & extentsFlag) yield* extents(of.block, { logical: 0, withUnwritten }, undefined);
    else yield* mapped(of);
  }

  // `next` only grows, so a cyclic tree ends here.
  async function* extents(
    node: Uint8Array,
    next: { logical: number; readonly withUnwritten: boolean },
    level: number | undefined,
  ): AsyncGenerator<Run> {
    const bytes = view(node);
    const [count, levels] = [bytes.getUint16(2, true), bytes.getUint16(6, true)];
    const isSane =
      bytes.getUint16(0, true) === 0xf30a && 12 + count * 12 <= node.length && levels <= (level ?? 5);
    if (!isSane || (level !== undefined && levels !== level)) throw damaged("an extent tree");
    for (let at = 12; at < 12 + count * 12; at += 12)
      if (levels > 0) {
        const child = bytes.getUint32(at + 4, true) + bytes.getUint16(at + 8, true) * 2 ** 32;
        yield* extents(await reader.read(child * sb.blockBytes, sb.blockBytes), next, levels - 1);
      } else {
        const length = bytes.getUint16(at + 4, true);
        const logical = bytes.getUint32(at, true);
        if (length === 0 || logical < next.logical) throw damaged("an extent tree");
        const blocks = length > 32768 ? length - 32768 : length;
        next.logical = logical + blocks;
        const physical = bytes.getUint32(at + 8, true) + bytes.getUint16(at + 6, true) * 2 ** 32;
        // More than 32768 means allocated but never written, which reads as zeros.
        if (length <= 32768 || next.withUnwritten) yield { logical, physical, count: blocks };
      }
  }

  async function* mapped(of: Inode): AsyncGenerator<Run> {
    const perBlock = sb.blockBytes / 4;
    const blocks = Math.ceil(of.size / sb.blockBytes);
    const top = view(of.block);
    let left = reader.bytes / sb.blockBytes;
    async function* below(block: number, level: number, logical: number): AsyncGenerator<Run> {
      if (block === 0 || logical >= blocks) return;
      // A cyclic map names more blocks than there are.
      if (--left < 0) throw damaged("a file has more blocks than there are");
      if (level === 0) return void (yield { logical, physical: block, count: 1 });
      const node = view(await reader.read(block * sb.blockBytes, sb.blockBytes));
      for (let i = 0; i < perBlock; i++)
        yield* below(node.getUint32(i * 4, true), level - 1, logical + i * perBlock ** (level - 1));
    }
    for (let i = 0; i < 12; i++) yield* below(top.getUint32(i * 4, true), 0, i);
    let logical = 12;
    for (const level of [1, 2, 3]) {
      yield* below(top.getUint32((11 + level) * 4, true), level, logical);
      logical += perBlock ** level;
    }
  }

  async function attributesOf(of: Inode): Promise<Map<string, Uint8Array>> {
    const found = new Map<string, Uint8Array>();
    const inside = of.insideAttributes();
    if (inside) parseAttributes(inside, inside, found);
    if (of.attributeBlock !== 0) {
      const block = await reader.read(of.attributeBlock * sb.blockBytes, sb.blockBytes);
      parseAttributes(block.subarray(32), block, found);
    }
    return found;
  }

  async function statOf(found: Inode): Promise<Stat> {
    const label = (await attributesOf(found)).get("security.selinux");
    const { kind, mode, uid, gid, size, locked } = found;
    return {
      ...{ kind, mode, uid, gid, size },
      ...(kind === "link" && { target: stringOf(found.fastTarget() ?? (await content(found))) }),
      ...(label && { label: stringOf(label).replace(/\0$/, "") }),
      ...(locked !== "" && { locked }),
    };
  }

  return {
    isDirty: sb.isDirty,
    hasErrors: sb.hasErrors,
    inodeBytes: sb.inodeBytes,
    hasQuota: sb.hasQuota,
    hasExtents: sb.hasExtents,
    isGuarded: sb.isGuarded,
    async stat(path) {
      const number = await numberOf(path);
      if (number === undefined) return undefined;
      const kept = stats.get(number);
      if (kept) return kept;
      const found = await statOf(await inode(number));
      stats.set(number, found);
      return found;
    },
    async list(dir) {
      const number = await numberOf(dir);
      return [...((number === undefined ? undefined : await namesIn(number))?.keys() ?? [])];
    },
    async readFile(path) {
      const found = await lookUp(path);
      if (found?.kind !== "file") throw new TbuildError("guest", "no such file", { subject: path });
      return content(found);
    },
    async *parts(path) {
      const found = await lookUp(path);
      if (found?.kind !== "file") throw new TbuildError("guest", "no such file", { subject: path });
      let at = 0;
      for await (const { logical, physical, count } of runs(found)) {
        yield* zeros(Math.min(logical * sb.blockBytes, found.size) - at);
        at = Math.max(at, Math.min(logical * sb.blockBytes, found.size));
        const end = Math.min((logical + count) * sb.blockBytes, found.size);
        for (let from = physical * sb.blockBytes; at < end; ) {
          const data = await reader.read(from, Math.min(partBytes, end - at));
          yield data;
          [at, from] = [at + data.length, from + data.length];
        }
      }
      yield* zeros(found.size - at);
    },
    async places(path) {
      const found = await lookUp(path);
      if (found?.kind !== "file" || sb.sharesBlocks) return undefined;
      const places: { offset: number; bytes: number }[] = [];
      let next = 0;
      for await (const { logical, physical, count } of runs(found, true)) {
        if (logical !== next) return undefined;
        next += count;
        const [offset, bytes] = [physical * sb.blockBytes, count * sb.blockBytes];
        if (offset + bytes > reader.bytes) throw damaged(`a file that ends at byte ${offset + bytes}`);
        const last = places.at(-1);
        if (last && last.offset + last.bytes === offset) last.bytes += bytes;
        else places.push({ offset, bytes });
      }
      return next * sb.blockBytes >= found.size ? places : undefined;
    },
    async attributes(path) {
      const found = await lookUp(path);
      return found ? attributesOf(found) : new Map();
    },
  };
}

function* zeros(bytes: number): Generator<Uint8Array> {
  for (let left = bytes; left > 0; left -= partBytes) yield new Uint8Array(Math.min(left, partBytes));
}

interface Run {
  readonly logical: number;
  readonly physical: number;
  readonly count: number;
}

const rootInode = 2;
export const extentsFlag = 0x80000;
/** The inode flags by which chattr locks a file: immutable and append-only. */
export const lockFlags: Readonly<Record<string, number>> & { readonly i: number; readonly a: number } = {
  i: 0x10,
  a: 0x20,
};
const inlineFlag = 0x10000000;
const largestFile = 1 << 29;
const partBytes = 1 << 22;
const longestTarget = 4096;

// filetype, recover, extents, 64bit, mmp, flex_bg, csum_seed, largedir: what this reader knows how to take.
const knownIncompatible = 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200 | 0x2000 | 0x4000;

function superblock(block: Uint8Array) {
  const sb = view(block);
  if (sb.getUint16(56, true) !== 0xef53)
    throw new TbuildError("integrity", "no ext file system in it", { subject: "volume" });
  const incompatible = sb.getUint32(96, true);
  const unnamed = unnamedFeatures(incompatible);
  if (unnamed !== 0)
    throw new TbuildError(
      "integrity",
      `has the ${namedFeatures(unnamed, "incompatible")}, which no access method knows`,
      {
        subject: "ext file system",
        hint: "It is newer than tbuild, or damaged. Look at it with e2fsck, on a copy.",
      },
    );
  const unknown = incompatible & ~knownIncompatible;
  if (unknown !== 0)
    throw new Unfit(`has the ${namedFeatures(unknown, "incompatible")}, which is not read directly`);
  const logarithm = sb.getUint32(24, true);
  if (logarithm > 6) throw damaged(`blocks of 2^${10 + logarithm} bytes`);
  const blockBytes = 1024 << logarithm;
  const inodesPerGroup = sb.getUint32(40, true);
  if (inodesPerGroup === 0 || inodesPerGroup > blockBytes * 8)
    throw damaged(`${inodesPerGroup} inodes in a group`);
  const inodeBytes = sb.getUint32(76, true) === 0 ? 128 : sb.getUint16(88, true);
  if (inodeBytes < 128 || inodeBytes > blockBytes || (inodeBytes & (inodeBytes - 1)) !== 0)
    throw damaged(`inodes of ${inodeBytes} bytes`);
  return {
    blockBytes,
    inodesPerGroup,
    inodes: sb.getUint32(0, true),
    inodeBytes,
    descriptorBytes: incompatible & 0x80 ? Math.max(32, sb.getUint16(254, true)) : 32,
    // After the superblock's block. Not from s_first_data_block, which is 0 with bigalloc even for blocks of 1 KiB.
    descriptorsAt: Math.max(blockBytes, 2048),
    isDirty: (incompatible & 0x4) !== 0 || sb.getUint32(232, true) !== 0,
    sharesBlocks: (sb.getUint32(100, true) & 0x4000) !== 0,
    hasExtents: (incompatible & 0x40) !== 0,
    hasQuota: (sb.getUint32(100, true) & 0x100) !== 0,
    isGuarded: (incompatible & 0x100) !== 0,
    // The first bit means that it was unmounted, or has a journal instead.
    hasErrors: (sb.getUint16(58, true) & 0x3) !== 1,
  };
}

const kinds: Readonly<Record<number, Stat["kind"]>> = { 4: "dir", 8: "file", 10: "link" };

class Inode {
  readonly #data: Uint8Array;
  readonly #view: DataView;

  constructor(data: Uint8Array) {
    this.#data = data;
    this.#view = view(data);
  }

  copy(): Inode {
    return new Inode(Uint8Array.from(this.#data));
  }
  get kind(): Stat["kind"] {
    return kinds[this.#view.getUint16(0, true) >> 12] ?? "other";
  }
  get mode(): number {
    return this.#view.getUint16(0, true) & 0o7777;
  }
  get uid(): number {
    return this.#view.getUint16(2, true) + this.#view.getUint16(120, true) * 65536;
  }
  get gid(): number {
    return this.#view.getUint16(24, true) + this.#view.getUint16(122, true) * 65536;
  }
  get size(): number {
    return this.#view.getUint32(4, true) + this.#view.getUint32(108, true) * 2 ** 32;
  }
  get flags(): number {
    return this.#view.getUint32(32, true);
  }
  /** The flags that chattr set. */
  get locked(): string {
    return `${this.flags & lockFlags.i ? "i" : ""}${this.flags & lockFlags.a ? "a" : ""}`;
  }
  get block(): Uint8Array {
    return this.#data.subarray(40, 100);
  }
  get attributeBlock(): number {
    return this.#view.getUint32(104, true) + this.#view.getUint16(118, true) * 2 ** 32;
  }
  /** A short target is stored in the inode. */
  fastTarget(): Uint8Array | undefined {
    return this.size < 60 && !(this.flags & extentsFlag) ? this.block.subarray(0, this.size) : undefined;
  }
  insideAttributes(): Uint8Array | undefined {
    if (this.#data.length <= 128) return undefined;
    const at = 128 + this.#view.getUint16(128, true);
    if (at + 4 > this.#data.length || this.#view.getUint32(at, true) !== 0xea020000) return undefined;
    return this.#data.subarray(at + 4);
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

function parseAttributes(table: Uint8Array, values: Uint8Array, into: Map<string, Uint8Array>): void {
  const bytes = view(table);
  for (let at = 0; at + 16 <= table.length && bytes.getUint32(at, true) !== 0; ) {
    const length = bytes.getUint8(at);
    const name = stringOf(table.subarray(at + 16, at + 16 + length));
    const offset = bytes.getUint16(at + 2, true);
    const prefix = attributePrefixes[bytes.getUint8(at + 1)] ?? "";
    into.set(`${prefix}${name}`, values.subarray(offset, offset + bytes.getUint32(at + 8, true)));
    at += 16 + Math.ceil(length / 4) * 4;
  }
}

// An index block of a hashed folder looks to this loop like one unused entry, which is what it is made for.
function entries(data: Uint8Array, blockBytes: number): Map<string, number> {
  const found = new Map<string, number>();
  const bytes = view(data);
  for (let at = 0; at + 8 <= data.length; ) {
    const number = bytes.getUint32(at, true);
    const length = bytes.getUint16(at + 4, true) || blockBytes;
    if (length < 8 || at + length > data.length || bytes.getUint8(at + 6) + 8 > length)
      throw damaged("a folder");
    const name = stringOf(data.subarray(at + 8, at + 8 + bytes.getUint8(at + 6)));
    if (number !== 0 && /^$|[/\0]/.test(name)) throw damaged("a folder");
    if (number !== 0 && name !== "." && name !== "..") found.set(name, number);
    at += length;
  }
  return found;
}

function damaged(what: string): TbuildError {
  return new TbuildError("integrity", `ext file system: damaged, ${what}`, {
    hint: "Look at it with e2fsck, on a copy.",
  });
}

function view(data: Uint8Array): DataView {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
