import stringWidth from "string-width";
import type { BuildEvent } from "../build/event.ts";
import { printable } from "../io/escape.ts";
import type { Reporter } from "./reporter.ts";
import { type Colours, clock, progressBar } from "./words.ts";

interface Running {
  /** The steps that run now: several if they run side by side. */
  readonly steps: Map<string, RunningStep>;
  readonly expected: Readonly<Record<string, number>>;
  /** The stages that have not started. */
  left: string[][];
}

interface RunningStep {
  readonly name: string;
  readonly index: number;
  readonly of: number;
  readonly since: number;
  text: string;
  done: number | undefined;
  total: number | undefined;
  /** The last lines of its guests' consoles. */
  console: string[];
}

const consoleLines = 3;

/**
 * Shows at the bottom of the terminal what each running build does, with the last lines of its guest's
 * console. Finished steps scroll up above this. No line is wider than the terminal, so everything drawn can
 * be erased exactly.
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
    const whole = each.flat(2);
    // If there is not enough room, steps take precedence over the guests' consoles.
    const shown =
      whole.length <= room ? whole : each.flatMap((steps) => steps.map(([head = ""]) => head)).slice(0, room);
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
      if (event.type === "build-started")
        builds.set(build, { steps: new Map(), expected: event.expected, left: stagesOf(event) });
      else if (event.type === "build-finished" || event.type === "build-failed") builds.delete(build);
      else if (running) follow(running, event);
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

function stagesOf({ steps, sideBySide = [] }: Extract<BuildEvent, { type: "build-started" }>): string[][] {
  const stages = steps.map((step) => sideBySide.find((stage) => stage.includes(step)) ?? [step]);
  return stages.filter((stage, index) => stage !== stages[index - 1]).map((stage) => [...stage]);
}

function follow(running: Running, event: BuildEvent): void {
  const { steps } = running;
  if (event.type === "step-started") {
    const { step: name, index, of, text } = event;
    const counts = { done: undefined, total: undefined };
    steps.set(name, { name, index, of, text, console: [], since: Date.now(), ...counts });
    running.left = running.left
      .map((stage) => stage.filter((step) => step !== name))
      .filter((stage) => stage.length > 0);
  } else if (event.type === "progress") {
    const step = steps.get(event.step);
    if (step) Object.assign(step, { text: event.text, done: event.done, total: event.total });
  } else if (event.type === "output" && event.line.trim() !== "") {
    const step = event.step === undefined ? [...steps.values()].at(-1) : steps.get(event.step);
    if (step) step.console = [...step.console, event.line].slice(-consoleLines);
  } else if (event.type === "step-finished") steps.delete(event.step);
}

interface Look {
  readonly frame: number;
  /** The maximum line width in columns. */
  readonly width: number;
  readonly interrupted: boolean;
}

/**
 * The lines of each running step of a build: its duration, its action, its guest's console. Each line fits. The first step has
 * the build's name and the time that is left.
 */
function liveLines(build: string, running: Running, { frame, width, interrupted }: Look): string[][] {
  const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"[frame % 10] ?? "";
  const left = interrupted ? [", cleaning up"] : leftOf(running);
  const withName = (head: string) => {
    const named = `${head}  ${build}`;
    return fitting(stringWidth(named) <= width ? named : head, width);
  };
  const steps = [...running.steps.values()].sort((one, other) => one.index - other.index);
  if (steps.length === 0) return [[withName(`${spinner} ${interrupted ? "cleaning up" : "starting"}`)]];
  return steps.map((step, row) => {
    const elapsed = Date.now() - step.since;
    const expected = running.expected[step.name];
    const isLate = !interrupted && expected !== undefined && elapsed > expected;
    const place = step.of > 0 ? `${step.index}/${step.of} ` : "";
    const begin = `${spinner} ${place}${step.name}  ${clock(elapsed)}`;
    const words = isLate ? [", longer than usual", ", late"] : row === 0 ? left : [""];
    const head = `${begin}${words.find((one) => stringWidth(begin + one) <= width) ?? ""}`;
    const share = step.total ? Math.min(1, (step.done ?? 0) / step.total) : undefined;
    const counted =
      share === undefined
        ? ""
        : `  ${String(Math.round(share * 100)).padStart(3)} % ${progressBar(share, 10)}`;
    const text = fitting(oneLine(step.text), Math.max(8, width - 2 - stringWidth(counted)));
    return [
      row === 0 ? withName(head) : fitting(head, width),
      fitting(`  ${text}${counted}`, width),
      ...step.console.map((line) => fitting(`  │ ${oneLine(line)}`, width)),
    ];
  });
}

/**
 * The estimated time left, if known, in ever shorter wordings. Steps that run side by side take as long as
 * the longest of them.
 */
function leftOf({ steps, expected, left }: Running): string[] {
  const now = [...steps.values()].map(({ name, since }) => {
    const usual = expected[name];
    return usual === undefined ? undefined : Math.max(0, usual - (Date.now() - since));
  });
  const all = [now, ...left.map((stage) => stage.map((step) => expected[step]))];
  if (all.flat().includes(undefined)) return [""];
  const ms = all.reduce((sum, stage) => sum + Math.max(0, ...stage.map((one) => one ?? 0)), 0);
  return [`, about ${clock(ms)} left in total`, `, about ${clock(ms)} left`, `, ${clock(ms)} left`];
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
