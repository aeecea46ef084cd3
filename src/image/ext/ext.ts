import { TbuildError } from "../../errors.ts";
import type { Reader } from "../../io/reader.ts";
import type { Place } from "../disk/file-places.ts";
import { stringOf } from "../names.ts";
import type { Stat } from "../tree.ts";
import { unreadable } from "./faults.ts";
import { geometryOf } from "./geometry.ts";
import { Paths } from "./paths.ts";
import { runsOf, type Source } from "./runs.ts";
import { attributeHeaderBytes, parseAttributes, type StoredInode } from "./stored-inode.ts";
import { Superblock } from "./superblock.ts";

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
  /** It records in a block which host has mounted it (MMP). */
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

export async function openExt(reader: Reader): Promise<Ext> {
  const sb = await Superblock.of(reader);
  const geometry = geometryOf(sb);
  const { blockBytes, inodeBytes } = geometry;
  const source = { reader, blockBytes };
  const paths = new Paths(reader, geometry);
  const stats = new Map<number, Stat>();
  const shared = sharedStats();

  async function fileAt(path: string): Promise<StoredInode> {
    const found = await paths.lookUp(path);
    if (found?.kind !== "file") throw new TbuildError("guest", "no such file", { subject: path });
    return found;
  }

  async function statOf(found: StoredInode): Promise<Stat> {
    const label = (await attributesOf(source, found)).get("security.selinux");
    const { kind, mode, uid, gid, size, locked } = found;
    return {
      kind,
      mode,
      uid,
      gid,
      size,
      ...(kind === "link" && { target: stringOf(found.fastTarget() ?? (await paths.content(found))) }),
      ...(label && { label: stringOf(label).replace(/\0$/, "") }),
      ...(locked !== "" && { locked }),
    };
  }

  return {
    isDirty: sb.has("incompatible", "needs_recovery") || sb.lastOrphan !== 0,
    hasErrors: !sb.isClean,
    inodeBytes,
    hasQuota: sb.has("readOnly", "quota"),
    hasExtents: sb.has("incompatible", "extent"),
    isGuarded: sb.has("incompatible", "mmp"),
    async stat(path) {
      const number = await paths.numberOf(path);
      if (number === undefined) return undefined;
      const kept = stats.get(number);
      if (kept) return kept;
      const found = shared(await statOf(await paths.inode(number)));
      stats.set(number, found);
      return found;
    },
    async list(dir) {
      const number = await paths.numberOf(dir);
      return [...((number === undefined ? undefined : await paths.namesIn(number))?.keys() ?? [])];
    },
    readFile: async (path) => paths.content(await fileAt(path)),
    async *parts(path) {
      yield* partsOf(source, await fileAt(path));
    },
    async places(path) {
      const found = await paths.lookUp(path);
      if (found?.kind !== "file" || sb.has("readOnly", "shared_blocks")) return undefined;
      return placesOf(source, found);
    },
    async attributes(path) {
      const found = await paths.lookUp(path);
      return found ? attributesOf(source, found) : new Map();
    },
  };
}

async function attributesOf(
  { reader, blockBytes }: Source,
  of: StoredInode,
): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const inside = of.insideAttributes();
  if (inside) parseAttributes(inside, inside, found);
  if (of.attributeBlock !== 0) {
    const block = Buffer.from(await reader.read(of.attributeBlock * blockBytes, blockBytes));
    parseAttributes(block.subarray(attributeHeaderBytes), block, found);
  }
  return found;
}

async function* partsOf(source: Source, found: StoredInode): AsyncGenerator<Uint8Array> {
  const { reader, blockBytes } = source;
  let at = 0;
  for await (const { logical, physical, count } of runsOf(source, found)) {
    yield* zeros(Math.min(logical * blockBytes, found.size) - at);
    at = Math.max(at, Math.min(logical * blockBytes, found.size));
    const end = Math.min((logical + count) * blockBytes, found.size);
    for (let from = physical * blockBytes; at < end; ) {
      const data = await reader.read(from, Math.min(partBytes, end - at));
      yield data;
      [at, from] = [at + data.length, from + data.length];
    }
  }
  yield* zeros(found.size - at);
}

async function placesOf(source: Source, found: StoredInode): Promise<readonly Place[] | undefined> {
  const { reader, blockBytes } = source;
  const places: { offset: number; bytes: number }[] = [];
  let next = 0;
  for await (const { logical, physical, count } of runsOf(source, found, { withUnwritten: true })) {
    if (logical !== next) return undefined;
    next += count;
    const [offset, bytes] = [physical * blockBytes, count * blockBytes];
    if (offset + bytes > reader.bytes) throw unreadable(`a file that ends at byte ${offset + bytes}`);
    const last = places.at(-1);
    if (last && last.offset + last.bytes === offset) last.bytes += bytes;
    else places.push({ offset, bytes });
  }
  return next * blockBytes >= found.size ? places : undefined;
}

const partBytes = 1 << 22;

// Files that are alike, such as a million small ones, share one object.
function sharedStats(): (found: Stat) => Stat {
  const kept = new Map<string, Stat>();
  return (found) => {
    if (found.kind !== "file") return found;
    const { mode, uid, gid, size, label, locked } = found;
    const key = `${mode} ${uid} ${gid} ${size} ${locked} ${label}`;
    const same = kept.get(key);
    if (same) return same;
    if (kept.size >= mostShared) kept.clear();
    kept.set(key, found);
    return found;
  };
}
const mostShared = 1000;

function* zeros(bytes: number): Generator<Uint8Array> {
  for (let left = bytes; left > 0; left -= partBytes) yield new Uint8Array(Math.min(left, partBytes));
}
