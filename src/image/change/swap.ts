import { open } from "node:fs/promises";
import type { Host, Runner } from "../../host/host.ts";
import { writeAll } from "../../io/durable.ts";
import type { Reader } from "../../io/reader.ts";
import type { Mount, Volume } from "../access.ts";
import { insideOf } from "../disk/disk.ts";
import { swapAreaIn } from "../disk/swap.ts";
import { type DataRange, overlapWith, rangesOf } from "../file/holes.ts";
import { type ImageFile, readImageFile } from "../file/image-file.ts";
import { rawView } from "../file/raw-view.ts";
import { isZero, type Piece } from "./draft.ts";
import { findSwapFiles, isSwapFile, type SwapState } from "./swap-files.ts";

/** A run of bytes in a swap volume that differ from a new one. */
export interface SwapRemains {
  readonly volume: Volume;
  /** On the disk, in bytes. */
  readonly offset: number;
  readonly data: Uint8Array;
  /** Its content in a new swap area. */
  readonly fresh: Uint8Array;
}

export type { SwapState } from "./swap-files.ts";

/** The memory contents in the swap volumes of a disk. Ranges without data are not read. */
export async function* swapRemains(
  disk: Reader,
  volumes: readonly Volume[],
  data: readonly DataRange[],
): AsyncGenerator<SwapRemains> {
  const hasData = overlapWith(data);
  for (const volume of swapsOf(volumes)) {
    const inside = insideOf(disk, volume);
    const area = swapAreaIn(Buffer.from(await inside.read(0, Math.min(65536, inside.bytes))));
    if (!area) continue;
    let start = 0;
    for (const piece of volume.pieces ?? [volume]) {
      const end = Math.min(start + piece.bytes, inside.bytes);
      for (let at = start; at < end; at += readBytes) {
        const [offset, bytes] = [piece.offset + at - start, Math.min(readBytes, end - at)];
        if (!hasData(offset, bytes)) continue;
        const found = await inside.read(at, bytes);
        for (const [from, to] of strangeRuns(found, at === 0 ? area.fresh : nothing)) {
          const fresh = new Uint8Array(to - from);
          if (at === 0 && from < area.fresh.length) fresh.set(area.fresh.subarray(from, to));
          yield { volume, offset: offset + from, data: found.subarray(from, to), fresh };
        }
      }
      start = end;
    }
  }
}

// Pages of 4 KiB that have to change; neighbours are merged.
function strangeRuns(found: Uint8Array, fresh: Uint8Array): [from: number, to: number][] {
  const runs: [number, number][] = [];
  for (let from = 0; from < found.length; from += 4096) {
    const to = Math.min(from + 4096, found.length);
    const page = found.subarray(from, to);
    if (from < fresh.length ? Buffer.compare(page, fresh.subarray(from, to)) === 0 : isZero(page)) continue;
    const last = runs.at(-1);
    if (last && last[1] === from) last[1] = to;
    else runs.push([from, to]);
  }
  return runs;
}

const nothing = new Uint8Array();
const readBytes = 512 * 1024;

/** The state of the swap volumes of a disk; empty if it has none. */
export async function swapStates(
  host: Runner,
  image: ImageFile,
  volumes: readonly Volume[],
  onEach: (remains: SwapRemains) => void = () => {},
): Promise<SwapState[]> {
  const found = new Map(swapsOf(volumes).map(({ name }) => [name, 0]));
  if (found.size > 0)
    for await (const remains of swapRemains(image, volumes, await rangesOf(host, image))) {
      found.set(remains.volume.name, (found.get(remains.volume.name) ?? 0) + remains.data.length);
      onEach(remains);
    }
  return [
    ...[...found].map(([name, bytes]) => ({ name, bytes })),
    ...volumes.filter(isSwap).flatMap((volume) => {
      const other = overlapped(volume, volumes);
      return other ? [{ name: volume.name, bytes: 0, refused: `it overlaps ${other.name}` }] : [];
    }),
  ];
}

/** The writes that renew the swap volumes in a raw image: zeros over all old content, and their header. */
export async function freshSwap(
  host: Runner,
  image: ImageFile,
  volumes: readonly Volume[],
): Promise<{ readonly states: SwapState[]; readonly pieces: Piece[] }> {
  const pieces: Piece[] = [];
  const states = await swapStates(host, image, volumes, ({ offset, fresh }) => {
    const bytes = fresh.length;
    // Gigabytes of zeros are not stored.
    const kept = isZero(fresh) ? undefined : fresh;
    pieces.push({ offset, bytes, after: async () => kept ?? new Uint8Array(bytes) });
  });
  return { states, pieces };
}

/**
 * Renews the swap volumes and swap files in an image, in place. Only for our own images, which need no undo.
 */
export async function renewSwap(
  host: Host,
  file: string,
  volumes: readonly Volume[],
  { mounts, paths }: { readonly mounts: readonly Mount[]; readonly paths: readonly string[] } = {
    mounts: [],
    paths: [],
  },
): Promise<SwapState[]> {
  if (!volumes.some(isSwap) && paths.length === 0) return [];
  let fresh: Awaited<ReturnType<typeof freshSwap>>;
  let isRaw: boolean;
  {
    await using image = await readImageFile(file);
    isRaw = image.format === "raw";
    const { files, unseen } = await findSwapFiles(image, mounts, paths);
    const { states, pieces } = await freshSwap(host, image, [...volumes, ...files]);
    fresh = { states: [...states, ...unseen], pieces };
  }
  if (fresh.pieces.length === 0) return fresh.states;
  const view = isRaw ? undefined : await rawView(host, file, false);
  try {
    await using target = await open(view?.file ?? file, "r+");
    for (const { offset, after } of fresh.pieces) {
      const data = await after();
      await writeAll(target, data, offset);
    }
    await target.sync();
  } finally {
    await view?.[Symbol.asyncDispose]();
  }
  return fresh.states;
}

/** The swap volumes that overlap no other volume: an overlapping partition table is unreliable. */
function swapsOf(volumes: readonly Volume[]): Volume[] {
  return volumes.filter((volume) => isSwap(volume) && !overlapped(volume, volumes));
}

function isSwap({ fs, refused }: Volume): boolean {
  return fs === "swap" && refused === undefined;
}

// A swap file is in a volume, and no other file has its blocks.
function overlapped(one: Volume, volumes: readonly Volume[]): Volume | undefined {
  if (isSwapFile(one)) return undefined;
  const placesOf = ({ offset, bytes, pieces, refused }: Volume) =>
    pieces ?? (refused !== undefined && offset === 0 ? [] : [{ offset, bytes }]);
  return volumes.find(
    (other) =>
      other !== one &&
      !isSwapFile(other) &&
      placesOf(one).some((a) =>
        placesOf(other).some((b) => a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes),
      ),
  );
}
