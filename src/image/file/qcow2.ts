import { dirname, resolve } from "node:path";
import { promisify } from "node:util";
import { inflateRaw } from "node:zlib";
import { type ErrorCode, TbuildError } from "../../errors.ts";
import type { Compression } from "../../io/compression.ts";
import { fileWord } from "../../io/escape.ts";
import type { Reader } from "../../io/reader.ts";

/** The header of a qcow2 file. */
export interface Qcow2Header {
  readonly clusterBytes: number;
  /** Of the disk. */
  readonly bytes: number;
  readonly l1At: number;
  readonly l1Entries: number;
  /** The path of the backing file. */
  readonly backing?: string;
  /** The offset of its table of snapshots in the file, and their number. */
  readonly snapshots: { readonly at: number; readonly count: number };
  readonly compression: "zlib" | "zstd";
  /** Its reference counts: the offset of the table, its size in clusters, and the bits of a count. */
  readonly refcounts: {
    readonly at: number;
    readonly clusters: number;
    readonly bits: number;
    /** They were not written when the file was last closed. */
    readonly isDirty: boolean;
  };
  /** Bytes of an L2 entry: 16 with extended L2 entries, which divide a cluster into 32 subclusters. */
  readonly entryBytes: 8 | 16;
}

/** Offsets in the header (docs/interop/qcow2.rst of qemu). Those from `incompatible` on are in version 3 only. */
const at = {
  version: 4,
  backingName: 8,
  backingBytes: 16,
  clusterBits: 20,
  size: 24,
  encryption: 32,
  l1Entries: 36,
  l1: 40,
  refcounts: 48,
  refcountClusters: 56,
  snapshotCount: 60,
  snapshots: 64,
  incompatible: 72,
  refcountOrder: 96,
  end: 104,
  compression: 104,
} as const;
/** Incompatible features. Those above bit 31 are in the word before. */
const feature = { dirty: 0x1, corrupt: 0x2, externalData: 0x4, compression: 0x8, extendedL2: 0x10 } as const;
const knownFeatures = Object.values(feature).reduce((sum, bit) => sum | bit, 0);
/** The upper word of an L2 entry, and the lower. */
const packedFlag = 0x40000000;
const zeroFlag = 0x1;
const mostL1Entries = 32 * 1024 * 1024;
const mostNameBytes = 1023;

/** Reads the header. Throws for an image that is encrypted, damaged, or has unknown features. */
export async function qcow2Header(file: string, reader: Reader): Promise<Qcow2Header> {
  const head = Buffer.from(await reader.read(0, Math.min(reader.bytes, 65536)));
  if (head.length < at.end) throw cutOff(file, reader.bytes, at.end);
  const version = head.readUInt32BE(at.version);
  if (version !== 2 && version !== 3) throw unknown(file, `qcow version ${version}`);
  const clusterBits = head.readUInt32BE(at.clusterBits);
  if (clusterBits < 9 || clusterBits > 21) throw unknown(file, `clusters of 2^${clusterBits} bytes`);
  if (head.readUInt32BE(at.encryption) !== 0)
    throw new TbuildError("environment", "is encrypted", {
      subject: file,
      hint: "Nothing was changed. Convert it with qemu-img and its key to an unencrypted image.",
    });
  const features = version === 3 ? head.readUInt32BE(at.incompatible + 4) : 0;
  refuseFeatures(file, features);
  if (version === 3 && head.readUInt32BE(at.incompatible) !== 0) throw unknown(file, "an unknown feature");
  const order = version === 3 ? head.readUInt32BE(at.refcountOrder) : 4;
  if (order > 6) throw unknown(file, `counts of 2^${order} bits`);
  const packing = features & feature.compression ? head.readUInt8(at.compression) : 0;
  if (packing > 1) throw unknown(file, `compression ${packing}`);
  const entryBytes = features & feature.extendedL2 ? 16 : 8;
  const header = {
    clusterBytes: 2 ** clusterBits,
    bytes: number64(head, at.size),
    l1Entries: head.readUInt32BE(at.l1Entries),
    l1At: number64(head, at.l1),
    snapshots: { count: head.readUInt32BE(at.snapshotCount), at: number64(head, at.snapshots) },
    refcounts: {
      at: number64(head, at.refcounts),
      clusters: head.readUInt32BE(at.refcountClusters),
      bits: 2 ** order,
      isDirty: (features & feature.dirty) !== 0,
    },
    compression: packing === 1 ? ("zstd" as const) : ("zlib" as const),
    entryBytes: entryBytes as 8 | 16,
  };
  const needed = Math.ceil(header.bytes / (header.clusterBytes * (header.clusterBytes / entryBytes)));
  if (!Number.isSafeInteger(header.bytes) || header.l1Entries < needed || header.l1Entries > mostL1Entries)
    throw new TbuildError("integrity", "its size contradicts its tables", {
      subject: file,
      hint: `See: qemu-img check ${fileWord(file)}`,
    });
  const l1End = header.l1At + header.l1Entries * 8;
  if (l1End > reader.bytes) throw cutOff(file, reader.bytes, l1End);
  const [nameAt, nameBytes] = [number64(head, at.backingName), head.readUInt32BE(at.backingBytes)];
  if (nameAt === 0) return header;
  const name = head.toString("utf8", nameAt, nameAt + Math.min(nameBytes, mostNameBytes));
  return { ...header, backing: backingPath(file, name) };
}

