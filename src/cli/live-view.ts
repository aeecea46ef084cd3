import stringWidth from "string-width";
import type { BuildEvent } from "../build/event.ts";
import { printable } from "../io/escape.ts";
import type { Reporter } from "./reporter.ts";
import { type Colours, clock, progressBar } from "./words.ts";

interface Running {
  step: string;
  index: number;
  of: number;
  text: string;
  done: number | undefined;
  total: number | undefined;
  since: number;
  began: number;
  expected: Readonly<Record<string, number>>;
  left: string[];
  /** The last lines of its guests' consoles. */
  console: string[];
}

const consoleLines = 3;

/**
 * Shows at the bottom of the terminal what each running build does, with the last lines of its guest's console. Finished
 * steps scroll up above it. No line is wider than the terminal, so the drawing can be erased exactly.
 */
export function liveView(terminal: NodeJS.WriteStream, colours: Colours): Reporter {
  const builds = new Map<string, Running>();
  let drawn: string[] = [];
  let frame = 0;
  let interrupted = false;
  let paused = 0;
  const timer = setInterval(redraw, 120);
  timer.unref();
  const columns = () => Math.max(10, terminal.columns ?? 80);

  // A terminal that became narrower has wrapped the drawn lines.
  function erase(): string {
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(stringWidth(line) / columns())), 0);
    drawn = [];
    return rows === 0 ? "" : `\u001b[${rows}A\r\u001b[J`;
  }
  function redraw(): void {
    if (paused > 0) return;
    frame++;
    const before = erase();
    const room = Math.max(2, (terminal.rows ?? 24) - 1);
    const each = [...builds].map(([build, running]) =>
      liveLines(build, running, { frame, width: columns() - 1, interrupted }),
    );
    const whole = each.flat();
    // If there is not enough room, builds come before their guests' consoles.
    const shown = whole.length <= room ? whole : each.map(([head = ""]) => head).slice(0, room);
    drawn = shown;
    const painted = shown.map((line) => (/^ {2}[│…]/.test(line) ? colours.dim(line) : line));
    terminal.write(before + painted.map((line) => `${line}\n`).join(""));
  }
  function above(line: string): void {
    terminal.write(`${erase()}${line}\n`);
    redraw();
  }

  return {
    event(build, event) {
      const running = builds.get(build);
      const started = { done: undefined, total: undefined, since: Date.now() };
      if (event.type === "build-started") {
        builds.set(build, {
          step: "",
          index: 0,
          of: 0,
          text: "",
          began: Date.now(),
          console: [],
          ...started,
          expected: event.expected,
          left: [...event.steps],
        });
      } else if (event.type === "step-started" && running) {
        const { step, index, of, text } = event;
        Object.assign(running, { step, index, of, text, console: [], ...started });
        running.left = running.left.filter((step) => step !== event.step);
      } else if (event.type === "progress" && running) {
        Object.assign(running, { text: event.text, done: event.done, total: event.total });
      } else if (event.type === "output" && running && event.line.trim() !== "") {
        running.console = [...running.console, event.line].slice(-consoleLines);
      } else if (event.type === "build-finished" || event.type === "build-failed") {
        builds.delete(build);
      }
      const line = finishedLine(build, event, colours);
      if (line !== undefined) above(line);
    },
    say(text) {
      interrupted = true;
      above(colours.yellow(text));
    },
    async pausing(work) {
      terminal.write(erase());
      paused++;
      try {
        return await work();
      } finally {
        paused--;
      }
    },
    close() {
      clearInterval(timer);
      terminal.write(erase());
    },
  };
}

interface Look {
  readonly frame: number;
  /** The maximum line width in columns. */
  readonly width: number;
  readonly interrupted: boolean;
}

/** The lines of a build: its step and duration, the step's action, the guest's console. Each line fits. */
function liveLines(build: string, running: Running, { frame, width, interrupted }: Look): string[] {
  const elapsed = Date.now() - running.since;
  const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[frame % 10] ?? "";
  const place = running.of > 0 ? `${running.index}/${running.of} ${running.step}` : "starting";
  const times = interrupted ? "cleaning up" : timesOf(running, elapsed);
  const head = `${spinner} ${place}  ${times}`;
  const named = `${head}  ${build}`;
  const share = running.total ? Math.min(1, (running.done ?? 0) / running.total) : undefined;
  const counted =
    share === undefined ? "" : `  ${String(Math.round(share * 100)).padStart(3)} % ${progressBar(share, 10)}`;
  const text = fitting(oneLine(running.text), Math.max(8, width - 2 - stringWidth(counted)));
  return [
    fitting(stringWidth(named) <= width ? named : head, width),
    fitting(`  ${text}${counted}`, width),
    ...running.console.map((line) => fitting(`  │ ${oneLine(line)}`, width)),
  ];
}

/** The step's duration so far, and the estimated time left, if known. */
function timesOf(running: Running, elapsed: number): string {
  const expected = running.expected[running.step];
  const later = running.left.map((step) => running.expected[step]);
  const known = expected !== undefined && !later.includes(undefined);
  if (!known) return clock(elapsed);
  if (elapsed > expected) return `${clock(elapsed)}, longer than usual`;
  const left = expected - elapsed + later.reduce<number>((sum, ms) => sum + (ms ?? 0), 0);
  return `${clock(elapsed)}, about ${clock(left)} left in total`;
}

const control = new RegExp(
  `${String.fromCharCode(27)}(?:\\[[0-9;?]*[A-Za-z]|\\][^\\u0007]*\\u0007|[()][A-Z0-9])`,
  "g",
);

function oneLine(text: string): string {
  return printable(text.replaceAll(control, "")).replaceAll(/\s/g, " ");
}

/** Cuts a text to a number of columns, and marks the cut. */
function fitting(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let cut = "";
  for (const char of text) {
    if (stringWidth(cut + char) > width - 1) break;
    cut += char;
  }
  return `${cut}…`;
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
