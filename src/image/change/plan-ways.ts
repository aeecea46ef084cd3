import { rm } from "node:fs/promises";
import { TbuildError } from "../../errors.ts";
import type { Host, Runner } from "../../host/host.ts";
import { pacer } from "../../host/long-work.ts";
import { fileWord } from "../../io/escape.ts";
import { type Reader, windowOf } from "../../io/reader.ts";
import type { Mount } from "../access.ts";
import { insideOf } from "../disk/disk.ts";
import { swapMembers } from "../disk/md-arrays.ts";
import { isBlank } from "../disk/other-volumes.ts";
import { type Unclaimed, unclaimedPlaces } from "../disk/unclaimed.ts";
import { openExt } from "../ext/ext.ts";
import { Unfit } from "../ext/faults.ts";
import { replayInto } from "../ext/journal.ts";
import { type DataRange, joined, rangesOf } from "../file/holes.ts";
import { type ImageFile, readImageFile } from "../file/image-file.ts";
import { clearFreeClusters } from "../file/qcow2-free.ts";
import type { ImageFacts, LookedInto } from "../open.ts";
import { openByBest } from "../open-volumes.ts";
import { type AccessOptions, chooseAccess } from "../ways/index.ts";
import { snapshotPieces } from "../ways/snapshot.ts";
import { type Draft, draftOf, type Piece } from "./draft.ts";
import { draftTree } from "./draft-tree.ts";
import type { ChangeOptions, ReachedGuest, Scrub } from "./drafted-guest.ts";
import { scrubFree, tellsFreeBlocks } from "./free-space.ts";
import { makeMembersEqual } from "./mirror-members.ts";
import { freshSwap, type SwapState } from "./swap.ts";
import { findSwapFiles } from "./swap-files.ts";
import { filledPlaces, scrubUnclaimed } from "./unclaimed-space.ts";
import { namesFor } from "./undo.ts";
import {
  changedInMirrors,
  copiedChange,
  copyFaultsExplained,
  workingCopy,
  writeToDisk,
} from "./working-copy.ts";

/** A change that was made beside its image, as a list of different bytes. */
export interface Planned<Result> {
  readonly result: Result;
  readonly via: string;
  /** Of the image file. */
  readonly pieces: readonly Piece[];
  /** Of the disk, in mirrors with members in other images; absent if the file is the disk itself. */
  readonly inMirrors?: readonly Piece[];
  readonly bytes: number;
  close(): Promise<void>;
}

/** The results of a scrub; `undefined` if none was requested. */
export interface Scrubbed {
  /** The number of zeroed bytes. */
  readonly scrubbed?: number;
  /** The parts of the disk outside file systems. */
  readonly unclaimed?: readonly Unclaimed[];
  /** Those of them with findings that stay. */
  readonly kept?: readonly Unclaimed[];
  /** The volumes without remaining data. */
  readonly emptied?: readonly string[];
}

/** Throws if a change cannot be planned as requested, before any work is done. */
export function refuseWish({ facts, mounts, companions }: LookedInto, options: ChangeOptions): void {
  const all = [facts, ...companions.map((one) => one.facts)];
  const odd = all.find(({ format }) => format !== "raw");
  if (options.far && odd)
    throw new TbuildError("environment", `a ${odd.format} image cannot be changed over the network`, {
      subject: odd.file,
      hint: "Run tbuild on that machine, or copy the image here.",
    });
  const closed = mounts.find(({ volume }) => !tellsFreeBlocks(volume));
  if (options.scrub && closed)
    throw new TbuildError("environment", `free blocks of ${closed.volume.fs} cannot be scrubbed`, {
      subject: facts.file,
      hint: "Scrubbing works on ext, XFS, btrfs and FAT only. Omit --scrub.",
    });
  const packed = all.find(({ layers: [layer] }) => layer?.isPacked);
  if (options.scrub && packed)
    throw new TbuildError(
      "environment",
      "has compressed clusters, which keep data that a scrub should remove",
      {
        subject: packed.file,
        hint: `Scrub a copy without them: qemu-img convert -O qcow2 ${fileWord(packed.file)} ${fileWord(`${packed.file}.new`)}`,
      },
    );
}

