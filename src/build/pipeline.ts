import { TbuildError } from "../errors.ts";
import type { Checkpoint } from "./checkpoints.ts";
import type { Inputs } from "./inputs.ts";
import type { BuildContext, Step } from "./step.ts";
import { stepCode } from "./step-code.ts";

// biome-ignore lint/suspicious/noExplicitAny: the one place with steps of different types in one list
export type AnyStep = Step<any, any>;

/**
 * A sequence of stages. A stage is one step, or several that run side by side. If no earlier stage provides a
 * step's input, the code does not compile.
 */
export class Pipeline<State extends object> {
  readonly stages: readonly (readonly AnyStep[])[];

  private constructor(stages: readonly (readonly AnyStep[])[]) {
    this.stages = stages;
  }

  static start(): Pipeline<object> {
    return new Pipeline<object>([]);
  }

  /** The steps of all stages. */
  get steps(): readonly AnyStep[] {
    return this.stages.flat();
  }

  step<Gives extends object>(step: Step<State, Gives>): Pipeline<State & Gives> {
    return new Pipeline<State & Gives>([...this.stages, [step]]);
  }

  /** Two independent steps. The first is optional, so a later step cannot rely on its results. */
  sideBySide<Optional extends object, Gives extends object>(
    condition: boolean,
    optional: Step<State, Optional>,
    step: Step<State, Gives>,
  ): Pipeline<State & Partial<Optional> & Gives> {
    return new Pipeline<State & Partial<Optional> & Gives>([
      ...this.stages,
      condition ? [optional, step] : [step],
    ]);
  }

  upTo(last: string): Pipeline<Partial<State>> {
    const end = this.stages.findIndex((stage) => stage.some(({ name }) => name === last));
    const stages = this.stages.slice(0, end + 1);
    const stage = stages.pop() ?? [];
    const cut = stage.slice(0, stage.findIndex(({ name }) => name === last) + 1);
    return new Pipeline<Partial<State>>([...stages, cut]);
  }

  /** An optional step provides nothing that later steps need. */
  stepIf<Gives extends object>(condition: boolean, step: Step<State, Gives>): Pipeline<State> {
    return condition ? new Pipeline<State>([...this.stages, [step]]) : this;
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

/** The result that an earlier build left for the same step and inputs. */
export interface Earlier {
  readonly checkpoint: Checkpoint;
  /** Why the result can no longer be used. */
  readonly outdated: string | undefined;
}

export async function earlierResult(
  context: BuildContext,
  step: AnyStep,
  key: string,
): Promise<Earlier | undefined> {
  const checkpoint = await context.home.checkpoints.find(key);
  return checkpoint && { checkpoint, outdated: await step.outdated?.(context, checkpoint.gives) };
}

// The wording in plans: "tbuild's code changed".
export const codeInput = "tbuild's code";

/** The inputs of a step's result: those that the step declares, and its code. */
export async function allInputs(step: AnyStep, state: object): Promise<Inputs> {
  return { ...step.inputs(state), [codeInput]: await stepCode(step.module) };
}
