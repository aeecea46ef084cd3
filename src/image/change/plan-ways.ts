import { open, rm, stat } from "node:fs/promises";
import { TbuildError } from "../../errors.ts";
import type { Host, Runner } from "../../host/host.ts";
import { pacer } from "../../host/pace.ts";
import { type Reader, windowOf } from "../../io/reader.ts";
import type { Mount } from "../access.ts";
import { type Unclaimed, unclaimedPlaces } from "../disk/unclaimed.ts";
import { openExt } from "../ext/ext.ts";
import { replayInto } from "../ext/journal.ts";
import { Unfit } from "../ext/volume.ts";
import { dataRanges } from "../file/holes.ts";
import { readImageFile } from "../file/image-file.ts";
import { rawView } from "../file/raw-view.ts";
import type { ImageFacts, LookedInto } from "../open.ts";
import { openByBest } from "../open-volumes.ts";
import { type AccessOptions, chooseAccess } from "../ways/index.ts";
import { snapshotPieces } from "../ways/snapshot.ts";
import { type Draft, draftOf, type Piece } from "./draft.ts";
import { draftTree } from "./draft-tree.ts";
import type { ChangeOptions, ReachedGuest, Scrub } from "./drafted-guest.ts";
import { scrubFree, tellsFreeBlocks } from "./free-space.ts";
import { differingPieces } from "./pieces.ts";
import { freshSwap, renewSwap, type SwapState } from "./swap.ts";
import { findSwapFiles } from "./swap-files.ts";
import { filledPlaces, scrubUnclaimed } from "./unclaimed-space.ts";
import { namesFor } from "./undo.ts";
import { writeFully } from "./undo-record.ts";

/** A change that stands beside its image, as what it comes to in bytes. */
export interface Planned<Result> {
  readonly result: Result;
  readonly via: string;
  readonly pieces: readonly Piece[];
  readonly bytes: number;
  readonly swap?: readonly SwapState[];
  close(): Promise<void>;
}

/** What a scrub did; all is `undefined` if none was requested. */
export interface Scrubbed {
  /** Bytes that zeros were written over. */
  readonly scrubbed?: number;
  /** The parts of the disk that lie in no file system. */
  readonly unclaimed?: readonly Unclaimed[];
  /** Those of them in which something was found that stays. */
  readonly kept?: readonly Unclaimed[];
}

/** Throws where a change cannot be worked out as it is wanted, before any work is done. */
export function refuseWish(
  { file, format }: ImageFacts,
  mounts: readonly Mount[],
  options: ChangeOptions,
): void {
  if (options.far && format !== "raw")
    throw new TbuildError("environment", `a ${format} images cannot be changed over the network`, {
      subject: file,
      hint: "Run tbuild on that machine, or copy the image here.",
    });
  const closed = mounts.find(({ volume }) => !tellsFreeBlocks(volume));
  if (options.scrub && (closed || format !== "raw"))
    throw new TbuildError("environment", `free blocks of ${closed?.volume.fs ?? format} cannot be scrubbed`, {
      subject: file,
      hint: "Scrubbing works on ext, XFS, btrfs and FAT in raw images only. Omit --scrub.",
    });
}

/** Works a change out: in memory, in a snapshot, or in a copy that is compared; the first of them that can do it. */
export async function planBest<Result>(
  host: Host,
  { facts, mounts, swapFiles }: Pick<LookedInto, "facts" | "mounts" | "swapFiles">,
  work: (guest: ReachedGuest) => Promise<Result>,
  options: ChangeOptions,
): Promise<Planned<Result> & Scrubbed> {
  const isRaw = facts.format === "raw";
  const planned =
    (isRaw ? await planInMemory(host, facts.file, mounts, work, options) : undefined) ??
    (isRaw ? await planBeside(host, facts, mounts, work, options) : undefined) ??
    (await planInCopy(host, { facts, mounts, swapFiles }, work, options));
  const clean = options.scrub
    ? await scrubbed(host, facts, mounts, planned, options.scrub, options.watch?.signal)
    : planned;
  const swapped =
    options.renewSwap && isRaw ? await withFreshSwap(host, facts, mounts, swapFiles, clean) : clean;
  return options.outside && isRaw ? await withOutside(facts, swapped, options.outside, options) : swapped;
}

