import { interruptible } from "./interrupt.ts";
import { liveView } from "./live-view.ts";
import { jsonReporter, lineReporter, type Reporter } from "./reporter.ts";
import { coloursFor } from "./words.ts";

export type Progress = (text: string, done?: number, total?: number) => void;

/**
 * Runs work as a single step, with progress on stderr, or as events on stdout with `json`. `stays` says what
 * an interruption leaves.
 */
export async function oneStep<T>(
  what: { readonly name: string; readonly step: string; readonly json: boolean; readonly stays: string },
  work: (options: { signal: AbortSignal; progress: Progress }) => Promise<T>,
): Promise<T> {
  const { name, step } = what;
  const screen = screenFor(what.json);
  screen.event(name, { type: "build-started", build: name, steps: [step], expected: {} });
  screen.event(name, { type: "step-started", step, index: 1, of: 1, text: "inspecting the input" });
  const progress: Progress = (text, done, total) =>
    screen.event(name, {
      type: "progress",
      step,
      text,
      ...(done !== undefined && { done }),
      ...(total !== undefined && { total }),
    });
  try {
    return await interruptible(what.stays, (signal) => work({ signal, progress }), screen.say);
  } finally {
    screen.close();
  }
}

function screenFor(json: boolean): Reporter {
  if (json) return jsonReporter((line) => process.stdout.write(`${line}\n`));
  if (process.stderr.isTTY) return liveView(process.stderr, coloursFor(process.stderr));
  return lineReporter((line) => process.stderr.write(`${line}\n`), { verbose: false });
}