/**
 * Plans a change with the first method that supports it: in memory, in a snapshot, or in a copy that is
 * compared.
 */
export async function planBest<Result>(
  host: Host,
  { facts, mounts, swapFiles }: Guest,
  work: (guest: ReachedGuest) => Promise<Result>,
  options: ChangeOptions,
): Promise<Planned<Result> & Finished> {
  const isRaw = facts.format === "raw";
  const planned =
    (isRaw ? await planInMemory(host, facts, mounts, work, options) : undefined) ??
    (isRaw ? await planBeside(host, facts, mounts, work, options) : undefined) ??
    (await planInCopy(host, { facts, mounts, swapFiles }, work, options));
  return isRaw ? finishedRaw(host, { facts, mounts, swapFiles }, planned, options) : planned;
}

type Guest = Pick<LookedInto, "facts" | "mounts" | "swapFiles">;

async function finishedRaw<Result, Given extends Planned<Result>>(
  host: Runner,
  guest: Guest,
  planned: Given,
  options: ChangeOptions,
): Promise<Given & Finished> {
  const { file, arrays } = guest.facts;
  const isWanted = options.scrub || options.renewSwap || options.outside || arrays.length > 0;
  if (!isWanted) return planned;
  await using before = await readImageFile(file);
  const after = await draftWith(before, planned.pieces, options.watch?.signal);
  const done = await finish(host, guest, before, after, options);
  return { ...planned, ...done, pieces: await after.pieces(options.watch?.signal) };
}

/** The changes outside files. */
export interface Finished extends Scrubbed {
  readonly swap?: readonly SwapState[];
}

// The space outside files, after the files have been changed by any access method.
export async function finish(
  host: Runner,
  { facts, mounts, swapFiles }: Guest,
  before: ImageFile,
  after: Draft,
  { scrub, renewSwap, outside, watch: { signal } = {} }: ChangeOptions,
): Promise<Finished> {
  const data = await rangesOf(host, before);
  const scrubbed = scrub && (await scrubbedOf(facts, mounts, { before, after, data }, scrub, signal));
  const swap = renewSwap && (await withFreshSwap(host, facts, mounts, swapFiles, { before, after }));
  await outside?.(after);
  const written = (await after.pieces(signal)).map(({ offset, bytes }) => ({ start: offset, length: bytes }));
  await makeMembersEqual(after, facts.arrays, joined([...data, ...written]), signal);
  return { ...scrubbed, ...(swap && { swap }) };
}

// Swap is outside file systems, so it is renewed in addition to the changes of file systems.
async function withFreshSwap(
  host: Runner,
  { volumes, arrays }: ImageFacts,
  mounts: readonly Mount[],
  swapFiles: readonly string[],
  { before, after }: { readonly before: ImageFile; readonly after: Draft },
): Promise<readonly SwapState[]> {
  const { files, unseen } = await findSwapFiles(after, mounts, swapFiles);
  const { states, pieces } = await freshSwap(host, before, [...volumes, ...swapMembers(arrays), ...files]);
  for (const { offset, after: fresh } of pieces) await after.write(offset, await fresh());
  return [...states, ...unseen];
}

async function planInMemory<Result>(
  host: Runner,
  { file }: ImageFacts,
  mounts: readonly Mount[],
  work: (guest: ReachedGuest) => Promise<Result>,
  options: ChangeOptions,
): Promise<Planned<Result> | undefined> {
  const { note = () => {}, watch: { signal } = {} } = options;
  if (!mayDraft(options) || !isReadInProcess(mounts)) return undefined;
  await using reader = await readImageFile(file);
  const draft = draftOf(reader);
  try {
    for (const { volume } of mounts) {
      if (!(await isUnclean(reader, volume))) continue;
      // With a pending journal, an edit is lost or does damage when the guest mounts the file system.
      note(`${volume.name}: not cleanly unmounted; e2fsck replays its journal`);
      await replayInto(host, file, volume, (at, data) => draft.write(volume.offset + at, data), signal);
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

// If an access method can write changes beside the image, nothing is copied or compared.
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
    // A disk is never copied over a network and back.
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
    // If the disk is full, a program reports only that it cannot write. The reason is known when the snapshot
    // is removed.
    await tree[Symbol.asyncDispose]();
    throw error;
  });
  await tree[Symbol.asyncDispose]();
  const pieces = await snapshotPieces(file, snapshot, options.watch?.signal);
  return { result, via: access.name, pieces, bytes, close: () => rm(snapshot, { force: true }) };
}

