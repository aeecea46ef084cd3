import { realpath, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { type Lock, tryLock } from "../../host/lock.ts";
import { fileFault } from "../../io/file-fault.ts";
import type { FarFolder } from "../far.ts";
import { notOpened, requireFile } from "../file/image-file.ts";
import { type FilesInUse, filesInUse } from "../in-use.ts";
import { type LookedInto, lookInto, refuseChange, refuseUse } from "../open.ts";
import { withReachable } from "../reachable.ts";
import type { Piece } from "./draft.ts";
import type { ChangeOptions, DraftedGuest } from "./drafted-guest.ts";
import { lookOptions, type Planned, planBest, refuseWish, type Scrubbed } from "./plan-ways.ts";
import type { SwapState } from "./swap.ts";
import { changeImage, namesFor, settle, type UndoRecord, undoLast } from "./undo.ts";
import { refuseFaulty } from "./whole-check.ts";

/** A change, computed to the byte but not yet made. The image is locked until it is closed. */
export interface PlannedChange<Result> extends AsyncDisposable, Scrubbed {
  readonly result: Result;
  readonly via: string;
  readonly pieces: readonly Piece[];
  /** What the swap volumes held that are made new; `undefined` if not requested. */
  readonly swap?: readonly SwapState[];
  /** Makes it; `what` is said in the record that undoes it. */
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
  const { far, note, watch: { signal } = {} } = options;
  const interruptible = signal && { signal };
  return planOn(
    file,
    { ...(far && { far }), ...(note && { note }), ...interruptible },
    async (image, users) => {
      const found = await lookInto(host, image, refuseChange, {
        ...lookOptions(options),
        users,
        compare: true,
      });
      const { facts } = found;
      const plan = async (reached: LookedInto) => {
        const { mounts, others, unresolved } = reached;
        refuseWish(facts, mounts, options);
        if (options.fsck)
          await refuseFaulty(host, facts, mounts, {
            when: "before",
            ...(note && { note }),
            ...interruptible,
          });
        const planned = await planBest(
          host,
          reached,
          (guest) => work({ ...guest, others, unresolved, layers: facts.layers }),
          options,
        ).catch(async (error) => {
          // What went wrong is what counts; what is left beside the image, the next command removes.
          await rm(namesFor(image).work, { force: true }).catch(() => {});
          throw error;
        });
        const check = () => refuseFaulty(host, facts, mounts, { when: "after", ...interruptible });
        return { ...planned, ...(options.fsck && { check }) };
      };
      const reach = { ...lookOptions(options), allowUnmounted: options.allowUnmounted ?? false };
      return withReachable(host, found, reach, plan);
    },
  );
}

/** A change as its planner gives it. */
export type DraftedChange<Result> = Planned<Result> &
  Scrubbed &
  Pick<PlannedChange<Result>, "swap"> & {
    /** Throws if the changed image is not as it should be; the change is then taken back. */
    check?(): Promise<void>;
  };

/** Locks an image, lets `plan` work its change out, and gives the change. */
export async function planOn<Result>(
  file: string,
  {
    far,
    note,
    signal,
  }: { readonly far?: FarFolder; readonly note?: (text: string) => void; readonly signal?: AbortSignal },
  plan: (image: string, users: FilesInUse) => Promise<DraftedChange<Result>>,
): Promise<PlannedChange<Result>> {
  const { image, lock, users } = await takeImage(file, far);
  try {
    const settled = await settle(image);
    if (settled !== undefined) note?.(`${file}: ${settled}`);
    const before = await stat(image);
    const { check, close, ...planned } = await plan(image, users);
    return {
      ...planned,
      async apply(what) {
        await refuseMeanwhile(file, image, before, lock, far);
        const changeNote = { what, when: new Date().toISOString(), bytes: planned.bytes };
        const record = await changeImage(image, planned.pieces, changeNote, signal);
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

/** Resolves and locks an image that will be changed. Refuses one that is in use. */
export async function takeImage(
  file: string,
  far?: FarFolder,
): Promise<{ readonly image: string; readonly lock: Lock; readonly users: FilesInUse }> {
  const image = await imagePath(file);
  const lock = await lockImage(image, far);
  try {
    const users = await usersNow(far);
    refuseUse(image, users);
    return { image, lock, users };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function usersNow(far: FarFolder | undefined): Promise<FilesInUse> {
  return far ? await far.look() : filesInUse();
}

// Between a plan and its yes there may be a coffee break, and somebody who starts the machine.
async function refuseMeanwhile(
  file: string,
  image: string,
  before: Awaited<ReturnType<typeof stat>>,
  lock: Lock,
  far: FarFolder | undefined,
): Promise<void> {
  if (lock.isLost?.())
    throw new TbuildError("environment", `the connection to ${far?.host.name} was lost, and the lock`, {
      subject: file,
      hint: "Nothing was changed. Run the command again.",
    });
  refuseUse(image, await usersNow(far));
  const now = await stat(image);
  if (now.mtimeMs !== before.mtimeMs || now.size !== before.size || now.ino !== before.ino)
    throw new TbuildError("environment", "was changed by another program in the meantime", {
      subject: file,
      hint: "Nothing was changed. Find out who uses the image, then run the command again.",
    });
}

/** The real path of an image, beside which its records are. */
export async function imagePath(file: string): Promise<string> {
  const image = await realpath(file).catch((cause) => {
    throw notOpened(file, cause);
  });
  await requireFile(image);
  return image;
}

/** Locks an image, or the name of one that will be made. */
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