async function withOutside<Result, Given extends Planned<Result>>(
  { file }: ImageFacts,
  planned: Given,
  write: NonNullable<ChangeOptions["outside"]>,
  { watch: { signal } = {} }: ChangeOptions,
): Promise<Given> {
  await using image = await readImageFile(file);
  const draft = await draftWith(image, planned.pieces, signal);
  await write(draft);
  return { ...planned, pieces: await draft.pieces(signal) };
}

// Swap lies in no file system, so it is made new beside whatever was done to those.
async function withFreshSwap<Result, Given extends Planned<Result>>(
  host: Runner,
  { file, volumes }: ImageFacts,
  mounts: readonly Mount[],
  swapFiles: readonly string[],
  planned: Given,
): Promise<Given> {
  await using image = await readImageFile(file);
  const { files, unseen } = await findSwapFiles(await draftWith(image, planned.pieces), mounts, swapFiles);
  const { states, pieces } = await freshSwap(host, image, [...volumes, ...files]);
  const all = [...planned.pieces, ...pieces].sort((one, other) => one.offset - other.offset);
  return { ...planned, pieces: all, swap: [...states, ...unseen] };
}

async function planInMemory<Result>(
  host: Runner,
  image: string,
  mounts: readonly Mount[],
  work: (guest: ReachedGuest) => Promise<Result>,
  options: ChangeOptions,
): Promise<Planned<Result> | undefined> {
  const { note = () => {}, watch: { signal } = {} } = options;
  if (!mayDraft(options) || !isReadInProcess(mounts)) return undefined;
  await using reader = await readImageFile(image);
  const draft = draftOf(reader);
  try {
    for (const { volume } of mounts) {
      if (!(await isUnclean(reader, volume))) continue;
      // An edit beside a journal that waits is lost, or damages, when the guest mounts it.
      note(`${volume.name}: not cleanly unmounted; its journal is replayed, with e2fsck`);
      await replayInto(host, image, volume, (at, data) => draft.write(volume.offset + at, data), signal);
    }
    const tree = await draftTree(draft, mounts, options.watch);
    const result = await work({ tree, mounts, via: "direct" });
    await tree.commit();
    const pieces = await draft.pieces(signal);
    return { result, via: "direct", pieces, bytes: reader.bytes, close: async () => {} };
  } catch (error) {
    if (!(error instanceof Unfit) || options.via === "direct") throw error;
    note(`${error.message}; the change is made beside the image`);
    return undefined;
  }
}

// Where a way in can let a change go beside the image, nothing is copied and nothing compared.
async function planBeside<Result>(
  host: Host,
  { file, bytes }: ImageFacts,
  mounts: readonly Mount[],
  work: (guest: ReachedGuest) => Promise<Result>,
  options: ChangeOptions,
): Promise<Planned<Result> | undefined> {
  const access = await chooseAccess(
    host,
    file,
    mounts.map(({ volume }) => volume),
    {
      ...accessOptions(options),
      beside: true,
    },
  ).catch((error) => {
    // Copying a disk over a network and back is no way.
    if (options.far || !(error instanceof TbuildError)) throw error;
    return undefined;
  });
  if (!access?.openBeside) return undefined;
  const { work: snapshot } = namesFor(file);
  const tree = await access.openBeside(file, mounts, snapshot, bytes, options.watch).catch((error) => {
    if (options.far || options.via !== undefined || !(error instanceof TbuildError)) throw error;
    options.note?.(`${error.message}; the change is made in a copy beside the image`);
    return undefined;
  });
  if (!tree) return undefined;
  const result = await work({ tree, mounts, via: access.name }).catch(async (error) => {
    // Of a disk that is full a program says that it cannot write; why, is known when the snapshot is taken down.
    await tree[Symbol.asyncDispose]();
    throw error;
  });
  await tree[Symbol.asyncDispose]();
  const pieces = await snapshotPieces(file, snapshot, options.watch?.signal);
  return { result, via: access.name, pieces, bytes, close: () => rm(snapshot, { force: true }) };
}

