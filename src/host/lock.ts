import { mkdir, open, readFile, rm } from "node:fs/promises";
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
    try {
      const handle = await open(file, "wx");
      await handle.writeFile(`${process.pid} ${await startOf(process.pid)}\n`);
      await handle.close();
      const release = () => rm(file, { force: true });
      return { release, [Symbol.asyncDispose]: release };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const holder = await holderOf(file);
    if (holder !== undefined) return { heldBy: holder };
    await rm(file, { force: true });
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
  if (text === undefined) return undefined;
  const [pid = 0, start = ""] = text
    .trim()
    .split(" ")
    .map((word, i) => (i === 0 ? Number(word) : word)) as [number, string];
  // An empty file: its maker is between creating and writing it, or died there; the next try tells.
  if (pid === 0) {
    await sleep(50);
    return (await readFile(file, "utf8").catch(() => "")) === "" ? undefined : holderOf(file);
  }
  return (await startOf(pid)) === start ? pid : undefined;
}

// Pids are used again; a process is the same one only when it also started at the same moment (proc(5), stat field 22).
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "gone";
}
