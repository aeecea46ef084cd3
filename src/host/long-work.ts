import { setImmediate } from "node:timers/promises";
import { checkInterrupted } from "../errors.ts";

/** How long work reports its progress and can be interrupted. */
export interface Watch {
  /** Aborts the work, which then throws `Interrupted`. */
  readonly signal?: AbortSignal;
  /** Called with the current action, and its progress if known. */
  readonly progress?: (text: string, done?: number, total?: number) => void;
}

const longestMs = 50;

/**
 * For long work in memory. The work calls the returned function at each step. Twenty times a second it returns a
 * promise to await, so that signals and timers can run; `onTurn` is then called with the number of steps so far.
 * Throws `Interrupted` once the signal has aborted.
 */
export function pacer(
  signal?: AbortSignal,
  onTurn?: (steps: number) => void,
): () => Promise<void> | undefined {
  let last = performance.now();
  let steps = 0;
  return () => {
    steps++;
    const now = performance.now();
    if (now - last < longestMs) return undefined;
    last = now;
    return setImmediate().then(() => {
      checkInterrupted(signal);
      onTurn?.(steps);
    });
  };
}
