import { createHash } from "node:crypto";
import { readlink, rm, symlink } from "node:fs/promises";
import { dirname } from "node:path";
import { checkInterrupted, TbuildError } from "../errors.ts";
import { fileFault } from "../io/file-fault.ts";
import { makeFolders } from "../io/folders.ts";
import { bootId, hostId, startOf } from "./identity.ts";
import { sleep } from "./wait-for.ts";

export interface Lock extends AsyncDisposable {
  release(): Promise<void>;
  /** Of a lock on another machine: the line to it is broken, and with it the lock. */
  isLost?(): boolean;
}

/** The process that holds a lock, and the machine that it runs on where that is not this one. */
export interface Holder {
  readonly heldBy: number;
  readonly on?: string;
}

/**
 * Takes the lock at once, or says who holds it. A lock of a dead process is taken over; of one on another machine, as a
 * file server makes possible, it is unknown whether it lives, so it counts as alive. The lock is a link that
 * leads nowhere and whose target says who holds it (`PID START BOOT HOST`): made whole in one call, also over NFS, so
 * that a kill leaves nothing half-made.
 */
export async function tryLock(file: string): Promise<Lock | Holder> {
  await makeFolders(dirname(file)).catch((error) => {
    throw fileFault(error, dirname(file));
  });
  for (;;) {
    if (await create(file)) {
      const release = () => rm(file, { force: true });
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

/** What the lock says; nothing when it is gone. A file of that name that is not a lock has no owner. */
async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readlink(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EINVAL") return "no lock";
    if (code === "ENOENT") return undefined;
    throw error;
  }
}

// Two that see the same dead holder must not both remove its file: the second would remove what the first has made in
// its place. So who removes it holds a lock on that very holder, under which the file either is still that one or is not.
async function removeStale(file: string, text: string): Promise<void> {
  const claim = await tryLock(`${file}.${createHash("sha256").update(text).digest("hex").slice(0, 12)}`);
  if (!("release" in claim)) return sleep(5);
  try {
    if ((await textOf(file)) === text) await rm(file, { force: true });
  } finally {
    await claim.release();
  }
}

// How long a lock of another machine is waited for: it may be of one that no longer runs.
const foreignMs = 15 * 60_000;

/** Waits for the lock; `onWait` is told once who holds it. */
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
        hint: "Whether it still runs can only be seen there. If it does not, remove this file.",
      });
    if (!told) options.onWait?.(got.heldBy);
    told = true;
    await sleep(200, options.signal);
  }
}

/** The living process that holds the lock file, if any. */
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
    return (await startOf(heldBy)) === start ? { heldBy } : undefined;
  // The same kernel with other process ids is another container, which we cannot look into.
  const isSameKernel = boot.split(":")[0] === (await bootId()).split(":")[0];
  if (host === (await hostId()) && !isSameKernel) return undefined;
  return { heldBy, on: host.split(":")[0] || "another machine" };
}
