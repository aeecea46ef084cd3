import { realpath, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { type Lock, tryLock } from "../../host/lock.ts";
import { isThere } from "../../io/durable.ts";
import { fileFault } from "../../io/file-fault.ts";
import { imagesOfArrays } from "../disk/members-beside.ts";
import { notOpened, requireFile } from "../file/image-file.ts";
import { type FilesInUse, filesInUse } from "../in-use.ts";
import { allLayers, type LookedInto, lookInto, refuseChange, refuseUse } from "../open.ts";
import { withReachable } from "../reachable.ts";
import type { FarFolder } from "../remote-image.ts";
import type { Piece } from "./draft.ts";
import type { ChangeOptions, DraftedGuest } from "./drafted-guest.ts";
import { planCompanions, withOthers } from "./other-images.ts";
import { lookOptions, type Planned, planBest, refuseWish, type Scrubbed } from "./plan-ways.ts";
import type { SwapState } from "./swap.ts";
import {
  type ChangedWith,
  changeImage,
  imagesWith,
  namesFor,
  settle,
  type UndoRecord,
  undoLast,
} from "./undo.ts";
import { refuseFaulty } from "./whole-check.ts";

/** A change, computed to the byte but not yet made. The image is locked until it is closed. */
export interface PlannedChange<Result> extends AsyncDisposable, Scrubbed {
  readonly result: Result;
  readonly via: string;
  readonly pieces: readonly Piece[];
  /** The changes of the other images that have members of its mirrors. */
  readonly alongside?: readonly ChangedWith[];
  /** The old contents of the renewed swap volumes; `undefined` if not requested. */
  readonly swap?: readonly SwapState[];
  /** Makes it. `what` describes it in the undo record. */
  apply(what: string): Promise<UndoRecord>;
}

/**
 * Lets `work` change the guest in `file`, and returns the bytes that differ; the image itself is not changed. An ext guest
 * is changed in memory. Any other is changed beside the image: in a snapshot if the access method has one, otherwise in a
 * copy that is then compared, which is slower and just as safe.
 */
export async function planChange<Result>(
  host: Host,
  file: string,
  work: (guest: DraftedGuest) => Promise<Result>,
  options: ChangeOptions = {},
): Promise<PlannedChange<Result>> {
  const { far, note, watch: { signal } = {}, together } = options;
  const interruptible = signal && { signal };
  return planOn(
    file,
    { ...(far && { far }), ...(note && { note }), ...(together && { together }), ...interruptible },
    async (image, users, companions) => {
      const found = await lookInto(host, image, refuseChange, {
        ...lookOptions(options),
        users,
        compare: true,
        together: companions,
      });
      const { facts } = found;
      const plan = async (reached: LookedInto) => {
        const { mounts, others, unresolved, swapFiles } = reached;
        refuseWish(reached, options);
        if (options.fsck)
          await refuseFaulty(host, facts, mounts, {
            when: "before",
            ...(note && { note }),
            ...interruptible,
          });
        const planned = await planBest(
          host,
          reached,
          (guest) =>
            work({
              ...guest,
              others,
              unresolved,
              swapFiles,
              layers: allLayers(reached),
              companions: reached.companions.map((one) => one.file),
            }),
          options,
        ).catch(async (error) => {
          // The original error matters. The next command removes files that are left beside the image.
          await rm(namesFor(image).work, { force: true }).catch(() => {});
          throw error;
        });
        const check = () => refuseFaulty(host, facts, mounts, { when: "after", ...interruptible });
        const mirrored = planned.inMirrors ?? planned.pieces;
        const changes = await planCompanions(host, reached, mirrored, options).catch(async (error) => {
          await planned.close();
          throw error;
        });
        return { ...withOthers(planned, changes), ...(options.fsck && { check }) };
      };
      const reach = { ...lookOptions(options), allowUnmounted: options.allowUnmounted ?? false };
      return withReachable(host, found, reach, plan);
    },
  );
}

/** A change from its planner. */
export type DraftedChange<Result> = Planned<Result> &
  Scrubbed &
  Pick<PlannedChange<Result>, "swap" | "alongside"> & {
    /** Throws if the changed image is not correct. The change is then undone. */
    check?(): Promise<void>;
  };

/** Locks an image, lets `plan` compute its change, and returns the change. */
export async function planOn<Result>(
  file: string,
  {
    far,
    note,
    signal,
    together = [],
  }: {
    readonly far?: FarFolder;
    readonly note?: (text: string) => void;
    readonly signal?: AbortSignal;
    /** Other images that may have to be changed with it. */
    readonly together?: readonly string[];
  },
  plan: (image: string, users: FilesInUse, companions: readonly string[]) => Promise<DraftedChange<Result>>,
): Promise<PlannedChange<Result>> {
  const companions = await imagesOfArrays(await imagePath(file), await pathsOf(together));
  const { image, lock, users } = await takeImage(file, far, companions);
  try {
    for (const one of [image, ...companions]) {
      const settled = await settle(one);
      if (settled !== undefined) note?.(`${one === image ? file : one}: ${settled}`);
    }
    const before = await statsOf([image, ...companions]);
    const { check, close, ...planned } = await plan(image, users, companions);
    return {
      ...planned,
      async apply(what) {
        await refuseMeanwhile(before, lock, far);
        const changeNote = { what, when: new Date().toISOString(), bytes: planned.bytes };
        const record = await changeImage(image, planned.pieces, changeNote, {
          ...(signal && { signal }),
          ...(planned.alongside && { others: planned.alongside }),
        });
        await check?.().catch(async (error) => {
          await undoLast(image);
          throw error;
        });
        return record;
      },
      async [Symbol.asyncDispose]() {
        try {
          await close();
        } finally {
          await lock.release();
        }
      },
    };
  } catch (error) {
    await lock.release().catch(() => {});
    throw error;
  }
}

/** The real paths of images. A missing one is left out; opening it reports that. */
export async function pathsOf(files: readonly string[]): Promise<string[]> {
  const found = await Promise.all(files.map((file) => imagePath(file).catch(() => undefined)));
  return found.filter((file) => file !== undefined);
}

/**
 * Resolves and locks an image that will be changed, and with it `companions` and the images that its undo records concern.
 * Refuses one that is in use.
 */
export async function takeImage(
  file: string,
  far?: FarFolder,
  companions: readonly string[] = [],
): Promise<{ readonly image: string; readonly lock: Lock; readonly users: FilesInUse }> {
  const image = await imagePath(file);
  const lock = await lockImage(image, far);
  const locks = [lock];
  const release = async () => {
    for (const one of locks) await one.release();
  };
  try {
    const others = new Set([...(await imagesWith(image)), ...companions]);
    for (const other of others) if (await isThere(other)) locks.push(await lockImage(other, far));
    const users = await usersNow(far);
    for (const one of [image, ...others]) refuseUse(one, users);
    return { image, lock: { ...lock, release, [Symbol.asyncDispose]: release }, users };
  } catch (error) {
    await release();
    throw error;
  }
}

async function usersNow(far: FarFolder | undefined): Promise<FilesInUse> {
  return far ? await far.look() : filesInUse();
}

type Stats = ReadonlyMap<string, Awaited<ReturnType<typeof stat>>>;

async function statsOf(images: readonly string[]): Promise<Stats> {
  return new Map(await Promise.all(images.map(async (image) => [image, await stat(image)] as const)));
}

// Much time may pass between a plan and its confirmation, and somebody may start the machine.
async function refuseMeanwhile(before: Stats, lock: Lock, far: FarFolder | undefined): Promise<void> {
  if (lock.isLost?.())
    throw new TbuildError(
      "environment",
      `the connection to ${far?.host.name} was lost, and with it the lock on the image`,
      {
        hint: "Nothing was changed. Run the command again.",
      },
    );
  const users = await usersNow(far);
  const images = [...before.keys()];
  for (const image of images) refuseUse(image, users);
  for (const [image, now] of await statsOf(images)) {
    const was = before.get(image);
    if (now.mtimeMs === was?.mtimeMs && now.size === was.size && now.ino === was.ino) continue;
    throw new TbuildError("environment", "was changed by another program in the meantime", {
      subject: image,
      hint: "Nothing was changed. Find out who uses the image, then run the command again.",
    });
  }
}

/** The real path of an image, beside which its records are. */
export async function imagePath(file: string): Promise<string> {
  const image = await realpath(file).catch((cause) => {
    throw notOpened(file, cause);
  });
  await requireFile(image);
  return image;
}

/** Locks an image, or the name of a future one. */
export async function lockImage(image: string, far?: FarFolder): Promise<Lock> {
  if (far) return far.lock(image);
  const got = await tryLock(namesFor(image).lock).catch((cause: NodeJS.ErrnoException) => {
    const fault = fileFault(cause, dirname(image));
    if (!(fault instanceof TbuildError)) throw fault;
    const hint = "tbuild stores the undo record there. Make the folder writable, or work on a copy.";
    throw new TbuildError(fault.fault, fault.message, { hint, cause });
  });
  if ("release" in got) return got;
  throw new TbuildError(
    "environment",
    `is being changed by another tbuild, process ${got.heldBy}${got.on === undefined ? "" : ` on ${got.on}`}`,
    { subject: image },
  );
}
