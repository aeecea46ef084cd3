import { createHash } from "node:crypto";
import { mkdir, readFile, readlink, rm, symlink } from "node:fs/promises";
import { dirname } from "node:path";
import { checkInterrupted } from "../errors.ts";
import { sleep } from "./wait-for.ts";

export interface Lock extends AsyncDisposable {
  release(): Promise<void>;
  /** Of a lock on another machine: the line to it is broken, and with it the lock. */
  isLost?(): boolean;
}

/**
 * Takes the lock at once, or gives the pid that holds it. A lock of a dead process is taken over. It is a link that
 * leads nowhere and whose target says who holds it: made whole in one call, so that a kill leaves nothing half-made.
 */
export async function tryLock(file: string): Promise<Lock | { readonly heldBy: number }> {
  await mkdir(dirname(file), { recursive: true });
  for (;;) {
    if (await create(file)) {
      const release = () => rm(file, { force: true });
      return { release, [Symbol.asyncDispose]: release };
    }
    const text = await textOf(file);
    const holder = text === undefined ? undefined : await living(text);
    if (holder !== undefined) return { heldBy: holder };
    if (text !== undefined) await removeStale(file, text);
  }
}

async function create(file: string): Promise<boolean> {
  try {
    await symlink(`${process.pid} ${await startOf(process.pid)}`, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}

/** What the lock says; nothing when it is gone. A file of the same name that is no lock is nobody's. */
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

/** Waits for the lock; `onWait` is told once who holds it. */
export async function lock(
  file: string,
  options: { signal?: AbortSignal; onWait?: (pid: number) => void } = {},
): Promise<Lock> {
  let told = false;
  for (;;) {
    checkInterrupted(options.signal);
    const got = await tryLock(file);
    if ("release" in got) return got;
    if (!told) options.onWait?.(got.heldBy);
    told = true;
    await sleep(200, options.signal);
  }
}

/** The living process that holds the lock file, if any. */
export async function holderOf(file: string): Promise<number | undefined> {
  const text = await textOf(file);
  return text === undefined ? undefined : living(text);
}

async function living(text: string): Promise<number | undefined> {
  const [pid = "", start = ""] = text.trim().split(" ");
  return /^\d+$/.test(pid) && (await startOf(Number(pid))) === start ? Number(pid) : undefined;
}

// Pids are used again; a process is the same one only when it also started at the same moment (proc(5), stat field 22).
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "gone";
}
