import { firstFault, Interrupted } from "../errors.ts";

interface Work {
  readonly controller: AbortController;
  readonly say: (text: string) => void;
}

const running = new Set<Work>();

/** What an interruption leaves, for each kind of command. */
export const stays = {
  unchanged: "nothing was changed",
  image: "no image is half changed; `tbuild undo` restores one that was finished",
  noOutput: "nothing was written",
  sent: "the registry keeps what was sent; the same command sends the rest",
  machines: "finished parts are kept; the same command does the rest",
} as const;

/**
 * Runs `work` with a signal that aborts on Ctrl-C, TERM, HUP, and when the reader of our output exits. `work` cleans up; a
 * second Ctrl-C exits immediately. `whatStays` completes the message after an interruption: what the command leaves. `say`
 * prints the message if something else draws on the terminal.
 */
export async function interruptible<T>(
  whatStays: string,
  work: (signal: AbortSignal) => Promise<T>,
  say: (text: string) => void = (text) => void process.stderr.write(`\n${text}\n`),
): Promise<T> {
  const one: Work = { controller: new AbortController(), say };
  const onSignal = () => {
    if (one.controller.signal.aborted) process.exit(130);
    stop(one);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, onSignal);
  running.add(one);
  try {
    return await work(one.controller.signal);
  } catch (error) {
    throw firstFault(error) instanceof Interrupted ? new Interrupted(whatStays) : error;
  } finally {
    running.delete(one);
    for (const signal of signals) process.off(signal, onSignal);
  }
}

/** True while something runs that stops by itself after a signal. */
export function isWorking(): boolean {
  return running.size > 0;
}

/** Interrupts the current work, which then cleans up. False if there is none. */
export function stopWork(): boolean {
  for (const one of running) if (!one.controller.signal.aborted) stop(one, outputClosed);
  return running.size > 0;
}

function stop({ controller, say }: Work, reason?: unknown): void {
  if (!(reason === outputClosed && isQuiet.has(controller.signal)))
    say("interrupted: cleaning up (interrupt again to stop at once)");
  controller.abort(reason);
}

const outputClosed = Symbol("the reader of our output exited");
const isQuiet = new WeakSet<AbortSignal>();

/**
 * Like `interruptible`, for work that only prints. If the reader closes the pipe (`| head`), the work ends
 * silently and without a failure.
 */
export async function printing(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  let own: AbortSignal | undefined;
  try {
    await interruptible(stays.unchanged, (signal) => {
      own = signal;
      isQuiet.add(signal);
      return work(signal);
    });
  } catch (error) {
    if (!(error instanceof Interrupted) || own?.reason !== outputClosed) throw error;
  }
}
