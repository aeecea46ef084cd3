import { type Checkpoint, checkpointKey, parentOf } from "./checkpoints.ts";
import { changedInputs, type Inputs } from "./inputs.ts";
import { type AnyStep, allInputs, earlierResult, type Pipeline } from "./pipeline.ts";
import type { BuildContext } from "./step.ts";

/** One step in a plan. */
export interface PlannedStep {
  readonly step: string;
  readonly text: string;
  readonly kept: boolean;
  /** The steps that run side by side with this one. */
  readonly beside?: readonly string[];
  /** The cache entry that is used instead of running it. */
  readonly from?: string;
  /** For a step that will run: why no checkpoint can be used. */
  readonly why: readonly string[];
}

/** Determines for each step whether it will run, and why. Changes nothing. */
export async function planOf<State extends object>(
  pipeline: Pipeline<State>,
  context: BuildContext,
  fresh = false,
): Promise<PlannedStep[]> {
  const planned: PlannedStep[] = [];
  let state: object = {};
  let parent: string | undefined;
  let runs: string | undefined;
  for (const stage of pipeline.stages) {
    const found: Checkpoint[] = [];
    const running: string[] = [];
    for (const step of stage) {
      const inputs = await knownInputs(step, state, runs === undefined);
      const earlier =
        inputs && runs === undefined && !fresh
          ? await earlierResult(context, step, checkpointKey(step.name, inputs, parent))
          : undefined;
      const { outdated } = earlier ?? {};
      const isKept = earlier !== undefined && outdated === undefined;
      if (isKept) found.push(earlier.checkpoint);
      else running.push(step.name);
      const why = isKept
        ? []
        : fresh
          ? ["--fresh"]
          : await reasons(context, step.name, { inputs, outdated, runs, parent });
      planned.push({ ...plannedStep(step, stage), kept: isKept, why });
    }
    state = Object.assign({}, state, ...found.map(({ gives }) => gives));
    parent = parentOf(found) ?? parent;
    runs ??= running[0];
  }
  return planned;
}

function plannedStep(step: AnyStep, stage: readonly AnyStep[]) {
  const beside = stage.flatMap((other) => (other === step ? [] : other.name));
  return { step: step.name, text: step.describe(), ...(beside.length > 0 && { beside }) };
}

/** The plan if the cache entry `from` provides the results of all steps up to `last`. */
export function planAfter<State extends object>(
  { stages }: Pipeline<State>,
  { last, from }: { readonly last: string; readonly from: string | undefined },
): PlannedStep[] {
  const end = stages.findIndex((stage) => stage.some(({ name }) => name === last));
  return stages.flatMap((stage, index) =>
    stage.map((step) => {
      const planned = plannedStep(step, stage);
      if (index > end) return { ...planned, kept: false, why: [`after ${last}`] };
      return { ...planned, kept: true, why: [], ...(from !== undefined && { from }) };
    }),
  );
}

interface Due {
  readonly inputs: Inputs | undefined;
  readonly outdated: string | undefined;
  readonly runs: string | undefined;
  readonly parent: string | undefined;
}

async function reasons(
  { home, name }: BuildContext,
  step: string,
  { inputs, outdated, runs, parent }: Due,
): Promise<string[]> {
  const last = await home.checkpoints.last(name, step);
  const changed = last && inputs ? changedInputs(last.inputs, inputs) : [];
  if (changed.length > 0) return changed;
  if (runs !== undefined) return [`after ${runs}`];
  if (outdated !== undefined) return [outdated];
  if (!last) return ["there is no result of it"];
  return [last.parent === parent ? "its result no longer exists" : "made from another result"];
}

// After a step that will run, inputs that depend on it are not known yet.
async function knownInputs(step: AnyStep, state: object, isWhole: boolean): Promise<Inputs | undefined> {
  try {
    return await allInputs(step, state);
  } catch (error) {
    if (isWhole) throw error;
    return undefined;
  }
}
