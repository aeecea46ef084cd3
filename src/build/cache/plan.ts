import { pipelineOf } from "../context.ts";
import type { Ingredients } from "../master.ts";
import { type PlannedStep, planOf } from "../planned.ts";
import type { BuildRequest } from "../request.ts";
import type { BuildContext } from "../step.ts";
import type { Workshop } from "../workshop.ts";
import { sharedStep } from "./result-key.ts";
import type { FoundResult } from "./results.ts";

/** The plan of a build. Where its own checkpoints are not enough, the result may be in the site's cache. */
export async function plannedWithCache(
  workshop: Workshop,
  made: Ingredients,
  request: BuildRequest,
  context: BuildContext,
): Promise<{ readonly planned: readonly PlannedStep[]; readonly found?: FoundResult }> {
  const pipeline = pipelineOf(workshop, made, request);
  const planned = await planOf(pipeline, context, request.fresh);
  const isKept = planned.some(({ step, kept }) => step === sharedStep && kept);
  if (isKept || request.fresh || request.noCache) return { planned };
  const found = await workshop.results.find(made, context, pipeline);
  if (!found) return { planned };
  const replaced = { last: sharedStep, from: found.place };
  return { planned: await planOf(pipeline, context, false, replaced), found };
}
