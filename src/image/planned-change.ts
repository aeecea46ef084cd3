import { realpath, rm, stat } from "node:fs/promises";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { type Lock, tryLock } from "../host/lock.ts";
import type { Mount } from "./access.ts";
import { type Draft, draftOf, type Piece } from "./draft.ts";
import { draftTree } from "./draft-tree.ts";
import { openExt } from "./ext.ts";
import { Unfit } from "./ext-volume.ts";
import type { FarFolder } from "./far.ts";
import type { FreeBlock } from "./free-space.ts";
import { dataRanges, overlapWith } from "./holes.ts";
import { type ImageFile, readImageFile } from "./image-file.ts";
import { type AccessOptions, chooseAccess } from "./index.ts";
import { replayInto } from "./journal.ts";
import { type ImageFacts, lookInto, openImageFile, refuseChange } from "./open.ts";
import { differingPieces } from "./pieces.ts";
import { type Reader, windowOf } from "./reader.ts";
import { snapshotPieces } from "./snapshot.ts";
import type { GuestTree } from "./tree.ts";
import { changeImage, isUnsettled, namesFor, settle, type UndoRecord } from "./undo.ts";

/** A guest that is read, or changed beside its image. */
export interface DraftedGuest {
  readonly tree: GuestTree;
  readonly mounts: readonly Mount[];
  readonly via: string;
  /** What only a way in knows that sees blocks, and not just files. */
  readonly blocks?: {
    /** Zeros over what the changes have freed; gives how many bytes. */
    scrub(): Promise<number>;
    /** Blocks that no file has, and in which something stands. */
    free(): AsyncGenerator<FreeBlock>;
  };
}

/** A change that is worked out to the byte and not yet made. Nobody else can change the image until it is closed. */
export interface PlannedChange<Result> extends AsyncDisposable {
  readonly result: Result;
  readonly via: string;
  readonly pieces: readonly Piece[];
  /** Makes it; `what` is said in the record that undoes it. */
  apply(what: string): Promise<UndoRecord>;
}

/** `via: "direct"` is the change in memory, and no other. */
export type ChangeOptions = Omit<AccessOptions, "readOnly">;

/**
 * Lets `work` change the guest in `file`, and gives what that comes to in bytes; the image stays as it is. An ext
 * guest is changed in memory. Any other is changed in a copy beside the image, by the best way in,
 * and compared: slower, and as safe.
 */
export async function planChange<Result>(
  host: Host,
  file: string,
  work: (guest: DraftedGuest) => Promise<Result>,
  options: ChangeOptions = {},
): Promise<PlannedChange<Result>> {
  const image = await imagePath(file);
  const lock = await lockImage(image, options.far);
  try {
    const settled = await settle(image);
    if (settled !== undefined) options.note?.(`${file}: ${settled}`);
    const before = await stat(image);
    const { facts, mounts } = await lookInto(host, image, refuseChange, lookOptions(options));
    const inMemory =
      facts.format === "raw" ? await planInMemory(host, image, mounts, work, options) : undefined;
    const planned =
      inMemory ??
      (facts.format === "raw" ? await planBeside(host, facts, mounts, work, options) : undefined) ??
      (await planInCopy(host, image, work, options));
    return {
      ...planned,
      async apply(what) {
        const now = await stat(image);
        if (now.mtimeMs !== before.mtimeMs || now.size !== before.size || now.ino !== before.ino)
          throw new TbuildError("environment", `${file}: was changed by somebody else meanwhile`, {
            hint: "Nothing was done. See who uses the image, and run the command again.",
          });
        return changeImage(image, planned.pieces, {
          what,
          when: new Date().toISOString(),
          bytes: planned.bytes,
        });
      },
      async [Symbol.asyncDispose]() {
        await planned.close();
        await lock.release();
      },
    };
  } catch (error) {
    await rm(namesFor(image).work, { force: true });
    await lock.release();
    throw error;
  }
}

/** Lets `work` look at the guest in `file`, of which nothing is changed. */
export async function readGuest<Result>(
  host: Host,
  file: string,
  work: (guest: DraftedGuest) => Promise<Result>,
  options: ChangeOptions = {},
): Promise<Result> {
  const { note = () => {} } = options;
  const path = await imagePath(file);
  if (await isUnsettled(path))
    note(
      `${file}: a change of it was cut off while it was written; the next repair, seal or undo finishes it`,
    );
  const tell = async ({ inUse, cutOff }: ImageFacts) => {
    for (const user of inUse) note(`${file}: is in use by ${user}; it is read as it is now`);
    for (const what of cutOff) note(`${file}: is cut off: ${what}`);
  };
  const { mounts } = await lookInto(host, path, tell, lookOptions(options));
  if (mayDraft(options) && isExt(mounts)) {
    await using image = await readImageFile(path);
    for (const { volume } of mounts)
      if (await isUnclean(image, volume))
        note(`${volume.name}: not cleanly unmounted; what waits in its journal is not seen`);
    return await work(await drafted(host, image, draftOf(image), mounts));
  }
  await using opened = await openImageFile(host, path, { ...accessOptions(options), readOnly: true });
  return await work({ tree: opened.tree, mounts, via: opened.access.name });
}

/** Where an image really lies: what belongs to it lies there too. */
export async function imagePath(file: string): Promise<string> {
  const image = await realpath(file).catch((cause) => {
    throw new TbuildError("environment", `${file}: cannot be opened`, { cause });
  });
  if (!(await stat(image)).isFile())
    throw new TbuildError("usage", `${file}: not an image file`, {
      hint: "Devices and folders are not changed: a record to undo it could not lie beside them.",
    });
  return image;
}

