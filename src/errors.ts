/** Who must act: the recipe's author, the host's administrator, the author of the guest's parts, or everyone. */
export type Fault = "usage" | "environment" | "guest" | "integrity";

/** The exit code of each fault, and of other outcomes. */
export const exitCodes = {
  done: 0,
  /** A check found something. Nothing failed. */
  found: 1,
  usage: 2,
  environment: 3,
  guest: 4,
  integrity: 5,
  /** Nothing failed, but part of an image could not be read, so the answer is not known. */
  unknown: 6,
  bug: 70,
  interrupted: 130,
} as const satisfies Record<Fault, number> & Record<string, number>;

/** The meaning of each code, and what to do. The help and docs/exit-codes.md are made from it. */
export const exitCodeWords: Readonly<
  Record<keyof typeof exitCodes, readonly [meaning: string, next: string]>
> = {
  done: ["Done, or nothing to do.", "–"],
  found: [
    "A check found something: a pending change, an identity, a rejected line, or no match.",
    "Read the output. Nothing failed.",
  ],
  usage: [
    "The command line, the recipe or the site file is wrong.",
    "Correct the line that the message names.",
  ],
  environment: [
    "This machine, a server or the network lacks something: a program, a disc, space, a permission.",
    "Run `tbuild doctor`; then repeat the command.",
  ],
  guest: [
    "The guest failed: its installer, a script, a first-boot module, or the system inside an image.",
    "Read the console or the log that the message names.",
  ],
  integrity: [
    "Data is damaged: a digest or signature does not match, or an image, archive or disc is broken.",
    "Fetch the file again.",
  ],
  unknown: [
    "Part of an image could not be read, so the result is not complete.",
    "Use the access method that the message names, or `--allow-unmounted`.",
  ],
  bug: ["A bug in tbuild.", "Report it, with the text that was printed."],
  interrupted: [
    "Interrupted by a signal or a closed pipe. Everything was cleaned up.",
    "Read what the message says about the result; then run it again.",
  ],
};

/**
 * A code for failures that callers distinguish. No caller decides by an error's words, which are for people and change.
 * `failed` is every other failure.
 */
export type ErrorCode =
  | "failed"
  /** A required program is not installed. */
  | "not-installed"
  /** A program ended by a signal, or with an exit code that its caller does not accept. */
  | "command-failed"
  /** A program did not end before its deadline. */
  | "timed-out"
  | "no-connection"
  /** The connection ended, or the time was up, after an order was sent: whether it was carried out is not known. */
  | "outcome-unknown"
  /** A server refused a login, or its identity is not the trusted one. */
  | "not-trusted"
  /** An object of a server is locked by another job. */
  | "locked"
  | "disk-full"
  /** Written data did not reach the disk of an image. */
  | "not-written"
  /** A program made only some of the changes to an image. */
  | "incomplete"
  /** No access method can open what an image holds and also works on this machine. */
  | "no-access"
  /** A backing file cannot be used. The message names it. */
  | "backing-file"
  /** No version of a template exists here. */
  | "no-template"
  /** An image holds no `/etc/fstab`: a data disk. */
  | "no-guest"
  /** A guest of another distribution, or of a release that tbuild does not know. */
  | "other-guest";

export interface ErrorDetails {
  /** What failed: a file, a step, a machine, a program. The message starts with it. */
  readonly subject?: string | undefined;
  /** Default: `failed`. */
  readonly code?: ErrorCode | undefined;
  /** What to do, in one sentence. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
  /** Lines that show what happened: the end of a console, all findings about a recipe. */
  readonly lines?: readonly string[] | undefined;
  /** The command that failed, in a form to paste. It is shown as the last line. */
  readonly command?: string | undefined;
  /** The exit code of the program that failed. */
  readonly exitCode?: number | undefined;
}

/** An expected failure. The message is "subject: what happened", lower case, without a full stop. */
export class TbuildError extends Error {
  override readonly name = "TbuildError";
  readonly fault: Fault;
  readonly code: ErrorCode;
  readonly subject: string | undefined;
  /** What happened, without the subject. */
  readonly what: string;
  readonly hint: string | undefined;
  /** What is shown below the message. */
  readonly lines: readonly string[];
  /** `lines` without the command. */
  readonly said: readonly string[];
  readonly command: string | undefined;
  readonly exitCode: number | undefined;

  constructor(fault: Fault, what: string, details: ErrorDetails = {}) {
    const { subject, cause } = details;
    super(subject === undefined ? what : `${subject}: ${what}`, cause === undefined ? {} : { cause });
    this.fault = fault;
    this.code = details.code ?? "failed";
    this.subject = subject;
    this.what = what;
    this.hint = details.hint;
    this.said = details.lines ?? [];
    this.command = details.command;
    this.lines = this.command === undefined ? this.said : [...this.said, `$ ${this.command}`];
    this.exitCode = details.exitCode;
  }

  /** The same failure with some parts changed. */
  with(changes: ErrorDetails & { readonly fault?: Fault; readonly what?: string }): TbuildError {
    const { fault = this.fault, what = this.what, ...details } = changes;
    const { subject, code, hint, said, command, exitCode } = this;
    return new TbuildError(fault, what, {
      subject,
      code,
      hint,
      // Lines from another place replace the command too.
      ...(details.lines === undefined && { lines: said, command }),
      exitCode,
      cause: this,
      ...details,
    });
  }

  /** The same failure as part of something larger: "subject: message". */
  within(subject: string, changes: ErrorDetails & { readonly fault?: Fault } = {}): TbuildError {
    return this.with({ subject, what: this.message, ...changes });
  }

  /** The message without the subject, for places that already name it. */
  about(subject: string): string {
    return this.subject === subject ? this.what : this.message;
  }
}

/** Thrown if a signal ended the work. This is not a failure. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  /** @param stays what the interrupted command leaves, for people */
  constructor(stays?: string) {
    super(stays === undefined ? "interrupted" : `interrupted; ${stays}`);
  }
}

/** Throws `Interrupted` if `signal` has aborted. */
export function checkInterrupted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new Interrupted();
}

/** The original error. If the clean-up after a failure also fails, `await using` throws both in one error. */
export function firstFault(error: unknown): unknown {
  let first = error;
  while (first instanceof Error && first.name === "SuppressedError" && "suppressed" in first)
    first = first.suppressed;
  return first;
}

/** Combines several failures into one with all their details. A single failure stays as it is; a bug of tbuild comes first. */
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
