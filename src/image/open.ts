import { open } from "node:fs/promises";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { removeAbandoned } from "../host/temporary.ts";
import { reasonOf } from "../io/file-fault.ts";
import { joinedReader } from "../io/reader.ts";
import type { Mount, Volume } from "./access.ts";
import { type Layout, layoutOf } from "./disk/disk.ts";
import { partOf, subvolumeOption, type Unresolved } from "./disk/fstab.ts";
import type { ArrayLook, MdPart } from "./disk/md-arrays.ts";
import { nextStep } from "./disk/members.ts";
import { imagesOfArrays, membersBeside, membersIn } from "./disk/members-beside.ts";
import { firstDifference } from "./disk/mirrors.ts";
import { type MountWords, mountsIn, mountWords } from "./disk/mounts.ts";
import { type OtherVolume, otherVolumes, snapshotsOf, unmountedSubvolumes } from "./disk/other-volumes.ts";
import { claimAround, inImage } from "./disk/unclaimed.ts";
import { rangesOf } from "./file/holes.ts";
import { type ImageFile, type Layer, readImageFile } from "./file/image-file.ts";
import { type FilesInUse, filesInUse } from "./in-use.ts";
import { type OpenedVolumes, openByBest } from "./open-volumes.ts";
import { withReachable } from "./reachable.ts";
import type { GuestTree } from "./tree.ts";
import type { AccessOptions } from "./ways/index.ts";

/** With `readOnly`, nothing is written, not even a journal replay, and an image in use can be read. */
export interface OpenImageOptions extends AccessOptions {
  /** The users of image files, determined once for many images. */
  readonly users?: FilesInUse;
}

/** The contents of an image file, before a guest is opened. */
export interface ImageFacts extends Layout {
  readonly file: string;
  readonly format: Layer["format"];
  readonly layers: readonly Layer[];
  /** The size of the disk, not of the file. */
  readonly bytes: number;
  /** Describes who uses it now. */
  readonly inUse: readonly string[];
}

/** The opened guest in an image file. Closing it writes the changes that are still in memory. */
export interface OpenedImage extends ImageFacts, OpenedVolumes {
  readonly mounts: readonly Mount[];
  readonly others: readonly OtherVolume[];
}

/** Opens the guest in an image file: refuses images that must not be touched, finds the guest's volumes, and chooses the access method. */
export async function openImageFile(
  host: Host,
  file: string,
  options: OpenImageOptions = {},
): Promise<OpenedImage> {
  const { readOnly = false, note = () => {}, users = options.far?.users ?? filesInUse() } = options;
  const check = async (facts: ImageFacts) => {
    if (!readOnly) return refuseChange(facts);
    for (const user of facts.inUse) note(`${file}: is in use by ${user}; its current state is read`);
    for (const what of facts.cutOff) note(`${file}: is cut off: ${what}`);
  };
  const found = await lookInto(host, file, check, { users, ...options });
  const open = async ({ facts, mounts, others }: LookedInto) => ({
    ...facts,
    mounts,
    others,
    ...(await openByBest(host, facts, mounts, options)),
  });
  return readOnly ? withReachable(host, found, { ...options, allowUnmounted: true }, open) : open(found);
}

/** The format, volumes and users of an image file, without opening the guest. */
export async function imageFacts(file: string, users = filesInUse()): Promise<ImageFacts> {
  await using image = await readImageFile(file);
  return await factsOf(image, users);
}

export type LookOptions = Pick<OpenImageOptions, "users" | "via" | "far" | "watch"> & {
  /**
   * Compare the members of mirrors, and look for missing ones beside the image. Without it, they are assumed
   * to be equal.
   */
  readonly compare?: boolean;
  /** Other images that may contain members of its mirrors. */
  readonly together?: readonly string[];
};

