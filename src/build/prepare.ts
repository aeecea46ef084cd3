import type { GuestMode } from "../choices.ts";
import { sharedStep } from "./cache/result-key.ts";
import type { FoundResult, Results } from "./cache/results.ts";
import type { Ingredients } from "./master.ts";
import { untilStep } from "./pipeline.ts";
import { type PlannedStep, planAfter, planOf } from "./planned.ts";
import type { BuildRequest } from "./request.ts";
import type { BuildContext } from "./step.ts";
import { planTemplate } from "./template.ts";
import { trialMode } from "./trial-mode.ts";

/** A build before it runs: its steps, and what each step will do. */
export interface PreparedBuild {
  readonly pipeline: ReturnType<typeof pipelineOf>;
  readonly planned: readonly PlannedStep[];
  /** A finished result in the site's cache, if this home's checkpoints are not enough. */
  readonly found?: FoundResult;
  /** Why no clone will boot. */
  readonly untried?: string;
}

/** Plans a build: decides once what each step does. Changes nothing. */
export async function prepare(
  made: Ingredients,
  request: BuildRequest,
  context: BuildContext,
  results: Pick<Results, "find">,
): Promise<PreparedBuild> {
  const own = await planOwn(made, request, context);
  const isKept = own.planned.some(({ step, kept }) => step === sharedStep && kept);
  if (isKept || request.fresh || request.noCache) return own;
  const found = await results.find(made, context, own.pipeline);
  if (!found) return own;
  return { ...own, planned: planAfter(own.pipeline, { last: sharedStep, from: found.place }), found };
}

/** The plan from this home's checkpoints alone. */
async function planOwn(
  made: Ingredients,
  request: BuildRequest,
  context: BuildContext,
): Promise<PreparedBuild> {
  const trial = trialMode(context.hypervisor, made.made, request.rehearse ? "tbuild" : "oracle");
  const planned = async (mode: GuestMode | undefined) => {
    const pipeline = pipelineOf(made, mode, request, context);
    return { pipeline, planned: await planOf(pipeline, context, request.fresh) };
  };
  if ("why" in trial) {
    const untried = request.noTrial ? "--no-trial" : trial.why;
    return { ...(await planned(undefined)), untried };
  }
  if (!request.noTrial) return await planned(trial.mode);
  // `--no-trial` skips a trial that would run. A finished trial is kept, together with the version that it
  // tested.
  const tried = await planned(trial.mode);
  if (tried.planned.some(({ step, kept }) => step === "boot-trial" && kept)) return tried;
  return { ...(await planned(undefined)), untried: "--no-trial" };
}

function pipelineOf(
  made: Ingredients,
  trial: GuestMode | undefined,
  { until }: BuildRequest,
  { hypervisor }: BuildContext,
) {
  return untilStep(planTemplate(made, trial, hypervisor.templates !== undefined), until);
}
