import { createHash, randomBytes } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { checkInterrupted } from "../errors.ts";
import { sleep } from "./wait-for.ts";

export interface Lock extends AsyncDisposable {
  release(): Promise<void>;
}

/** Takes the lock file at once, or gives the pid that holds it. A lock of a dead process is taken over. */
export async function tryLock(file: string): Promise<Lock | { readonly heldBy: number }> {
  await mkdir(dirname(file), { recursive: true });
  for (;;) {
    if (await create(file)) {
      const release = () => rm(file, { force: true });
      return { release, [Symbol.asyncDispose]: release };
    }
    const text = await readFile(file, "utf8").catch(() => undefined);
    const holder = text === undefined ? undefined : await living(text);
    if (holder !== undefined) return { heldBy: holder };
    if (text !== undefined) await removeStale(file, text);
  }
}

/** Makes the file with what it says in it at once; false when there is one. */
async function create(file: string): Promise<boolean> {
  const own = `${file}.${process.pid}-${randomBytes(6).toString("hex")}`;
  await writeFile(own, `${process.pid} ${await startOf(process.pid)}\n`);
  try {
    await link(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  } finally {
    await rm(own, { force: true });
  }
}

// Two that see the same dead holder must not both remove its file: the second would remove what the first has made in
// its place. So who removes it holds a lock on that very holder, under which the file either is still that one or is not.
async function removeStale(file: string, text: string): Promise<void> {
  const claim = await tryLock(`${file}.${createHash("sha256").update(text).digest("hex").slice(0, 12)}`);
  if (!("release" in claim)) return sleep(5);
  try {
    if ((await readFile(file, "utf8").catch(() => undefined)) === text) await rm(file, { force: true });
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
  const text = await readFile(file, "utf8").catch(() => undefined);
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
