interface Work {
  readonly controller: AbortController;
  readonly say: (text: string) => void;
}

const running = new Set<Work>();

/**
 * Runs `work` with a signal that Ctrl-C, TERM and HUP raise, and a reader of our output that goes away. It cleans up by
 * itself; a second Ctrl-C ends at once. `say` tells people, where something else draws on the terminal.
 */
export async function interruptible<T>(
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
  } finally {
    running.delete(one);
    for (const signal of signals) process.off(signal, onSignal);
  }
}

/** Stops what is at work, to be cleaned up. False when nothing is. */
export function stopWork(): boolean {
  for (const one of running) if (!one.controller.signal.aborted) stop(one);
  return running.size > 0;
}

function stop({ controller, say }: Work): void {
  say("interrupted: cleaning up (again to stop at once)");
  controller.abort();
}