/** The contents of an image file and the guest's mounts. `check` may refuse it before the guest is searched. */
export async function lookInto(
  host: Host,
  file: string,
  check: (facts: ImageFacts) => Promise<void>,
  { far, users = far?.users ?? filesInUse(), via, watch, compare = false, together = [] }: LookOptions = {},
): Promise<LookedInto> {
  await removeAbandoned(host);
  await using image = await readImageFile(file);
  const stranger = far && image.layers.find((layer) => !layer.file.startsWith(`${far.at}/`));
  if (stranger)
    throw new TbuildError(
      "environment",
      `its backing file ${stranger.file} is in another folder of ${far.host.name}`,
      {
        subject: file,
        hint: "tbuild can only read the folder of a remote image. Run tbuild on that machine.",
      },
    );
  const images = compare ? await imagesOfArrays(file, together) : [];
  const further = (await Promise.all(images.map(membersIn))).flat();
  const look = compare ? comparing(host, image, further, watch?.signal) : undefined;
  const facts = await factsOf(image, users, look);
  await check(facts);
  const alone = (volume: Volume) =>
    openByBest(host, facts, [{ at: "/", volume }], {
      readOnly: true,
      ...(via && { via }),
      ...(far && { far }),
      ...(watch && { watch }),
    });
  const wordsOn = async (volume: Volume) => {
    const words = await (async () => {
      await using opened = await alone(volume);
      return await wordsIn(opened.tree, volume);
    })();
    const named = volume.fs === "btrfs" && words ? subvolumesIn(words.entries, volume) : [];
    if (!words || named.length === 0) return words;
    // Mounting a missing one would fail, and with it the access method.
    await using top = await alone({ ...volume, subvolume: "/" });
    const missing: string[] = [];
    for (const name of named) if ((await top.tree.stat(`/${name}`))?.kind !== "dir") missing.push(name);
    return { ...words, missing };
  };
  const { mounts, unresolved, swapFiles, covered } = await mountsIn(image, file, facts, wordsOn);
  const others = [
    ...(await otherVolumes(image, facts.volumes, mounts, unresolved)),
    ...(await unmountedSubvolumes(image, mounts)),
    ...snapshotsOf(image),
    ...covered,
  ];
  const companions: Companion[] = [];
  const parts = [...(images.length > 0 ? await membersIn(file) : []), ...further];
  for (const one of new Set(facts.arrays.flatMap(({ elsewhere }) => elsewhere.map((leg) => leg.image)))) {
    const found = await companionOf(one, facts, parts, users);
    await check(found.facts);
    companions.push(found.companion);
    others.push(...found.others);
  }
  return { facts, mounts, unresolved, swapFiles, others, companions };
}

/** Another image of the same machine, with members of its mirrors. */
export interface Companion {
  readonly file: string;
  /** The other volumes of the disk. Swap on a mirror is one of them, because its members are not equal. */
  readonly facts: ImageFacts;
}

// The members were already compared, from the other side.
async function companionOf(
  file: string,
  { arrays }: ImageFacts,
  parts: readonly MdPart[],
  users: FilesInUse,
): Promise<{ readonly facts: ImageFacts; readonly companion: Companion; readonly others: OtherVolume[] }> {
  await using image = await readImageFile(file);
  const facts = await factsOf(image, users, { further: parts.filter((part) => part.image !== file) });
  const shared = facts.arrays.filter(({ id }) => arrays.some((array) => array.id === id));
  const names = shared.map(({ name }) => name);
  const own = facts.volumes.filter(({ name }) => !names.includes(name));
  const swap = facts.volumes.filter(({ name, fs }) => names.includes(name) && fs === "swap");
  const others = [...(await otherVolumes(image, own, [], [])), ...snapshotsOf(image)];
  const followed = shared.filter(({ isSwap }) => !isSwap);
  return {
    facts,
    companion: { file, facts: { ...facts, volumes: [...own, ...swap], followed } },
    others: others.map((one) => ({ ...one, name: inImage(one.name, file) })),
  };
}

/**
 * An image with an account of its whole disk: volumes that the guest mounts, volumes that it does not, and
 * mounts from elsewhere.
 */
export interface LookedInto {
  readonly facts: ImageFacts;
  readonly mounts: readonly Mount[];
  readonly unresolved: readonly Unresolved[];
  /** The guest's swap files, as paths in the guest. */
  readonly swapFiles: readonly string[];
  readonly others: readonly OtherVolume[];
  /** The other images with members of its mirrors. */
  readonly companions: readonly Companion[];
}

/** The image file, followed by all backing files. */
export function allLayers({ facts, companions }: LookedInto): Layer[] {
  return [...facts.layers, ...companions.flatMap((one) => one.facts.layers.slice(1))];
}

