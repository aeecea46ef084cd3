import { type Manifest, manifestDigest } from "../../model/manifest.ts";
import { checkpointKey } from "../checkpoints.ts";
import { hostsOf } from "../manifest.ts";
import { allInputs, type Pipeline } from "../pipeline.ts";
import type { Taken } from "../run-pipeline.ts";
import type { PasswordMarks } from "../secrets.ts";
import type { BuildContext } from "../step.ts";
import type { Made } from "./recipe-facts.ts";
import { sharedStep } from "./result-key.ts";

interface TakenResult {
  readonly manifest: Manifest;
  readonly bundleFolder: string;
  readonly passwords: PasswordMarks;
}

/** A checkpoint that represents all steps up to the shared one. It has no disk, because the store has it. */
export async function keepTaken<S extends object>(
  context: BuildContext,
  pipeline: Pipeline<S>,
  key: string,
  { manifest, bundleFolder, passwords }: TakenResult,
): Promise<Taken> {
  const step = pipeline.steps.find(({ name }) => name === sharedStep);
  if (!step) throw new Error(`the pipeline has no ${sharedStep}`);
  const { id, out } = await context.home.checkpoints.begin();
  const template = manifestDigest(manifest);
  const checkpoint = await context.home.checkpoints.keep(out, {
    id,
    key: takenKey(key),
    recipe: context.name,
    step: sharedStep,
    inputs: await allInputs(step, {}),
    parent: undefined,
    made: new Date().toISOString(),
    maker: manifest.makers?.[sharedStep] ?? context.tbuild,
    hosts: await hostsOf(context),
    ms: 0,
    gives: { template, version: manifest.version, draft: manifest, bundleFolder, passwords },
  });
  return { checkpoint, timings: manifest.timings };
}

/** A result that was fetched earlier, if it is still complete. */
export async function takenBefore<S extends object>(
  made: Made,
  context: BuildContext,
  pipeline: Pipeline<S>,
  key: string,
): Promise<Taken | undefined> {
  const checkpoint = await context.home.checkpoints.find(takenKey(key));
  if (!checkpoint) return undefined;
  for (const step of pipeline.steps.filter(({ name }) => ["pack-bundles", sharedStep].includes(name)))
    if ((await step.outdated?.(context, checkpoint.gives)) !== undefined) return undefined;
  const { passwords, draft } = checkpoint.gives as { passwords: PasswordMarks; draft: Manifest };
  if ((await made.passwords.changed(passwords)) !== undefined) return undefined;
  return { checkpoint, timings: draft.timings };
}

function takenKey(key: string): string {
  return checkpointKey("taken from a cache", { key }, undefined);
}