/** Takes the image for this process; one that is taken is refused. */
export async function lockImage(image: string, far?: FarFolder): Promise<Lock> {
  if (far) return far.lock(image);
  const got = await tryLock(namesFor(image).lock).catch((cause: NodeJS.ErrnoException) => {
    throw new TbuildError("environment", `${image}: nothing can be written beside it (${cause.code})`, {
      hint: "A change leaves a record there that undoes it. Make the folder writable, or work on a copy.",
      cause,
    });
  });
  if ("release" in got) return got;
  throw new TbuildError("environment", `${image}: is being changed by another tbuild, process ${got.heldBy}`);
}

interface Planned<Result> {
  readonly result: Result;
  readonly via: string;
  readonly pieces: readonly Piece[];
  readonly bytes: number;
  close(): Promise<void>;
}

async function planInMemory<Result>(
  host: Host,
  image: string,
  mounts: readonly Mount[],
  work: (guest: DraftedGuest) => Promise<Result>,
  options: ChangeOptions,
): Promise<Planned<Result> | undefined> {
  const { note = () => {} } = options;
  if (!mayDraft(options) || !isExt(mounts)) return undefined;
  await using reader = await readImageFile(image);
  const draft = draftOf(reader);
  try {
    for (const { volume } of mounts) {
      if (!(await isUnclean(reader, volume))) continue;
      // An edit beside a journal that waits is lost, or damages, when the guest mounts it.
      note(`${volume.name}: not cleanly unmounted; its journal is replayed, with e2fsck`);
      await replayInto(host, image, volume, (at, data) => draft.write(volume.offset + at, data));
    }
    const guest = await drafted(host, reader, draft, mounts);
    const result = await work(guest);
    await guest.tree.commit();
    const pieces = await draft.pieces();
    return { result, via: "direct", pieces, bytes: reader.bytes, close: async () => {} };
  } catch (error) {
    if (!(error instanceof Unfit) || options.via === "direct") throw error;
    note(`${error.message}; the change is made in a copy beside the image`);
    return undefined;
  }
}

async function drafted(
  host: Host,
  { file, format }: ImageFile,
  draft: Draft,
  mounts: readonly Mount[],
): Promise<DraftedGuest> {
  const { tree, scrub, freeBlocks } = await draftTree(draft, mounts);
  async function* free(): AsyncGenerator<FreeBlock> {
    const hasData = format === "raw" ? overlapWith(await dataRanges(host, file)) : () => true;
    yield* freeBlocks(hasData);
  }
  return { tree, mounts, via: "direct", blocks: { scrub, free } };
}

function mayDraft({ via = "direct", needsPrograms = false }: ChangeOptions): boolean {
  return via === "direct" && !needsPrograms;
}

function accessOptions({ via, ...options }: ChangeOptions): AccessOptions {
  if (via === "direct")
    throw new TbuildError("environment", "direct: only ext file systems can be changed this way", {
      hint: "Leave --via away; tbuild then takes the fastest way that can.",
    });
  return { ...options, ...(via !== undefined && { via }) };
}

// What the guest is changed in memory by cannot look for an fstab elsewhere than on ext.
function lookOptions({ via, far }: ChangeOptions): Pick<AccessOptions, "via" | "far"> {
  return { ...(via !== undefined && via !== "direct" && { via }), ...(far && { far }) };
}

function isExt(mounts: readonly Mount[]): boolean {
  return mounts.every(({ volume }) => volume.fs.startsWith("ext") && volume.pieces === undefined);
}

async function isUnclean(reader: Reader, { offset, bytes }: Mount["volume"]): Promise<boolean> {
  const ext = await openExt(windowOf(reader, offset, Math.min(bytes, reader.bytes - offset)));
  return ext.isDirty || ext.hasErrors;
}

// Where a way in can let a change go beside the image, nothing is copied and nothing compared.
async function planBeside<Result>(
  host: Host,
  { file, bytes }: ImageFacts,
  mounts: readonly Mount[],
  work: (guest: DraftedGuest) => Promise<Result>,
  options: ChangeOptions,
): Promise<Planned<Result> | undefined> {
  const access = await chooseAccess(
    host,
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
  const tree = await access.openBeside(file, mounts, snapshot, bytes);
  const result = await work({ tree, mounts, via: access.name }).catch(async (error) => {
    // Of a disk that is full a program says that it cannot write; why, is known when the snapshot is taken down.
    await tree[Symbol.asyncDispose]();
    throw error;
  });
  await tree[Symbol.asyncDispose]();
  const pieces = await snapshotPieces(file, snapshot);
  return { result, via: access.name, pieces, bytes, close: () => rm(snapshot, { force: true }) };
}

async function planInCopy<Result>(
  host: Host,
  image: string,
  work: (guest: DraftedGuest) => Promise<Result>,
  options: ChangeOptions,
): Promise<Planned<Result>> {
  const copy = namesFor(image).work;
  await host.run(["cp", "--sparse=always", "--reflink=auto", "--", image, copy]);
  let result: Result;
  let via: string;
  {
    await using opened = await openImageFile(host, copy, accessOptions(options));
    via = opened.access.name;
    result = await work({ tree: opened.tree, mounts: opened.mounts, via });
  }
  const { size } = await stat(copy);
  return {
    result,
    via,
    pieces: await differingPieces(host, image, copy),
    bytes: size,
    close: () => rm(copy, { force: true }),
  };
}
