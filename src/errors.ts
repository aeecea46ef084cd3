/** Who must act: the recipe's author, the host's administrator, the author of the guest's parts, or everyone. */
export type Fault = "usage" | "environment" | "guest" | "integrity";

/** The exit code of each fault, and of `interrupted` and `bug`, which are not faults. */
export const exitCodes = {
  usage: 2,
  environment: 3,
  guest: 4,
  integrity: 5,
  /** Nothing failed, and what was asked cannot be said: part of an image could not be looked into. */
  unknown: 6,
  bug: 70,
  interrupted: 130,
} as const;

export interface ErrorDetails {
  /** What to do, in one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** Lines that show what happened: the last of a console, all findings of a recipe. */
  readonly lines?: readonly string[];
}

/** An expected failure. The message is "subject: what happened", lower case, without a full stop. */
export class TbuildError extends Error {
  override readonly name = "TbuildError";
  readonly fault: Fault;
  readonly hint: string | undefined;
  readonly lines: readonly string[];

  constructor(fault: Fault, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.fault = fault;
    this.hint = details.hint;
    this.lines = details.lines ?? [];
  }
}

/** Thrown where a signal ended the work; not a failure of anything. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  constructor() {
    super("interrupted");
  }
}

/** Throws `Interrupted` when `signal` has been raised. */
export function checkInterrupted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new Interrupted();
}

/** What went wrong first: when the clean-up after a failure fails too, `await using` throws both as one. */
export function firstFault(error: unknown): unknown {
  let first = error;
  while (first instanceof Error && first.name === "SuppressedError" && "suppressed" in first)
    first = first.suppressed;
  return first;
}

/** Several failures as one, each with all that it says; one is thrown as it is, and a fault of ours before all others. */
export function together(failures: readonly unknown[], message: string): unknown {
  const known = failures.filter((error) => error instanceof TbuildError);
  const [first] = known;
  if (first === undefined || known.length < failures.length)
    return failures.find((error) => !(error instanceof TbuildError));
  if (known.length === 1) return first;
  return new TbuildError(first.fault, message, {
    lines: known.flatMap((error) => [
      error.message,
      ...error.lines.map((line) => `  ${line}`),
      ...(error.hint === undefined ? [] : [error.hint]),
      "",
    ]),
  });
}