async function planInCopy<Result>(
  host: Host,
  { facts, mounts, swapFiles }: Pick<LookedInto, "facts" | "mounts" | "swapFiles">,
  work: (guest: ReachedGuest) => Promise<Result>,
  options: ChangeOptions,
): Promise<Planned<Result>> {
  const { file: image, format, volumes } = facts;
  const copy = namesFor(image).work;
  await host.run(["cp", "--sparse=always", "--reflink=auto", "--", image, copy], {
    ...(options.watch?.signal && { signal: options.watch.signal }),
  });
  let result: Result;
  let via: string;
  {
    await using opened = await openByBest(host, { file: copy, format }, mounts, accessOptions(options));
    via = opened.access.name;
    result = await work({ tree: opened.tree, mounts, via });
  }
  const swap =
    options.renewSwap && format !== "raw"
      ? await renewSwap(host, copy, volumes, { mounts, paths: swapFiles })
      : undefined;
  if (options.outside && format !== "raw") await writeOutside(host, copy, options.outside);
  const { size } = await stat(copy);
  return {
    result,
    via,
    pieces: await differingPieces(host, image, copy, options.watch?.signal),
    bytes: size,
    ...(swap && { swap }),
    close: () => rm(copy, { force: true }),
  };
}

async function writeOutside(
  host: Host,
  copy: string,
  write: NonNullable<ChangeOptions["outside"]>,
): Promise<void> {
  await using view = await rawView(host, copy, false);
  await using disk = await readImageFile(view.file);
  await using target = await open(view.file, "r+");
  await write({
    bytes: disk.bytes,
    read: (offset, length) => disk.read(offset, length),
    write: (offset, data) => writeFully(target, data, offset),
  });
  await target.sync();
}

// Once the change stands in blocks, whatever it was made by, what it freed is seen in them.
async function scrubbed<Result>(
  host: Runner,
  { file, volumes }: ImageFacts,
  mounts: readonly Mount[],
  planned: Planned<Result>,
  { tells, withUse }: Scrub,
  signal: AbortSignal | undefined,
): Promise<Planned<Result> & Scrubbed> {
  await using before = await readImageFile(file);
  const after = await draftWith(before, planned.pieces, signal);
  const data = await dataRanges(host, file);
  const inside = await scrubFree(before, after, mounts, data, tells, signal);
  const places = (await unclaimedPlaces(before, volumes)).map(withUse);
  const unclaimed = await filledPlaces(before, places, data, signal);
  const { bytes: outside, kept } = await scrubUnclaimed(after, unclaimed, data, tells, signal);
  return { ...planned, pieces: await after.pieces(signal), scrubbed: inside + outside, unclaimed, kept };
}

async function draftWith(image: Reader, pieces: readonly Piece[], signal?: AbortSignal): Promise<Draft> {
  const after = draftOf(image);
  const pace = pacer(signal);
  for (const piece of pieces) {
    const turn = pace();
    if (turn) await turn;
    await after.write(piece.offset, await piece.after());
  }
  return after;
}

export function mayDraft({ via = "direct", needsPrograms = false }: ChangeOptions): boolean {
  return via === "direct" && !needsPrograms;
}

export function accessOptions({ via, allowUnmounted: _, ...options }: ChangeOptions): AccessOptions {
  if (via === "direct")
    throw new TbuildError("environment", "only ext file systems can be changed this way", {
      subject: "direct",
      hint: "Omit --via; tbuild then chooses the fastest method that works.",
    });
  return { ...options, ...(via !== undefined && { via }) };
}

/** What the guest is changed in memory by cannot look for an fstab elsewhere than on ext. */
export function lookOptions({
  via,
  far,
  watch,
}: ChangeOptions): Pick<AccessOptions, "via" | "far" | "watch"> {
  return {
    ...(via !== undefined && via !== "direct" && { via }),
    ...(far && { far }),
    ...(watch && { watch }),
  };
}

export function isReadInProcess(mounts: readonly Mount[]): boolean {
  return mounts.every(
    ({ volume: { fs, pieces } }) => (fs.startsWith("ext") || fs === "vfat") && pieces === undefined,
  );
}

export async function isUnclean(reader: Reader, { fs, offset, bytes }: Mount["volume"]): Promise<boolean> {
  // FAT has no journal: what stands there is what there is.
  if (fs === "vfat") return false;
  const ext = await openExt(windowOf(reader, offset, Math.min(bytes, reader.bytes - offset)));
  return ext.isDirty || ext.hasErrors;
}
