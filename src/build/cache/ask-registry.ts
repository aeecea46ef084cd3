import { Interrupted, TbuildError } from "../../errors.ts";
import { printable } from "../../io/escape.ts";
import type { BuildContext } from "../step.ts";

/** A question to a registry, and what happens without an answer. */
interface Question {
  readonly place: string;
  readonly otherwise: string;
  /** The time limit for the answer. Default: no limit as long as data arrives. */
  readonly ms?: number;
}

/**
 * Asks a registry. A failure is reported as a warning and returns `undefined`. After that, the registry is
 * not asked again.
 */
export type Ask = <T>(
  context: BuildContext,
  question: Question,
  work: (signal: AbortSignal) => Promise<T>,
) => Promise<T | undefined>;

export function asker(): Ask {
  const failed = new Map<string, string>();
  return async (context, { place, otherwise, ms }, work) => {
    const tell = (why: string) =>
      context.report({ type: "note", text: `warning: cache ${place}: ${printable(why)}; ${otherwise}` });
    const before = failed.get(place);
    if (before !== undefined) {
      tell(before);
      return undefined;
    }
    const limit = ms === undefined ? undefined : AbortSignal.timeout(ms);
    try {
      return await work(limit ? AbortSignal.any([context.signal, limit]) : context.signal);
    } catch (error) {
      if (context.signal.aborted) throw new Interrupted();
      const why = limit?.aborted ? `no answer within ${Math.round((ms ?? 0) / 1000)} s` : wordsOf(error);
      failed.set(place, why);
      tell(why);
      return undefined;
    }
  };
}

function wordsOf(error: unknown): string {
  if (error instanceof TbuildError) return [error.message, ...error.lines].join("; ");
  return error instanceof Error ? error.message : String(error);
}