async function planInCopy<Result>(
  host: Host,
  guest: Guest,
  work: (guest: ReachedGuest) => Promise<Result>,
  options: ChangeOptions,
): Promise<Planned<Result> & Finished> {
  const { file: image, format, arrays } = guest.facts;
  const { mounts } = guest;
  const signal = options.watch?.signal;
  return copyFaultsExplained(image, async () => {
    const copy = await workingCopy(host, image, signal);
    let result: Result;
    let via: string;
    {
      await using opened = await openByBest(host, { file: copy, format }, mounts, accessOptions(options));
      via = opened.access.name;
      result = await work({ tree: opened.tree, mounts, via });
    }
    const finished = format === "raw" ? {} : await finishedCopy(host, guest, copy, options);
    const inMirrors = format === "raw" ? undefined : await changedInMirrors(image, copy, arrays, signal);
    return {
      result,
      via,
      ...(await copiedChange(host, image, signal)),
      ...(inMirrors && { inMirrors }),
      ...finished,
      close: () => rm(copy, { force: true }),
    };
  });
}

// The bytes in a qcow2 file are known only after they are written.
async function finishedCopy(
  host: Host,
  guest: Guest,
  copy: string,
  options: ChangeOptions,
): Promise<Finished> {
  let finished: Finished;
  let pieces: readonly Piece[];
  {
    await using before = await readImageFile(guest.facts.file);
    await using changed = await readImageFile(copy);
    const after = draftOf(changed);
    finished = await finish(host, guest, before, after, options);
    pieces = await after.pieces(options.watch?.signal);
  }
  await writeToDisk(host, copy, pieces, options.watch?.signal);
  if (options.scrub) await clearFreeClusters(copy, options.watch?.signal);
  return finished;
}

// Once a change exists as blocks, they show what it freed, regardless of the method.
async function scrubbedOf(
  facts: ImageFacts,
  mounts: readonly Mount[],
  {
    before,
    after,
    data,
  }: { readonly before: ImageFile; readonly after: Draft; readonly data: readonly DataRange[] },
  { tells, withUse }: Scrub,
  signal: AbortSignal | undefined,
): Promise<Scrubbed> {
  const inside = await scrubFree(before, after, mounts, data, tells, signal);
  const places = (await unclaimedPlaces(before, facts)).map(withUse);
  const unclaimed = await filledPlaces(before, places, data, signal);
  const { bytes: outside, kept } = await scrubUnclaimed(after, unclaimed, data, tells, signal);
  const emptied: string[] = [];
  for (const { volume } of unclaimed)
    if (volume?.fs === "unknown" && (await isBlank(insideOf(after, volume)))) emptied.push(volume.name);
  return { scrubbed: inside + outside, unclaimed, kept, emptied };
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

export function mayDraft({ via = "direct", programs }: ChangeOptions): boolean {
  return via === "direct" && !programs;
}

export function accessOptions({ via, allowUnmounted: _, ...options }: ChangeOptions): AccessOptions {
  if (via === "direct")
    throw new TbuildError("environment", "only ext file systems can be changed this way", {
      subject: "direct",
      hint: "Omit --via; tbuild then chooses the fastest method that works.",
    });
  return { ...options, ...(via !== undefined && { via }) };
}

/** The in-memory editor finds an fstab on ext only. */
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
  // FAT has no journal: what is on the disk is current.
  if (fs === "vfat") return false;
  const ext = await openExt(windowOf(reader, offset, Math.min(bytes, reader.bytes - offset)));
  return ext.isDirty || ext.hasErrors;
}
