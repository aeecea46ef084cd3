import { TbuildError } from "../errors.ts";
import { type Checkpoint, checkpointKey, findCheckpoint } from "./checkpoint.ts";
import type { BuildContext, Inputs, Step } from "./step.ts";
import { stepCode } from "./step-code.ts";

// biome-ignore lint/suspicious/noExplicitAny: the one place with steps of different types in one list
export type AnyStep = Step<any, any>;

/** A sequence of steps. A step whose input no earlier step provides is a compile error. */
export class Pipeline<State extends object> {
  readonly steps: readonly AnyStep[];

  private constructor(steps: readonly AnyStep[]) {
    this.steps = steps;
  }

  static start(): Pipeline<object> {
    return new Pipeline<object>([]);
  }

  step<Gives extends object>(step: Step<State, Gives>): Pipeline<State & Gives> {
    return new Pipeline<State & Gives>([...this.steps, step]);
  }

  upTo(last: string): Pipeline<Partial<State>> {
    return new Pipeline<Partial<State>>(
      this.steps.slice(0, this.steps.findIndex(({ name }) => name === last) + 1),
    );
  }

  /** An optional step provides nothing that a later one needs. */
  stepIf<Gives extends object>(condition: boolean, step: Step<State, Gives>): Pipeline<State> {
    return condition ? new Pipeline<State>([...this.steps, step]) : this;
  }
}

/** The pipeline up to and including the step `last`. The results of later steps are missing. */
export function untilStep<State extends object>(
  pipeline: Pipeline<State>,
  last: string | undefined,
): Pipeline<Partial<State>> {
  if (last === undefined) return pipeline;
  const names = pipeline.steps.map(({ name }) => name);
  if (!names.includes(last))
    throw new TbuildError("usage", `there is no step "${last}"`, {
      subject: "--until",
      hint: `Its steps: ${names.join(", ")}.`,
    });
  return pipeline.upTo(last);
}

/** The checkpoint of a step whose result can be used. `parent` is the id of the checkpoint before it. */
export async function kept(
  context: BuildContext,
  step: AnyStep,
  state: object,
  parent: string | undefined,
): Promise<Checkpoint | undefined> {
  const found = await madeBefore(context, step, state, parent);
  return found && (await step.outdated?.(context, found.gives)) === undefined ? found : undefined;
}

export async function madeBefore(
  context: BuildContext,
  step: AnyStep,
  state: object,
  parent: string | undefined,
): Promise<Checkpoint | undefined> {
  const key = checkpointKey(step.name, await allInputs(step, state), parent);
  return findCheckpoint(context.home.checkpoints, key);
}

// The wording in plans: "tbuild's code changed".
export const codeInput = "tbuild's code";

/** The inputs of a step's result: those that the step declares, and its code. */
export async function allInputs(step: AnyStep, state: object): Promise<Inputs> {
  return { ...step.inputs(state), [codeInput]: await stepCode(step.module) };
}
