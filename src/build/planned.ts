import { type Checkpoint, changedInputs, lastCheckpoint } from "./checkpoint.ts";
import { type AnyStep, allInputs, kept, madeBefore, type Pipeline } from "./pipeline.ts";
import type { BuildContext, Inputs } from "./step.ts";

/** One step in a plan. */
export interface PlannedStep {
  readonly step: string;
  readonly text: string;
  readonly kept: boolean;
  /** The cache entry that replaces it. */
  readonly from?: string;
  /** For a step that will run: why no checkpoint can be used. */
  readonly why: readonly string[];
}

/**
 * Determines for each step whether it will run, and why. `replaced`: an entry of a cache stands for all steps up to `last`.
 * Changes nothing.
 */
export async function planOf<State extends object>(
  pipeline: Pipeline<State>,
  context: BuildContext,
  fresh = false,
  replaced?: { readonly last: string; readonly from: string | undefined },
): Promise<PlannedStep[]> {
  if (replaced !== undefined) return planAfter(pipeline, replaced);
  const planned: PlannedStep[] = [];
  let state: object = {};
  let before: Checkpoint | undefined;
  let runs: string | undefined;
  for (const step of pipeline.steps) {
    const found = runs === undefined && !fresh ? await kept(context, step, state, before?.id) : undefined;
    if (found) {
      state = { ...state, ...found.gives };
      before = found;
    }
    const why = found
      ? []
      : fresh
        ? ["--fresh"]
        : await reasons(context, step, state, { runs, parent: before?.id });
    planned.push({ step: step.name, text: step.describe(), kept: found !== undefined, why });
    if (!found) runs ??= step.name;
  }
  return planned;
}

function planAfter<State extends object>(
  { steps }: Pipeline<State>,
  { last, from }: { readonly last: string; readonly from: string | undefined },
): PlannedStep[] {
  const end = steps.findIndex(({ name }) => name === last);
  return steps.map((step, index) => {
    const planned = { step: step.name, text: step.describe() };
    if (index > end) return { ...planned, kept: false, why: [`after ${last}`] };
    return { ...planned, kept: true, why: [], ...(from !== undefined && { from }) };
  });
}

async function reasons(
  context: BuildContext,
  step: AnyStep,
  state: object,
  { runs, parent }: { readonly runs: string | undefined; readonly parent: string | undefined },
): Promise<string[]> {
  const last = await lastCheckpoint(context.home.checkpoints, context.name, step.name);
  // After a step that runs, inputs that depend on it are still unknown.
  const inputs = runs === undefined ? await allInputs(step, state) : await knownInputs(step, state);
  const changed = last && inputs ? changedInputs(last.inputs, inputs) : [];
  if (changed.length > 0) return changed;
  if (runs !== undefined) return [`after ${runs}`];
  const made = await madeBefore(context, step, state, parent);
  const outdated = made && (await step.outdated?.(context, made.gives));
  if (outdated !== undefined) return [outdated];
  if (!last) return ["never made"];
  return [last.parent === parent ? "its result no longer exists" : "made from another result"];
}

async function knownInputs(step: AnyStep, state: object): Promise<Inputs | undefined> {
  try {
    return await allInputs(step, state);
  } catch {
    return undefined;
  }
}
