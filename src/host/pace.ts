import { setImmediate } from "node:timers/promises";
import { checkInterrupted } from "../errors.ts";

/** How long work is followed and ended from outside. */
export interface Watch {
  /** Raised when the work is to end; it then throws `Interrupted`. */
  readonly signal?: AbortSignal;
  /** Told what is done now, in a few words, and how much of it, where that is known. */
  readonly progress?: (text: string, done?: number, total?: number) => void;
}

const longestMs = 50;

/**
 * For long work in memory, which calls the function that this gives at each of its steps. Twenty times a second it gives
 * a promise to wait for, so that signals and timers get their turn; `onTurn` is called with the number of steps so far.
 * Throws `Interrupted` once the signal is raised.
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
