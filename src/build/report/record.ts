import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { BuildEvent } from "../event.ts";

/**
 * The course of a build, read from its `log.jsonl`. All times are milliseconds since the start of the build.
 */
export interface BuildRecord {
  readonly steps: readonly StepRecord[];
  readonly end: number;
}

export interface StepRecord {
  readonly name: string;
  /** What the step does. */
  readonly text: string;
  readonly begin: number;
  readonly end: number;
  readonly state: "done" | "kept" | "failed" | "unfinished";
  /** Sorted by start time. */
  readonly phases: readonly Phase[];
  readonly pictures: readonly Picture[];
  /** The last lines of the consoles of its machines. */
  readonly console: readonly string[];
}

export interface Phase {
  /** The machine, if a step works with several side by side. */
  readonly lane?: string;
  /** For counted things that have names: `passport … random-seed`. */
  readonly text: string;
  /** The number of counted things. */
  readonly total?: number;
  readonly begin: number;
  readonly end: number;
}

export interface Picture {
  readonly file: string;
  readonly text: string;
  readonly at: number;
}

const consoleLines = 100;

type Timed = BuildEvent & { readonly time: string };

/** Reads the last build in a log. A missing log, or a line that a kill cut off, is ignored. */
export async function readRecord(file: string): Promise<BuildRecord> {
  const recorder = new Recorder();
  try {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const event = parsed(line);
      if (event) recorder.add(event);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return recorder.record();
}

function parsed(line: string): Timed | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

type Open<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? Open<E>[] : T[K] };

class Recorder {
  private steps: Open<StepRecord>[] = [];
  private start = 0;
  private last = 0;

  add(event: Timed): void {
    if (event.type === "build-started") {
      this.steps = [];
      this.start = Date.parse(event.time);
    }
    const at = Date.parse(event.time) - this.start;
    this.last = at;
    if (event.type === "step-started" || event.type === "step-kept") this.begin(event, at);
    else if (event.type === "step-finished") this.finish(event.step, "done", at);
    else if (event.type === "step-failed") this.finish(event.step, "failed", at);
    else if (event.type === "progress") this.progress(event, at);
    else if (event.type === "picture")
      this.step(event.step)?.pictures.push({ file: event.file, text: event.text, at });
    else if (event.type === "output") this.output(event);
  }

  record(): BuildRecord {
    const close = <T extends { end: number }>(one: T) => (one.end < 0 ? { ...one, end: this.last } : one);
    const steps = this.steps.map((step) => ({ ...close(step), phases: step.phases.map(close) }));
    return { steps, end: this.last };
  }

  private begin(event: Extract<Timed, { type: "step-started" | "step-kept" }>, at: number): void {
    const isKept = event.type === "step-kept";
    this.steps.push({
      name: event.step,
      text: isKept ? "" : event.text,
      begin: at,
      end: isKept ? at : -1,
      state: isKept ? "kept" : "unfinished",
      phases: [],
      pictures: [],
      console: [],
    });
  }

  private finish(name: string, state: "done" | "failed", at: number): void {
    const step = this.step(name);
    if (!step) return;
    step.state = state;
    step.end = at;
    for (const phase of step.phases) if (phase.end < 0) phase.end = at;
  }

  // A phase lasts until the next one of the same machine begins. All progress with a total, such as 3 of 12, is one phase.
  private progress(
    { step: name, text: said, total }: Extract<Timed, { type: "progress" }>,
    at: number,
  ): void {
    const step = this.step(name);
    if (!step) return;
    const [, lane, of = said] = total === undefined ? (/^(\S+): (.+)$/.exec(said) ?? []) : [];
    const text = total === undefined ? of : said.replace(/: .*/, "");
    const before = step.phases.findLast((phase) => phase.lane === lane && phase.end < 0);
    if (before?.text === text) return;
    if (before && total !== undefined && before.total === total) {
      before.text = `${before.text.replace(/ … .*/, "")} … ${text}`;
      return;
    }
    if (before) before.end = at;
    step.phases.push({
      ...(lane !== undefined && { lane }),
      text,
      begin: at,
      end: -1,
      ...(total !== undefined && { total }),
    });
  }

  private output({ step: name, line }: Extract<Timed, { type: "output" }>): void {
    const step =
      name === undefined ? this.steps.findLast(({ state }) => state === "unfinished") : this.step(name);
    step?.console.push(line);
    if (step && step.console.length > consoleLines) step.console.shift();
  }

  private step(name: string): Open<StepRecord> | undefined {
    return this.steps.findLast((step) => step.name === name);
  }
}
