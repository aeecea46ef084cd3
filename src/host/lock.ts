import { createHash } from "node:crypto";
import { lstat, readlink, rm, symlink } from "node:fs/promises";
import { dirname } from "node:path";
import { checkInterrupted, TbuildError } from "../errors.ts";
import { fileFault } from "../io/file-fault.ts";
import { makeFolders } from "../io/folders.ts";
import { bootId, hostId, mayRun, startOf } from "./identity.ts";
import { sleep } from "./wait-for.ts";

export interface Lock extends AsyncDisposable {
  release(): Promise<void>;
  /** For a lock on another machine: aborts when the connection breaks, which ends the lock. */
  isLost?(): boolean;
}

/** The process that holds a lock, and its machine if it is another one. */
export interface Holder {
  readonly heldBy: number;
  readonly on?: string;
}

/**
 * Takes the lock immediately, or returns its holder. The lock of a dead process is taken over. A process on
 * another machine, which shares the file system, counts as alive because its state is unknown. The lock is a
 * dangling symbolic link whose target names the holder (`PID START BOOT HOST`). A single call creates it,
 * also over NFS, so a kill leaves no partial lock.
 */
export async function tryLock(file: string): Promise<Lock | Holder> {
  await makeFolders(dirname(file));
  for (;;) {
    if (await create(file)) {
      const release = () =>
        rm(file, { force: true }).catch((error) => {
          throw fileFault(error, file);
        });
      return { release, [Symbol.asyncDispose]: release };
    }
    const text = await textOf(file);
    const holder = text === undefined ? undefined : await living(text);
    if (holder !== undefined) return holder;
    if (text !== undefined) await removeStale(file, text);
  }
}

async function create(file: string): Promise<boolean> {
  try {
    await symlink(`${process.pid} ${await startOf(process.pid)} ${await bootId()} ${await hostId()}`, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw fileFault(error, file);
    return false;
  }
}

/** The holder in the lock; `undefined` if the lock is gone. Another file with that name has no owner. */
async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readlink(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EINVAL") return "no lock";
    if (code === "ENOENT") return undefined;
    throw fileFault(error, file);
  }
}

// Two processes that see the same dead holder must not both remove its file: the second would remove the
// first one's new lock. So a process first takes a second lock, named after this holder, and then
// checks that the file still names it.
async function removeStale(file: string, text: string): Promise<void> {
  const claim = await tryLock(`${file}.${createHash("sha256").update(text).digest("hex").slice(0, 12)}`);
  if (!("release" in claim)) return sleep(5);
  try {
    if ((await textOf(file)) === text) await removeLock(file);
  } finally {
    await claim.release();
  }
}

async function removeLock(file: string): Promise<void> {
  await rm(file, { force: true }).catch(async (error) => {
    if (!(await lstat(file).catch(() => undefined))?.isDirectory()) throw fileFault(error, file);
    throw new TbuildError("environment", "is a folder, where a lock should be", {
      subject: file,
      hint: "Remove it, or move it away.",
    });
  });
}

// How long to wait for a lock of another machine, whose process may no longer run.
const foreignMs = 15 * 60_000;

/** Waits for the lock. `onWait` is called once with its holder. */
export async function lock(
  file: string,
  options: { signal?: AbortSignal; onWait?: (pid: number) => void; foreignMs?: number } = {},
): Promise<Lock> {
  let told = false;
  const begun = Date.now();
  for (;;) {
    checkInterrupted(options.signal);
    const got = await tryLock(file);
    if ("release" in got) return got;
    if (got.on !== undefined && Date.now() - begun >= (options.foreignMs ?? foreignMs))
      throw new TbuildError("environment", `is held by process ${got.heldBy} on ${got.on}`, {
        subject: file,
        hint: "Check there whether it still runs. If it does not, remove this file.",
      });
    if (!told) options.onWait?.(got.heldBy);
    told = true;
    await sleep(200, options.signal);
  }
}

/** The running process that holds the lock file, if any. */
export async function holderOf(file: string): Promise<number | undefined> {
  const text = await textOf(file);
  return text === undefined ? undefined : (await living(text))?.heldBy;
}

async function living(text: string): Promise<Holder | undefined> {
  const [pid = "", start = "", boot, host] = text.trim().split(" ");
  if (!/^\d+$/.test(pid)) return undefined;
  const heldBy = Number(pid);
  // Locks of older versions name no machine.
  if (boot === undefined || host === undefined || boot === (await bootId()))
    return (await mayRun(heldBy, start)) ? { heldBy } : undefined;
  // The same kernel with another pid namespace is another container, which cannot be seen from here.
  const isSameKernel = boot.split(":")[0] === (await bootId()).split(":")[0];
  if (host === (await hostId()) && !isSameKernel) return undefined;
  return { heldBy, on: host.split(":")[0] || "another machine" };
}
