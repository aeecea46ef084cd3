import type { Checkpoint } from "./checkpoints.ts";

/** A time, from `begin` to `end`, in milliseconds since 1970. */
export interface Span {
  readonly begin: number;
  readonly end: number;
}

/** When a step worked on its result. */
export function spanOf({ made, ms }: Pick<Checkpoint, "made" | "ms">): Span {
  const end = Date.parse(made);
  return { begin: end - ms, end };
}

/** The total milliseconds that at least one span covers. */
export function coveredBy(spans: readonly Span[]): number {
  let covered = 0;
  let until = Number.NEGATIVE_INFINITY;
  for (const { begin, end } of [...spans].sort((a, b) => a.begin - b.begin)) {
    covered += Math.max(0, end - Math.max(begin, until));
    until = Math.max(until, end);
  }
  return covered;
}
