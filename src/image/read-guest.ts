import type { Host, Runner } from "../host/host.ts";
import type { Mount } from "./access.ts";
import { draftOf } from "./change/draft.ts";
import { draftTree } from "./change/draft-tree.ts";
import type { ChangeOptions, DraftedGuest, UnclaimedSpace } from "./change/drafted-guest.ts";
import { freeBlocks, tellsFreeBlocks } from "./change/free-space.ts";
import { accessOptions, isReadInProcess, isUnclean, lookOptions, mayDraft } from "./change/plan-ways.ts";
import { imagePath, pathsOf } from "./change/planned-change.ts";
import { type SwapState, swapStates } from "./change/swap.ts";
import { findSwapFiles } from "./change/swap-files.ts";
import { filledPlaces, unclaimedBlocks } from "./change/unclaimed-space.ts";
import { isUnsettled } from "./change/undo.ts";
import { swapMembers } from "./disk/md-arrays.ts";
import { inImage, type Unclaimed, unclaimedPlaces } from "./disk/unclaimed.ts";
import { Unfit } from "./ext/faults.ts";
import { rangesOf } from "./file/holes.ts";
import { type ImageFile, readImageFile } from "./file/image-file.ts";
import { allLayers, type Companion, type ImageFacts, type LookedInto, lookInto } from "./open.ts";
import { openByBest } from "./open-volumes.ts";
import { withReachable } from "./reachable.ts";
import type { GuestTree } from "./tree.ts";

/** Runs `work` with the guest in `file`, read only. */
export async function readGuest<Result>(
  host: Host,
  file: string,
  work: (guest: DraftedGuest) => Promise<Result>,
  options: ChangeOptions = {},
): Promise<Result> {
  const { note = () => {} } = options;
  const path = await imagePath(file);
  if (await isUnsettled(path))
    note(`${file}: a change was interrupted while it was written; the next repair, seal or undo finishes it`);
  const tell = async ({ inUse, cutOff }: ImageFacts) => {
    for (const user of inUse) note(`${file}: is in use by ${user}; its current state is read`);
    for (const what of cutOff) note(`${file}: is cut off: ${what}`);
  };
  const together = await pathsOf(options.together ?? []);
  const found = await lookInto(host, path, tell, { ...lookOptions(options), compare: true, together });
  const reach = { ...lookOptions(options), allowUnmounted: options.allowUnmounted ?? false };
  return withReachable(host, found, reach, (reached) => readReached(host, path, reached, work, options));
}

async function readReached<Result>(
  host: Host,
  path: string,
  looked: LookedInto,
  work: (guest: DraftedGuest) => Promise<Result>,
  options: ChangeOptions,
): Promise<Result> {
  const { facts, mounts, others, unresolved, swapFiles, companions } = looked;
  const { note = () => {} } = options;
  await using image = await readImageFile(path);
  const swap = async (onEach: (data: Uint8Array) => void) => {
    const { files, unseen } = await findSwapFiles(image, mounts, swapFiles);
    const states = await swapStates(
      host,
      image,
      [...facts.volumes, ...swapMembers(facts.arrays), ...files],
      ({ data }) => onEach(data),
    );
    const inOthers = await swapInCompanions(host, companions, onEach);
    return [...states, ...unseen, ...inOthers];
  };
  const unclaimed = () => unclaimedSpace(host, image, facts, companions, options.watch?.signal);
  const rest = {
    others,
    unresolved,
    swapFiles,
    layers: allLayers(looked),
    companions: companions.map(({ file }) => file),
  };
  const tree =
    mayDraft(options) && isReadInProcess(mounts) ? await draftedTree(image, mounts, options) : undefined;
  if (tree) {
    for (const { volume } of mounts)
      if (await isUnclean(image, volume))
        note(`${volume.name}: not cleanly unmounted; changes in its journal are not seen`);
    return await work({
      tree,
      mounts,
      via: "direct",
      swap,
      unclaimed,
      ...rest,
      ...freeBlocksOf(host, image, mounts, options.watch?.signal),
    });
  }
  await using opened = await openByBest(host, facts, mounts, { ...accessOptions(options), readOnly: true });
  return await work({
    tree: opened.tree,
    mounts,
    via: opened.access.name,
    swap,
    unclaimed,
    ...rest,
    ...freeBlocksOf(host, image, mounts, options.watch?.signal),
  });
}

async function swapInCompanions(
  host: Host,
  companions: readonly Companion[],
  onEach: (data: Uint8Array) => void,
): Promise<SwapState[]> {
  const found: SwapState[] = [];
  for (const { file, facts } of companions) {
    await using image = await readImageFile(file);
    const volumes = [...facts.volumes, ...swapMembers(facts.arrays)];
    const states = await swapStates(host, image, volumes, ({ data }) => onEach(data));
    found.push(...states.map((one) => ({ ...one, name: inImage(one.name, file) })));
  }
  return found;
}

async function unclaimedSpace(
  host: Host,
  image: ImageFile,
  facts: ImageFacts,
  companions: readonly Companion[],
  signal: AbortSignal | undefined,
): Promise<UnclaimedSpace> {
  const inOthers: Unclaimed[] = [];
  for (const one of companions) {
    await using other = await readImageFile(one.file);
    for (const place of await unclaimedPlaces(other, one.facts))
      inOthers.push({ ...place, name: inImage(place.name, one.file), image: one.file });
  }
  const files = [undefined, ...companions.map(({ file }) => file)];
  async function* perImage(places: readonly Unclaimed[]) {
    for (const file of files) {
      const inFile = places.filter((place) => place.image === file);
      if (file === undefined) yield { disk: image, inFile, data: await rangesOf(host, image) };
      else {
        await using other = await readImageFile(file);
        yield { disk: other, inFile, data: await rangesOf(host, other) };
      }
    }
  }
  return {
    places: [...(await unclaimedPlaces(image, facts)), ...inOthers],
    async *blocks(places) {
      for await (const { disk, inFile, data } of perImage(places))
        yield* unclaimedBlocks(disk, inFile, data, signal);
    },
    async filled(places) {
      const found: Unclaimed[] = [];
      for await (const { disk, inFile, data } of perImage(places))
        found.push(...(await filledPlaces(disk, inFile, data, signal)));
      return found;
    },
  };
}

// `undefined` if a volume cannot be read in process; another access method may read it.
async function draftedTree(
  image: ImageFile,
  mounts: readonly Mount[],
  { via, watch }: ChangeOptions,
): Promise<GuestTree | undefined> {
  try {
    return await draftTree(draftOf(image), mounts, watch);
  } catch (error) {
    if (!(error instanceof Unfit) || via === "direct") throw error;
    return undefined;
  }
}

function freeBlocksOf(
  host: Runner,
  image: ImageFile,
  mounts: readonly Mount[],
  signal: AbortSignal | undefined,
): Pick<DraftedGuest, "freeBlocks"> {
  if (!mounts.every(({ volume }) => tellsFreeBlocks(volume) && !volume.isDirty)) return {};
  return {
    async *freeBlocks() {
      yield* freeBlocks(image, mounts, await rangesOf(host, image), signal);
    },
  };
}
