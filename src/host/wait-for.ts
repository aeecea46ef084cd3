import { checkInterrupted, TbuildError } from "../errors.ts";

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly everyMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Waits until `check` returns a value. At the last attempt, `check` is told so, and can throw an error that says
 * why it is not ready. If it returns nothing then, a `guest` fault names `what`.
 */
export async function waitFor<T>(
  what: string,
  check: (last: boolean) => Promise<T | undefined>,
  options: WaitOptions,
): Promise<T> {
  const deadline = Date.now() + options.timeoutMs;
  for (;;) {
    checkInterrupted(options.signal);
    const last = Date.now() >= deadline;
    const found = await check(last);
    if (found !== undefined) return found;
    if (last)
      throw new TbuildError("guest", `not seen within ${Math.round(options.timeoutMs / 1000)} s`, {
        subject: what,
      });
    await sleep(options.everyMs ?? 250, options.signal);
  }
}

/** Sleeps, and wakes early if `signal` aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
  });
}
