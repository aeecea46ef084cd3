import { rm } from "node:fs/promises";
import { checkInterrupted, Interrupted, TbuildError } from "../errors.ts";
import {
  beginCheckpoint,
  type Checkpoint,
  checkpointKey,
  keepCheckpoint,
  lockCheckpoint,
} from "./checkpoint.ts";
import { hostsOf } from "./manifest.ts";
import { type AnyStep, allInputs, codeInput, kept, type Pipeline } from "./pipeline.ts";
import type { BuildContext, Hosts, Inputs, StepContext } from "./step.ts";

/** What to do with a failed step and its machine: keep it, clean up, or clean up and run the step again. */
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

/** A result that stands for all steps up to its own, with their times. */
export interface Taken {
  readonly checkpoint: Checkpoint;
  readonly timings: Readonly<Record<string, number>>;
}

/**
 * Uses checkpoints, runs the other steps, and cleans up after each: the next machine can need what the last one has, such as its
 * MAC address. Before the first step that runs, it also removes what a killed run has left of any step.
 */
export async function runPipeline<State extends object>(
  pipeline: Pipeline<State>,
  context: BuildContext,
  options: {
    readonly fresh?: boolean;
    readonly taken?: Taken | undefined;
    readonly onFailure?: OnFailure | undefined;
    readonly beforeStep?: BeforeStep | undefined;
  } = {},
): Promise<State & Pick<StepContext, "timings" | "makers" | "hosts">> {
  let isClean = false;
  let running: AnyStep | undefined;
  const { taken } = options;
  const end = pipeline.steps.findIndex(({ name }) => name === taken?.checkpoint.step);
  const timings: Record<string, number> = { ...taken?.timings };
  const makers: Record<string, string> = {};
  const hosts: Record<string, Hosts> = {};
  let state: object = { ...taken?.checkpoint.gives };
  let before: Checkpoint | undefined = taken?.checkpoint;
  let ran = options.fresh ?? false;
  let keep = false;
  const isInterrupted = (error: unknown) => error instanceof Interrupted || context.signal.aborted;
  /** Runs a step until it succeeds, or must not be retried. */
  const run = async (step: AnyStep, once: () => Promise<Checkpoint>): Promise<Checkpoint> => {
    for (;;) {
      try {
        return await once();
      } catch (error) {
        if (isInterrupted(error)) throw error;
        const words = error instanceof Error ? error.message : String(error);
        context.report({ type: "step-failed", step: step.name, error: words });
        const next = (await options.onFailure?.({ build: context.id, step: step.name, error })) ?? "clean";
        keep = next === "keep";
        if (next !== "retry") throw error;
        context.report({ type: "note", text: `${step.name}: again` });
      }
    }
  };
  try {
    for (const [index, step] of pipeline.steps.entries()) {
      checkInterrupted(context.signal);
      const place = { step: step.name, index: index + 1, of: pipeline.steps.length };
      if (index <= end) {
        context.report({ type: "step-kept", ...place });
        continue;
      }
      const inputs = await allInputs(step, state);
      const key = checkpointKey(step.name, inputs, before?.id);
      // Two builds may need the same result at the same time. The second uses the result of the first.
      await using _lock = await lockCheckpoint(context.home.checkpoints, key, {
        signal: context.signal,
        onWait: (pid) =>
          context.report({
            type: "note",
            text: `${step.name}: another build (pid ${pid}) is making the same result; waiting for it`,
          }),
      });
      const found = ran ? undefined : await kept(context, step, state, before?.id);
      if (found) {
        context.report({ type: "step-kept", ...place });
        before = found;
      } else {
        ran = true;
        await options.beforeStep?.({ build: context.id, step: step.name, text: step.describe(), state });
        if (!isClean) await cleanUp(context, pipeline.steps);
        isClean = true;
        running = step;
        const parent = before?.id;
        before = await run(step, () => {
          context.report({ type: "step-started", ...place, text: step.describe() });
          const made = {
            key,
            inputs,
            parent,
            timings: { ...timings },
            makers: { ...makers },
            hosts: { ...hosts },
          };
          return runStep(context, step, state, made);
        });
        running = undefined;
        await cleanUp(context, [step]);
        context.report({ type: "step-finished", step: step.name, ms: before.ms });
      }
      timings[step.name] = before.ms;
      makers[step.name] = before.maker;
      hosts[step.name] = before.hosts;
      state = { ...state, ...before.gives };
    }
  } catch (error) {
    const interrupted = isInterrupted(error);
    if (running && (interrupted || !keep)) await cleanUp(context, [running]);
    throw interrupted ? new Interrupted() : named(error, running?.name);
  }
  return { ...(state as State), timings, makers, hosts };
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
  made: { key: string; inputs: Inputs; parent: string | undefined } & Pick<
    StepContext,
    "timings" | "makers" | "hosts"
  >,
): Promise<Checkpoint> {
  const { id, out } = await beginCheckpoint(context.home.checkpoints);
  const begun = Date.now();
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
    const { key, inputs, parent, timings, makers, hosts } = made;
    const gives = await step.run({ ...context, out, progress, timings, makers, hosts }, state);
    checkInterrupted(context.signal);
    return await keepCheckpoint(context.home.checkpoints, out, {
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
    await rm(out, { recursive: true, force: true });
  }
}

// An error with the name of its step is easier to find in a log of ten builds.
function named(error: unknown, step: string | undefined): unknown {
  if (!(error instanceof TbuildError) || step === undefined) return error;
  return error.within(step, { cause: error.cause ?? error });
}