/** The disk in a qcow2 file. */
export interface Qcow2Disk extends Reader {
  /** Some of its clusters are compressed. */
  readonly isPacked: boolean;
}

/** The disk in a qcow2 file. Before any read, every cluster that it names is checked to exist. */
export async function qcow2Reader(
  file: string,
  reader: Reader,
  header: Qcow2Header,
  backing: Reader | undefined,
): Promise<Qcow2Disk> {
  const { clusterBytes, bytes, entryBytes } = header;
  const perTable = clusterBytes / entryBytes;
  // The smallest part that may be allocated or not.
  const partBytes = entryBytes === 16 ? clusterBytes / 32 : clusterBytes;
  const l1 = Buffer.from(await reader.read(header.l1At, header.l1Entries * 8));
  const isPacked = await checkComplete(file, reader, l1, header);
  const unpacked = new Map<number, Uint8Array>();
  let zstd: Compression | undefined;

  async function entryOf(cluster: number, inside: number): Promise<Entry> {
    const table = tableAt(l1, Math.floor(cluster / perTable));
    if (table === 0) return { kind: "below" };
    const at = table + (cluster % perTable) * entryBytes;
    const entry = Buffer.from(await reader.read(at, entryBytes));
    const high = entry.readUInt32BE(0);
    if (high & packedFlag) return { kind: "packed", cluster, ...packedPlace(entry, clusterBytes) };
    const offset = tableAt(entry, 0);
    if (entryBytes === 16) {
      // docs/interop/qcow2.rst of qemu, "Extended L2 Entries": which subclusters read as zeros, and which are allocated.
      const part = inside / partBytes;
      if ((entry.readUInt32BE(8) >>> part) & 1) return { kind: "zero" };
      return (entry.readUInt32BE(12) >>> part) & 1 ? { kind: "data", offset } : { kind: "below" };
    }
    if (entry.readUInt32BE(4) & zeroFlag) return { kind: "zero" };
    return offset === 0 ? { kind: "below" } : { kind: "data", offset };
  }

  async function part(entry: Entry, disk: number, inside: number, length: number): Promise<Uint8Array> {
    if (entry.kind === "data") return readPadded(reader, entry.offset + inside, length);
    if (entry.kind === "packed") return (await unpack(entry)).subarray(inside, inside + length);
    if (entry.kind === "zero" || !backing || disk >= backing.bytes) return new Uint8Array(length);
    return readPadded(backing, disk, length);
  }

  async function unpack({ cluster, offset, packedBytes }: PackedEntry): Promise<Uint8Array> {
    const kept = unpacked.get(cluster);
    if (kept) return kept;
    const packed = await reader.read(offset, Math.min(packedBytes, reader.bytes - offset));
    const found = await unpackCluster(Buffer.from(packed)).catch((cause) => {
      throw new TbuildError("integrity", `a damaged compressed cluster at ${offset}`, {
        subject: file,
        cause,
      });
    });
    if (found.length < clusterBytes)
      throw new TbuildError("integrity", `a compressed cluster at ${offset} that is cut off`, {
        subject: file,
      });
    if (unpacked.size >= 64) unpacked.clear();
    unpacked.set(cluster, found);
    return found;
  }

  async function unpackCluster(packed: Buffer): Promise<Uint8Array> {
    if (header.compression === "zlib")
      return inflated(packed, { maxOutputLength: clusterBytes, finishFlush: 2 });
    const { frameBytes, openCompression } = await import("../../io/compression.ts");
    zstd ??= await openCompression();
    // After the frame, the last sector contains old data.
    return zstd.decompress(packed.subarray(0, frameBytes(packed) ?? 0));
  }

  return {
    bytes,
    isPacked,
    async read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > bytes)
        throw new TbuildError("integrity", `byte ${offset + length} is beyond its end (${bytes} bytes)`, {
          subject: file,
        });
      const found: Uint8Array[] = [];
      for (let at = offset; at < offset + length; ) {
        const inside = at % clusterBytes;
        const start = inside - (inside % partBytes);
        const take = Math.min(start + partBytes - inside, offset + length - at);
        found.push(await part(await entryOf(Math.floor(at / clusterBytes), start), at, inside, take));
        at += take;
      }
      return found.length === 1 && found[0] ? found[0] : Buffer.concat(found);
    },
  };
}