// Installers put the root of a guest on btrfs into a subvolume, which is a folder in the top subvolume.
async function wordsIn(tree: GuestTree, { fs }: Volume): Promise<MountWords | undefined> {
  const files = {
    stat: (path: string) => tree.stat(path),
    list: (path: string) => tree.list(path),
    readFile: async (path: string) => (await tree.read(path)) ?? Buffer.alloc(0),
  };
  const words = await mountWords(files);
  if (words !== undefined) return words;
  for (const subvolume of fs === "btrfs" ? await tree.list("/") : []) {
    const words = await mountWords(files, `/${subvolume}`);
    if (words !== undefined) return { ...words, subvolume };
  }
  return undefined;
}

function subvolumesIn(entries: MountWords["entries"], volume: Volume): string[] {
  return entries.flatMap(({ options }) => partOf(volume, subvolumeOption(options)).subvolume ?? []);
}

function comparing(
  host: Host,
  image: ImageFile,
  further: readonly MdPart[],
  signal: AbortSignal | undefined,
): Omit<ArrayLook, "isSwap"> {
  return {
    further,
    async differs(one, { image: file, ...other }) {
      const data = await rangesOf(host, image);
      if (file === undefined) return firstDifference(image, one, other, data, signal);
      await using second = await readImageFile(file);
      const behind = (place: number) => image.bytes + place;
      const more = (await rangesOf(host, second)).map(({ start, length }) => ({
        start: behind(start),
        length,
      }));
      const both = joinedReader([image, second]);
      return await firstDifference(
        both,
        one,
        { ...other, offset: behind(other.offset) },
        [...data, ...more],
        signal,
      );
    },
    elsewhere: (array) => membersBeside(image.file, array),
  };
}

async function factsOf(
  image: ImageFile,
  users: FilesInUse,
  look?: Omit<ArrayLook, "isSwap">,
): Promise<ImageFacts> {
  const { file, format, layers, bytes } = image;
  const { table, tableFault, volumes, arrays, cutOff } = await layoutOf(image, look);
  // A file without a known structure is not a truncated image.
  const isDisk =
    table !== "none" || volumes.some(({ fs, refused }) => fs !== "unknown" || refused !== undefined);
  const isOdd = format === "raw" && bytes % 512 !== 0 && isDisk;
  const odd = isOdd ? [`${bytes} bytes are not a whole number of sectors`] : [];
  const inUse = layers.flatMap((layer) => users.by(layer.file));
  return {
    file,
    format,
    layers,
    bytes,
    inUse,
    table,
    volumes,
    arrays,
    cutOff: [...cutOff, ...odd],
    ...(tableFault !== undefined && { tableFault }),
  };
}

/** Throws if the image must not or cannot be changed now. */
export async function refuseChange({ file, inUse, volumes, cutOff }: ImageFacts): Promise<void> {
  if (cutOff.length > 0)
    throw new TbuildError("integrity", `is cut off: ${cutOff[0]}`, {
      subject: file,
      hint: "Nothing was changed. Copy the image again.",
    });
  refuseUsers(file, inUse);
  const claim = claimAround(volumes);
  if (claim) throw refusedVolume(file, claim);
  await using _handle = await open(file, "r+").catch((cause: NodeJS.ErrnoException) => {
    throw new TbuildError("environment", `cannot be written: ${reasonOf(cause)}`, {
      subject: file,
      hint: "Make the file and its folder writable, or work on a copy.",
      cause,
    });
  });
}

/** Throws if the image is in use. */
export function refuseUse(file: string, users: FilesInUse): void {
  refuseUsers(file, users.by(file));
}

function refuseUsers(file: string, inUse: readonly string[]): void {
  if (inUse.length > 0)
    throw new TbuildError("environment", `is in use, by ${inUse.join(" and ")}`, {
      subject: file,
      hint: "Stop the machine or detach the image first. Two writers would destroy the disk.",
    });
}

// For example, if the whole disk is a member of a RAID, its real partitions are inside the RAID.
function refusedVolume(file: string, { name, refused }: Volume): TbuildError {
  return new TbuildError("environment", `${name} ${refused}, but contains other volumes`, {
    subject: file,
    hint: `Nothing was changed. ${nextStep(refused ?? "")} If the signature is a remnant, remove it from a copy (wipefs).`,
  });
}
