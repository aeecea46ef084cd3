import { stat } from "node:fs/promises";
import { checkInterrupted } from "../../errors.ts";
import { inParallel } from "../../io/parallel.ts";
import { sha256Of } from "../../io/sha256.ts";
import type { Digest } from "../../model/digest.ts";
import type { StoredDisk } from "../../model/disk.ts";
import { isZero } from "./chunker.ts";
import { openChunks } from "./packs.ts";
import type { StoreFolder } from "./store-folder.ts";

/** How much of a stored disk is still on a disk that was cloned from it or from another version. */
export interface Resemblance {
  readonly digest: Digest;
  /** The share of its data that is in place: 0 to 1. */
  readonly share: number;
  /** Blocks of 1 KiB in which the candidates differ: how many were decisive, and how many of them match this candidate. */
  readonly decided: number;
  readonly own: number;
}

/** The bytes of the disk in question. */
export interface Bytes {
  readonly bytes: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

interface Placed {
  readonly start: number;
  readonly length: number;
  readonly chunk: string;
}

interface Candidate {
  readonly digest: Digest;
  readonly chunks: readonly Placed[];
}

// The smallest block of a file system. In larger blocks, a change by the guest would hide the evidence next
// to it.
const blockBytes = 1024;
const mostCompared = 10;
const atATime = 16;
const sampleSize = 64;
// A guest that was updated for years still has a third of its blocks in place. Unrelated disks share almost
// none.
const leastShare = 0.2;

/**
 * Compares a disk that may have run with stored disks, chunk by chunk in place. The most likely first,
 * without unrelated disks. A running guest changes blocks all over a disk, but it does not create the blocks
 * that distinguish another version. So the order is by these blocks first, then by the share in place.
 */
export async function resemblances(
  store: StoreFolder,
  disk: Bytes,
  stored: readonly Pick<StoredDisk, "digest" | "bytes">[],
  signal?: AbortSignal,
): Promise<Resemblance[]> {
  const isThere = placeCheck(disk);
  const candidates: Candidate[] = [];
  for (const { digest, bytes } of new Map(stored.map((one) => [one.digest, one])).values()) {
    if (!(await stat(store.listFile(digest)).catch(() => undefined))) continue;
    const candidate = { digest, chunks: placed(await store.partsOf({ digest, bytes })) };
    const { chunks } = candidate;
    const step = Math.max(1, Math.floor(chunks.length / sampleSize));
    const sample = chunks.filter((_, i) => i % step === 0);
    if ((await shareOf(sample, isThere, signal)) >= leastShare / 2) candidates.push(candidate);
  }
  const shares = new Map<Digest, number>();
  for (const { digest, chunks } of candidates) shares.set(digest, await shareOf(chunks, isThere, signal));
  const share = ({ digest }: { digest: Digest }) => shares.get(digest) ?? 0;
  const best = Math.max(leastShare, ...shares.values());
  const close = candidates
    .filter((one) => share(one) >= Math.max(leastShare, best - 0.25))
    .sort((a, b) => share(b) - share(a))
    .slice(0, mostCompared);
  const { decided, own } = await apart(store, disk, close, signal);
  return close
    .map(({ digest }) => ({ digest, share: share({ digest }), decided, own: own.get(digest) ?? 0 }))
    .sort((a, b) => b.own - a.own || b.share - a.share);
}

function placed(parts: readonly { chunk: string | undefined; length: number }[]): Placed[] {
  const chunks: Placed[] = [];
  let start = 0;
  for (const { chunk, length } of parts) {
    if (chunk !== undefined) chunks.push({ start, length, chunk });
    start += length;
  }
  return chunks;
}

const placeOf = ({ start, chunk }: Placed) => `${start} ${chunk}`;

/** Whether a chunk is in place. Chunks that versions share are read once. */
function placeCheck(disk: Bytes): (one: Placed) => Promise<boolean> {
  const seen = new Map<string, boolean>();
  return async (one) => {
    const known = seen.get(placeOf(one));
    if (known !== undefined) return known;
    const { start, length, chunk } = one;
    const is = start + length <= disk.bytes && (await sha256Of(await disk.read(start, length))) === chunk;
    seen.set(placeOf(one), is);
    return is;
  };
}

async function shareOf(
  chunks: readonly Placed[],
  isThere: (one: Placed) => Promise<boolean>,
  signal: AbortSignal | undefined,
): Promise<number> {
  let [all, there] = [0, 0];
  const checked = inParallel(chunks, atATime, async (one) => ({ ...one, is: await isThere(one) }));
  for await (const { length, is } of checked) {
    checkInterrupted(signal);
    all += length;
    if (is) there += length;
  }
  return all === 0 ? 0 : there / all;
}

/** Reads the blocks in which candidates differ, and counts those that match some candidates but not all. */
async function apart(
  store: StoreFolder,
  disk: Bytes,
  candidates: readonly Candidate[],
  signal: AbortSignal | undefined,
): Promise<{ decided: number; own: ReadonlyMap<Digest, number> }> {
  const owners = new Map<string, number>();
  for (const { chunks } of candidates)
    for (const one of chunks) owners.set(placeOf(one), (owners.get(placeOf(one)) ?? 0) + 1);
  // Block number → three bit sets: which candidates have data there, which match the disk, and (last bit) whether the disk has zeros.
  const blocks = new Map<number, number>();
  const zeroBit = 1 << (2 * mostCompared);
  await using kept = await openChunks(store.folder);
  for (const [i, { chunks }] of candidates.entries()) {
    const special = chunks.filter((one) => owners.get(placeOf(one)) !== candidates.length);
    const read = inParallel(special, atATime, async (one) => ({
      ...one,
      wanted: await kept.read(one.chunk),
      found: await disk.read(one.start, Math.max(0, Math.min(one.length, disk.bytes - one.start))),
    }));
    for await (const { start, wanted, found } of read) {
      checkInterrupted(signal);
      for (let at = 0; at < wanted.length; at += blockBytes) {
        const there = found.subarray(at, at + blockBytes);
        const isAs = wanted.subarray(at, at + blockBytes).equals(there);
        const block = (start + at) / blockBytes;
        const seen = blocks.get(block) ?? (isZero(there) ? zeroBit : 0);
        blocks.set(block, seen | (1 << i) | (isAs ? 1 << (mostCompared + i) : 0));
      }
    }
  }
  const own = new Map<Digest, number>();
  let decided = 0;
  for (const seen of blocks.values()) {
    const whose = candidates.filter(
      (_, i) =>
        (seen & (1 << (mostCompared + i))) !== 0 || ((seen & zeroBit) !== 0 && (seen & (1 << i)) === 0),
    );
    if (whose.length === 0 || whose.length === candidates.length) continue;
    decided++;
    for (const { digest } of whose) own.set(digest, (own.get(digest) ?? 0) + 1);
  }
  return { decided, own };
}
