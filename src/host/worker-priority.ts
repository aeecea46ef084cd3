import { readdir } from "node:fs/promises";
import { setPriority } from "node:os";

/**
 * Lowers the priority of this process's worker threads, which compress and hash, until it is closed. Machines that run
 * meanwhile then get the processor first. Programs that tbuild starts keep their priority. Where threads have none of their
 * own, nothing changes; only root can raise it again.
 */
export async function yieldingWorkers(): Promise<AsyncDisposable> {
  await setAll(10);
  return { [Symbol.asyncDispose]: () => setAll(0) };
}

async function setAll(nice: number): Promise<void> {
  const threads = (await readdir("/proc/self/task").catch(() => [])).map(Number);
  for (const thread of threads.filter((one) => one !== process.pid))
    try {
      setPriority(thread, nice);
    } catch {
      // It has ended, or may not be raised.
    }
}
