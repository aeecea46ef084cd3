import { rm } from "node:fs/promises";
import { checkInterrupted, firstFault, Interrupted, TbuildError } from "../errors.ts";
import type { Lock } from "../host/lock.ts";
import { yieldingWorkers } from "../host/worker-priority.ts";
import { systemFault } from "../io/file-fault.ts";
import { type Checkpoint, checkpointKey, parentOf } from "./checkpoints.ts";
import type { Inputs } from "./inputs.ts";
import { hostsOf } from "./manifest.ts";
import { type AnyStep, allInputs, codeInput, earlierResult, type Pipeline } from "./pipeline.ts";
import { coveredBy, type Span, spanOf } from "./spans.ts";
import type { BuildContext, Hosts, StepContext } from "./step.ts";

/**
 * What to do with a failed step and its machine: keep the machine, clean up, or clean up and run the step
 * again.
 */
export type AfterFailure = "keep" | "clean" | "retry";
export type OnFailure = (failed: FailedStep) => Promise<AfterFailure>;

export interface FailedStep {
  readonly build: string;
  readonly step: string;
  readonly error: unknown;
}

export interface NextStep {
  readonly build: string;
  readonly step: string;
  readonly text: string;
  /** The results of the previous steps. */
  readonly state: object;
}
export type BeforeStep = (next: NextStep) => Promise<void>;

/** A result that replaces all steps up to its own, with their times. */
export interface Taken {
  readonly checkpoint: Checkpoint;
  readonly timings: Readonly<Record<string, number>>;
}

export interface RunOptions {
  readonly fresh?: boolean;
  readonly taken?: Taken | undefined;
  readonly onFailure?: OnFailure | undefined;
  readonly beforeStep?: BeforeStep | undefined;
}

type Facts = Pick<StepContext, "timings" | "took" | "makers" | "hosts">;

/**
 * Uses checkpoints, runs the other steps, and cleans up after each step, because the next machine may need
 * the same resources, such as the MAC address. Before the first step that runs, also removes everything that
 * a killed run left behind.
 */
export async function runPipeline<State extends object>(
  pipeline: Pipeline<State>,
  context: BuildContext,
  options: RunOptions = {},
): Promise<State & Facts> {
  const { taken } = options;
  const end = pipeline.steps.findIndex(({ name }) => name === taken?.checkpoint.step);
  const timings: Record<string, number> = { ...taken?.timings };
  const makers: Record<string, string> = {};
  const hosts: Record<string, Hosts> = {};
  const spans: Span[] = [];
  let state: object = { ...taken?.checkpoint.gives };
  let parent = taken?.checkpoint.id;
  let isClean = false;
  let ran = options.fresh ?? false;
  const clean = async () => {
    if (!isClean) await cleanUp(context, pipeline.steps);
    isClean = true;
  };
  try {
    for (const stage of pipeline.stages) {
      checkInterrupted(context.signal);
      const placed = stage.map((step): Placed => {
        const index = pipeline.steps.indexOf(step);
        return { step, place: { step: step.name, index: index + 1, of: pipeline.steps.length } };
      });
      if (placed.every(({ place }) => place.index - 1 <= end)) {
        for (const { place } of placed) context.report({ type: "step-kept", ...place });
        continue;
      }
      const facts = {
        timings: { ...timings },
        took: coveredBy(spans),
        makers: { ...makers },
        hosts: { ...hosts },
      };
      const results = await runStage(placed, { context, options, state, parent, facts, ran, clean });
      for (const { checkpoint, isNew } of results) {
        timings[checkpoint.step] = checkpoint.ms;
        spans.push(spanOf(checkpoint));
        makers[checkpoint.step] = checkpoint.maker;
        hosts[checkpoint.step] = checkpoint.hosts;
        state = { ...state, ...checkpoint.gives };
        ran ||= isNew;
      }
      parent = parentOf(results.map(({ checkpoint }) => checkpoint));
    }
  } catch (error) {
    throw isInterrupted(error, context.signal) ? new Interrupted() : error;
  } finally {
    await context.home.checkpoints.settled();
  }
  return { ...(state as State), timings, took: coveredBy(spans), makers, hosts };
}

