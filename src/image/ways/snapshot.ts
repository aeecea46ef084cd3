import { TbuildError } from "../../errors.ts";
import { pacer } from "../../host/long-work.ts";
import { fileReader, type Reader } from "../../io/reader.ts";
import type { Piece } from "../change/draft.ts";

/** The size of a chunk in 512-byte sectors, for `dmsetup create`. 4 KiB, as file systems' blocks. */
export const snapshotSectors = 8;

/** Offsets in struct disk_header (Linux, drivers/md/dm-snap-persistent.c). All numbers are little-endian. */
const headAt = { magic: 0, valid: 4, version: 8, chunkSectors: 12, bytes: 16 } as const;
/** `SnAp` */
const snapshotMagic = 0x70416e53;
/** struct disk_exception: chunk of the disk, chunk of the snapshot's file */
const pairBytes = 16;

/** The space of a snapshot of `bytes` if every chunk changes: the chunks, their index, and the header. */
export function snapshotBytes(bytes: number): number {
  const chunk = snapshotSectors * 512;
  const chunks = Math.ceil(bytes / chunk);
  return (chunks + Math.ceil(chunks / (chunk / pairBytes)) + 8) * chunk;
}

/**
 * The changes, from the file to which a device-mapper snapshot wrote the changed chunks. Chunks with
 * unchanged contents are left out. The file has a head chunk, an index chunk of pairs, as many chunks of data
 * as the index has room for pairs, another index chunk, and so on; a pair with 0 is the end. `signal` aborts
 * it.
 */
export async function snapshotPieces(image: string, file: string, signal?: AbortSignal): Promise<Piece[]> {
  await using snapshot = await fileReader(file);
  await using disk = await fileReader(image);
  const chunk = await chunkBytes(file, snapshot);
  const changed: Place[] = [];
  const pace = pacer(signal);
  for await (const [at, from] of changedChunks(snapshot, chunk)) {
    const turn = pace();
    if (turn) await turn;
    const bytes = Math.min(chunk, disk.bytes - at * chunk);
    if (bytes <= 0) continue;
    const now = await snapshot.read(from * chunk, bytes);
    if (Buffer.compare(now, await disk.read(at * chunk, bytes)) !== 0)
      changed.push({ offset: at * chunk, from: from * chunk, bytes });
  }
  return inRuns(changed).map((run) => ({
    offset: run[0]?.offset ?? 0,
    bytes: run.reduce((sum, { bytes }) => sum + bytes, 0),
    after: () => bytesOf(file, run),
  }));
}

interface Place {
  readonly offset: number;
  /** The offset of its bytes in the snapshot's file. */
  readonly from: number;
  readonly bytes: number;
}

// Adjacent chunks are merged, up to 1 MiB.
function inRuns(places: readonly Place[]): Place[][] {
  const runs: Place[][] = [];
  for (const place of [...places].sort((one, other) => one.offset - other.offset)) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run && last && run.length < 256 && last.offset + last.bytes === place.offset) run.push(place);
    else runs.push([place]);
  }
  return runs;
}

async function chunkBytes(file: string, snapshot: Reader): Promise<number> {
  const head = Buffer.from(await snapshot.read(0, headAt.bytes));
  if (head.readUInt32LE(headAt.magic) !== snapshotMagic || head.readUInt32LE(headAt.version) !== 1)
    throw new TbuildError("integrity", "is not a device-mapper snapshot", { subject: file });
  if (head.readUInt32LE(headAt.valid) !== 1)
    throw new TbuildError("environment", "the snapshot failed while the guest was being changed", {
      subject: file,
      hint: "The image was not changed. Check whether its disk is full.",
    });
  return head.readUInt32LE(headAt.chunkSectors) * 512;
}

async function* changedChunks(snapshot: Reader, chunk: number): AsyncGenerator<[number, number]> {
  const pairs = chunk / pairBytes;
  for (let area = 1; (area + 1) * chunk <= snapshot.bytes; area += pairs + 1) {
    const index = Buffer.from(await snapshot.read(area * chunk, chunk));
    for (let at = 0; at < chunk; at += pairBytes) {
      const [old, now] = [Number(index.readBigUInt64LE(at)), Number(index.readBigUInt64LE(at + 8))];
      if (now === 0) return;
      yield [old, now];
    }
  }
}

async function bytesOf(file: string, run: readonly Place[]): Promise<Uint8Array> {
  await using snapshot = await fileReader(file);
  const parts: Uint8Array[] = [];
  for (const { from, bytes } of run) parts.push(await snapshot.read(from, bytes));
  return Buffer.concat(parts);
}
