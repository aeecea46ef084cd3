import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { BuildEvent } from "../build/event.ts";
import { printable, shellQuoted } from "../host/local.ts";
import { type Colours, clock, progressBar } from "./words.ts";

/** Turns events into something to look at. `build` is the id of the build that they come from. */
export interface Reporter {
  event(build: string, event: BuildEvent): void;
  /** Ends what is still drawn. */
  close(): void;
}

/** One JSON object per event, for machines. */
export function jsonReporter(write: (line: string) => void): Reporter {
  return {
    event: (build, event) => write(JSON.stringify({ time: new Date().toISOString(), build, ...event })),
    close() {},
  };
}

/** One plain line per event that a person cares for: for logs, pipes and CI. */
export function lineReporter(
  write: (line: string) => void,
  options: { readonly verbose: boolean },
): Reporter {
  // A counted progress would fill a log; every tenth part of it is enough.
  const told = new Map<string, string>();
  return {
    event(build, event) {
      if (event.type === "progress" && !options.verbose) {
        const tenth = event.total ? Math.floor((10 * (event.done ?? 0)) / event.total) : undefined;
        const mark = `${event.step} ${tenth ?? event.text}`;
        if (told.get(build) === mark) return;
        told.set(build, mark);
      }
      const line = plainLine(event, options.verbose);
      if (line !== undefined) write(`${new Date().toISOString().slice(11, 19)} ${build}: ${line}`);
    },
    close() {},
  };
}

/** Keeps everything of a build in its folder: `log.jsonl` whole, `log.txt` to read, `console-<machine>.log`. */
export function folderReporter(folder: string): Reporter {
  mkdirSync(folder, { recursive: true });
  const text = lineReporter((line) => appendFileSync(join(folder, "log.txt"), `${line}\n`), {
    verbose: true,
  });
  const json = jsonReporter((line) => appendFileSync(join(folder, "log.jsonl"), `${line}\n`));
  return {
    event(build, event) {
      text.event(build, event);
      json.event(build, event);
    },
    close() {},
  };
}

interface Running {
  step: string;
  index: number;
  of: number;
  text: string;
  done: number | undefined;
  total: number | undefined;
  since: number;
  expected: Readonly<Record<string, number>>;
  left: string[];
}

/** A line per running build at the foot of the terminal; what is finished scrolls away above it. */
export function terminalReporter(terminal: NodeJS.WriteStream, colours: Colours): Reporter {
  const builds = new Map<string, Running>();
  let drawn = 0;
  let frame = 0;
  const timer = setInterval(redraw, 120);
  timer.unref();

  function erase(): string {
    return drawn === 0 ? "" : `\u001b[${drawn}A\u001b[J`;
  }
  function redraw(): void {
    frame++;
    const width = Math.max(40, terminal.columns ?? 80);
    const lines = [...builds].map(([build, running]) => liveLine(build, running, frame, width, colours));
    terminal.write(erase() + lines.map((line) => `${line}\n`).join(""));
    drawn = lines.length;
  }
  function above(line: string): void {
    terminal.write(`${erase()}${line}\n`);
    drawn = 0;
    redraw();
  }

  return {
    event(build, event) {
      const running = builds.get(build);
      if (event.type === "build-started") {
        builds.set(build, {
          step: "",
          index: 0,
          of: 0,
          text: "",
          done: undefined,
          total: undefined,
          since: Date.now(),
          expected: event.expected,
          left: [...event.steps],
        });
      } else if (event.type === "step-started" && running) {
        Object.assign(running, {
          step: event.step,
          index: event.index,
          of: event.of,
          text: event.text,
          done: undefined,
          total: undefined,
          since: Date.now(),
        });
        running.left = running.left.filter((step) => step !== event.step);
      } else if (event.type === "progress" && running) {
        Object.assign(running, { text: event.text, done: event.done, total: event.total });
      } else if (event.type === "build-finished" || event.type === "build-failed") {
        builds.delete(build);
      }
      const line = finishedLine(build, event, colours);
      if (line !== undefined) above(line);
    },
    close() {
      clearInterval(timer);
      terminal.write(erase());
      drawn = 0;
    },
  };
}

function liveLine(build: string, running: Running, frame: number, width: number, colours: Colours): string {
  const elapsed = Date.now() - running.since;
  const counted = running.total
    ? ` ${running.done}/${running.total} ${progressBar((running.done ?? 0) / running.total, 12)}`
    : "";
  const left = remainingMs(running, elapsed);
  const times = `${clock(elapsed)}${left === undefined ? "" : `, about ${clock(left)} left`}`;
  const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[frame % 10] ?? "";
  const head = `${spinner} ${build} ${running.index}/${running.of} ${running.step}: `;
  const tail = `${counted}  ${times}`;
  const room = Math.max(0, width - 1 - head.length - tail.length);
  const text = printable(running.text).replaceAll("\n", " ");
  const middle = text.length > room ? `${text.slice(0, Math.max(0, room - 1))}…` : text;
  return `${colours.cyan(spinner)}${head.slice(1)}${middle}${colours.dim(tail)}`.slice(0, width * 3);
}

/** What the steps that are left took the last times. `undefined` when one of them was never seen. */
function remainingMs(running: Running, elapsed: number): number | undefined {
  const current = running.expected[running.step];
  const later = running.left.map((step) => running.expected[step]);
  if (current === undefined || later.includes(undefined)) return undefined;
  return Math.max(0, current - elapsed) + later.reduce<number>((sum, ms) => sum + (ms ?? 0), 0);
}

function finishedLine(build: string, event: BuildEvent, colours: Colours): string | undefined {
  if (event.type === "step-kept")
    return colours.dim(`· ${build} ${event.index}/${event.of} ${event.step}: kept`);
  if (event.type === "step-finished")
    return `${colours.green("✓")} ${build} ${event.step}  ${colours.dim(clock(event.ms))}`;
  if (event.type === "step-failed") return `${colours.red("✗")} ${build} ${event.step}`;
  if (event.type === "cleanup-failed")
    return colours.yellow(`! ${build} clean-up of ${event.step}: ${printable(event.error)}`);
  if (event.type === "note") return `${colours.yellow("!")} ${build} ${printable(event.text)}`;
  return undefined;
}

function plainLine(event: BuildEvent, verbose: boolean): string | undefined {
  if (event.type === "build-started")
    return event.steps.length > 0 ? `to do: ${event.steps.join(", ")}` : "nothing to do";
  if (event.type === "step-started") return `${event.index}/${event.of} ${event.step}: ${event.text}`;
  if (event.type === "step-kept") return `${event.index}/${event.of} ${event.step}: kept`;
  if (event.type === "progress")
    return `${event.step}: ${printable(event.text)}${event.total ? ` (${event.done}/${event.total})` : ""}`;
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