interface Placed {
  readonly step: AnyStep;
  readonly place: { readonly step: string; readonly index: number; readonly of: number };
}

interface Stage {
  readonly context: BuildContext;
  readonly options: RunOptions;
  /** The results of the earlier stages. */
  readonly state: object;
  readonly parent: string | undefined;
  readonly facts: Facts;
  /** An earlier stage ran, so no checkpoint of this stage can be used. */
  readonly ran: boolean;
  /** Removes what a killed run left behind, once. */
  readonly clean: () => Promise<void>;
}

interface Result {
  readonly checkpoint: Checkpoint;
  readonly isNew: boolean;
}

/** Uses the checkpoints of a stage's steps, and runs the others side by side. The results are in the order of the steps. */
async function runStage(placed: readonly Placed[], stage: Stage): Promise<Result[]> {
  const { context, options, state, parent } = stage;
  const locks: Lock[] = [];
  await using _locks = { [Symbol.asyncDispose]: () => releaseAll(locks) };
  const results: Promise<Result>[] = [];
  const begin: (() => void)[] = [];
  const together = new Together();
  for (const { step, place } of placed) {
    const inputs = await allInputs(step, state);
    const key = checkpointKey(step.name, inputs, parent);
    // Two builds may need the same result at the same time. The second waits, and uses the result of the
    // first.
    locks.push(await lockOf(context, step, key));
    const earlier = stage.ran ? undefined : await earlierResult(context, step, key);
    if (earlier && earlier.outdated === undefined) {
      context.report({ type: "step-kept", ...place });
      results.push(Promise.resolve({ checkpoint: earlier.checkpoint, isNew: false }));
      continue;
    }
    await options.beforeStep?.({ build: context.id, step: step.name, text: step.describe(), state });
    await stage.clean();
    const ready = new Promise<void>((resolve) => begin.push(resolve));
    const made = ready.then(() => runMember({ step, place }, stage, together, { key, inputs }));
    results.push(made.then((checkpoint) => ({ checkpoint, isNew: true })));
  }
  await using _workers = await workersBeside(placed, begin.length);
  for (const one of begin) one();
  await Promise.allSettled(results);
  together.throwFirst();
  return await Promise.all(results);
}

async function releaseAll(locks: readonly Lock[]): Promise<void> {
  const ends = await Promise.allSettled(locks.map((lock) => lock.release()));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

// A machine without KVM needs the whole processor to boot in time.
async function workersBeside(
  placed: readonly Placed[],
  running: number,
): Promise<AsyncDisposable | undefined> {
  return running > 1 && placed.some(({ step }) => step.runsMachine) ? yieldingWorkers() : undefined;
}

/**
 * Runs steps side by side. The first one that fails for good stops the others. Only one question is asked at
 * a time.
 */
class Together {
  private readonly stopping = new AbortController();
  private failure: { readonly step: string; readonly error: unknown } | undefined;
  private asking: Promise<unknown> = Promise.resolve();

  /** The step that stopped the others. An interruption does not count as a failure. */
  get failed(): string | undefined {
    return this.failure?.error instanceof Interrupted ? undefined : this.failure?.step;
  }

  signal(outer: AbortSignal): AbortSignal {
    return AbortSignal.any([outer, this.stopping.signal]);
  }

  stop(step: string, error: unknown): void {
    this.failure ??= { step, error };
    this.stopping.abort();
  }

  throwFirst(): void {
    if (this.failure) throw this.failure.error;
  }

  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.asking.then(work);
    this.asking = mine.catch(() => {});
    return mine;
  }
}

