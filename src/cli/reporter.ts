import { appendFileSync } from "node:fs";
import { join } from "node:path";
import type { BuildEvent } from "../build/event.ts";
import { shellQuoted } from "../host/local.ts";
import { printable } from "../io/escape.ts";
import { makeFoldersSync } from "../io/folders.ts";
import { clock } from "./words.ts";

/** Shows events. `build` is the id of their build. */
export interface Reporter {
  event(build: string, event: BuildEvent): void;
  /** Reports an interruption in a place that is not redrawn. */
  say(text: string): void;
  /** Runs `work` while nothing is drawn, so it can ask a question. */
  pausing<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Ends the drawing. */
  close(): void;
}

/**
 * One JSON object per event, for programs. Counts are reported once per second and step; the last one always.
 */
export function jsonReporter(write: (line: string) => void): Reporter {
  const isToldNow = countsToTell();
  return {
    event(build, event) {
      if (isToldNow(build, event)) write(JSON.stringify({ time: new Date().toISOString(), build, ...event }));
    },
    say: (text) => void process.stderr.write(`${text}\n`),
    pausing: (work) => work(),
    close() {},
  };
}

/** One plain line per relevant event, for logs, pipes and CI. */
export function lineReporter(
  write: (line: string) => void,
  options: { readonly verbose: boolean },
): Reporter {
  // A line for every count would fill a log, so every tenth part is reported. Steps of a build may run side
  // by side.
  const told = new Map<string, string>();
  return {
    event(build, event) {
      if (event.type === "progress") {
        const tenth = event.total ? Math.floor((10 * (event.done ?? 0)) / event.total) : undefined;
        // The action is before the colon, the object after it.
        const mark = tenth === undefined ? event.text : `${event.text.split(":")[0]} ${tenth}`;
        const step = `${build} ${event.step}`;
        if (told.get(step) === mark) return;
        told.set(step, mark);
      }
      const line = plainLine(event, options.verbose);
      if (line !== undefined) write(`${new Date().toISOString().slice(11, 19)} ${build}: ${line}`);
    },
    say: write,
    pausing: (work) => work(),
    close() {},
  };
}

function countsToTell(): (build: string, event: BuildEvent) => boolean {
  const told = new Map<string, { readonly action: string; readonly at: number }>();
  return (build, event) => {
    if (event.type !== "progress" || event.total === undefined) return true;
    const step = `${build} ${event.step}`;
    // The action is before the colon, the object after it.
    const action = event.text.split(":")[0] ?? "";
    const before = told.get(step);
    const isSoon = before?.action === action && Date.now() - before.at < 1000;
    if (isSoon && event.done !== event.total) return false;
    told.set(step, { action, at: Date.now() });
    return true;
  };
}

/** Writes the events of a build into its folder: `log.jsonl` for machines, `log.txt` for people, `console-<machine>.log`. */
export function folderReporter(folder: string): Reporter {
  makeFoldersSync(folder);
  const text = lineReporter((line) => appendFileSync(join(folder, "log.txt"), `${line}\n`), {
    verbose: true,
  });
  const json = jsonReporter((line) => appendFileSync(join(folder, "log.jsonl"), `${line}\n`));
  return {
    event(build, event) {
      text.event(build, event);
      json.event(build, event);
    },
    say() {},
    pausing: (work) => work(),
    close() {},
  };
}

function plainLine(event: BuildEvent, verbose: boolean): string | undefined {
  if (event.type === "build-started")
    return event.steps.length > 0 ? `to do: ${event.steps.join(", ")}` : "nothing to do";
  if (event.type === "step-started") return `${event.index}/${event.of} ${event.step}: ${event.text}`;
  if (event.type === "step-kept") return `${event.index}/${event.of} ${event.step}: kept`;
  if (event.type === "progress")
    return `${event.step}: ${printable(event.text)}${countOf(event.done, event.total)}`;
  if (event.type === "step-finished") return `${event.step}: done in ${clock(event.ms)}`;
  if (event.type === "step-failed") return `${event.step}: failed: ${printable(event.error)}`;
  if (event.type === "cleanup-failed") return `clean-up of ${event.step} failed: ${printable(event.error)}`;
  if (event.type === "note") return printable(event.text);
  if (event.type === "picture") return verbose ? `${event.step}: picture ${event.file}` : undefined;
  if (event.type === "command")
    return verbose ? `${event.host}$ ${printable(shellQuoted(event.argv))}` : undefined;
  if (event.type === "output") return verbose ? `${event.from}| ${printable(event.line)}` : undefined;
  if (event.type === "build-finished") return `finished in ${clock(event.ms)}`;
  return `failed: ${printable(event.error)}`;
}

// Counts packages, because the bytes of a disk mean nothing to people.
function countOf(done = 0, total = 0): string {
  if (total === 0) return "";
  return total < 100_000 ? ` (${done}/${total})` : ` (${Math.floor((100 * done) / total)} %)`;
}