type Entry =
  | { readonly kind: "below" }
  | { readonly kind: "zero" }
  | { readonly kind: "data"; readonly offset: number }
  | PackedEntry;

interface PackedEntry {
  readonly kind: "packed";
  readonly cluster: number;
  readonly offset: number;
  readonly packedBytes: number;
}

const inflated = promisify(inflateRaw);

// A compressed cluster's entry: its offset, and how many further sectors it reaches into.
function packedPlace(entry: Buffer, clusterBytes: number): { offset: number; packedBytes: number } {
  const word = entry.readBigUInt64BE(0) & 0x3fffffffffffffffn;
  const shift = BigInt(62 - (Math.log2(clusterBytes) - 8));
  const offset = Number(word & ((1n << shift) - 1n));
  return { offset, packedBytes: (Number(word >> shift) + 1) * 512 - (offset % 512) };
}

/** Whether any cluster is compressed. Throws if one is missing. */
async function checkComplete(
  file: string,
  reader: Reader,
  l1: Buffer,
  { clusterBytes, entryBytes }: Qcow2Header,
): Promise<boolean> {
  let [end, isPacked] = [0, false];
  const seen = new Set<number>();
  for (let at = 0; at < l1.length / 8; at++) {
    const table = tableAt(l1, at);
    if (table === 0) continue;
    if (table + clusterBytes > reader.bytes) throw cutOff(file, reader.bytes, table + clusterBytes);
    if (seen.has(table))
      throw new TbuildError("integrity", `two parts of the disk have the same table, at ${table}`, {
        subject: file,
        hint: `See: qemu-img check ${fileWord(file)}`,
      });
    seen.add(table);
    const l2 = Buffer.from(await reader.read(table, clusterBytes));
    for (let entry = 0; entry < clusterBytes / entryBytes; entry++) {
      // A compressed cluster may be the last in the file, and shorter than its entry states.
      if (l2.readUInt32BE(entry * entryBytes) & packedFlag) {
        isPacked = true;
        continue;
      }
      const offset = tableAt(l2, (entry * entryBytes) / 8);
      if (offset !== 0) end = Math.max(end, offset + 1);
    }
  }
  if (end > reader.bytes) throw cutOff(file, reader.bytes, end);
  return isPacked;
}

// Bits 9 to 55 are the place in the file.
function tableAt(table: Buffer, index: number): number {
  const [high, low] = [table.readUInt32BE(index * 8), table.readUInt32BE(index * 8 + 4)];
  return (high & 0x00ffffff) * 2 ** 32 + (low & ~0x1ff) + ((low & ~0x1ff) < 0 ? 2 ** 32 : 0);
}

// A file may end inside its last cluster. Past its end, everything reads as zeros.
async function readPadded(reader: Reader, offset: number, length: number): Promise<Uint8Array> {
  const there = Math.max(0, Math.min(length, reader.bytes - offset));
  const found = await reader.read(offset, there);
  return there === length ? found : Buffer.concat([found, Buffer.alloc(length - there)]);
}

function refuseFeatures(file: string, features: number): void {
  if (features & feature.corrupt)
    throw new TbuildError("integrity", "is marked as corrupt", {
      subject: file,
      hint: `Nothing was changed. Repair it first: qemu-img check -r all ${fileWord(file)}`,
    });
  if (features & feature.externalData) throw unknown(file, "its data in another file");
  if (features & ~knownFeatures) throw unknown(file, `an unknown feature (0x${features.toString(16)})`);
}

// "json:" and "nbd://" are not files.
function backingPath(file: string, name: string): string {
  const plain = name.replace(/^file:(?:\/\/)?/, "");
  if (/^[a-z][a-z0-9+]+:/.test(plain))
    throw unknown(file, `a backing file "${name}" that is not a file`, "backing-file");
  return resolve(dirname(file), plain);
}

function unknown(file: string, what: string, code: ErrorCode = "failed"): TbuildError {
  return new TbuildError("environment", `a qcow2 image with ${what}`, {
    subject: file,
    code,
    hint: `Convert it: qemu-img convert -O raw ${fileWord(file)} ${fileWord(`${file}.raw`)}`,
  });
}

function cutOff(file: string, bytes: number, needed: number): TbuildError {
  return new TbuildError("integrity", `is cut off: it has ${bytes} of ${needed} bytes`, {
    subject: file,
    hint: "Copy the image again.",
  });
}

function number64(head: Buffer, at: number): number {
  return Number(head.readBigUInt64BE(at));
}