/** Runs a step until it succeeds or must not be retried, and cleans up after it. */
async function runMember(
  { step, place }: Placed,
  { context: outer, options, state, parent, facts }: Stage,
  together: Together,
  made: { readonly key: string; readonly inputs: Inputs },
): Promise<Checkpoint> {
  const context = { ...outer, signal: together.signal(outer.signal) };
  for (;;) {
    try {
      context.report({ type: "step-started", ...place, text: step.describe() });
      const checkpoint = await runStep(context, step, state, { ...made, parent, ...facts });
      await cleanUp(context, [step]);
      context.report({ type: "step-finished", step: step.name, ms: checkpoint.ms });
      return checkpoint;
    } catch (thrown) {
      const first = firstFault(thrown);
      const error = systemFault(first) ?? first;
      if (isInterrupted(error, context.signal)) {
        const { failed } = together;
        if (failed !== undefined)
          context.report({ type: "note", text: `${step.name}: stopped, because ${failed} failed` });
        await cleanUp(context, [step]);
        together.stop(step.name, new Interrupted());
        throw error;
      }
      const words = error instanceof Error ? error.message : String(error);
      context.report({ type: "step-failed", step: step.name, error: words });
      const next = await together.inTurn(() => afterFailure(step, error, { context, options, together }));
      if (next === "clean") await cleanUp(context, [step]);
      if (next !== "retry") throw error;
      context.report({ type: "note", text: `${step.name}: again` });
    }
  }
}

async function afterFailure(
  step: AnyStep,
  error: unknown,
  { context, options, together }: Pick<Stage, "context" | "options"> & { readonly together: Together },
): Promise<AfterFailure> {
  if (context.signal.aborted) return "clean";
  try {
    const answer = (await options.onFailure?.({ build: context.id, step: step.name, error })) ?? "clean";
    if (answer !== "retry") together.stop(step.name, named(error, step.name));
    return answer;
  } catch (failure) {
    // The question was interrupted.
    together.stop(step.name, failure);
    return "clean";
  }
}

function isInterrupted(error: unknown, signal: AbortSignal): boolean {
  return error instanceof Interrupted || signal.aborted;
}

function lockOf({ home, signal, report }: BuildContext, { name }: AnyStep, key: string): Promise<Lock> {
  return home.checkpoints.lock(key, {
    signal,
    onWait: (pid) =>
      report({
        type: "note",
        text: `${name}: another build (pid ${pid}) is making the same result; waiting for it`,
      }),
  });
}

/** Runs the clean-ups, last first. A failure is reported, and the rest still run. */
export async function cleanUp(context: BuildContext, steps: readonly AnyStep[]): Promise<void> {
  for (const step of [...steps].reverse()) {
    try {
      await step.cleanup?.(context);
    } catch (error) {
      context.report({ type: "cleanup-failed", step: step.name, error: String(error) });
    }
  }
}

async function runStep(
  context: BuildContext,
  step: AnyStep,
  state: object,
  made: { key: string; inputs: Inputs; parent: string | undefined } & Facts,
): Promise<Checkpoint> {
  const { id, out } = await context.home.checkpoints.begin();
  const begun = Date.now();
  const report: BuildContext["report"] = (event) =>
    context.report(event.type === "output" ? { ...event, step: step.name } : event);
  try {
    const progress: StepContext["progress"] = (text, done, total) =>
      context.report({
        type: "progress",
        step: step.name,
        text,
        ...(done !== undefined && { done }),
        ...(total !== undefined && { total }),
      });
    // Remove what a killed run left behind.
    await step.cleanup?.(context);
    const { key, inputs, parent, ...facts } = made;
    const gives = await step.run({ ...context, report, out, progress, ...facts }, state);
    checkInterrupted(context.signal);
    return await context.home.checkpoints.keep(out, {
      id,
      key,
      recipe: context.name,
      step: step.name,
      inputs,
      parent,
      made: new Date().toISOString(),
      maker: `${context.tbuild}, code ${inputs[codeInput]}`,
      hosts: await hostsOf(context),
      ms: Date.now() - begun,
      gives,
    });
  } finally {
    // What stays is removed by `tbuild clean`. It must not hide why the step failed.
    await rm(out, { recursive: true, force: true }).catch(() => {});
  }
}

// With the name of its step, an error is easier to find in a log of ten builds.
function named(error: unknown, step: string): unknown {
  if (!(error instanceof TbuildError)) return error;
  return error.within(step, { cause: error.cause ?? error });
}
