import { createHash } from "node:crypto";
import { allInputs, type Pipeline } from "../pipeline.ts";

/** The step whose result several machines share: the published template. */
export const sharedStep = "publish-template";

/**
 * The key of a build's result, which is the same on every machine: the inputs of all steps up to the
 * published template, and whether it is a rehearsal. Returns `undefined` if the pipeline ends earlier, and
 * `why` if the inputs do not identify the result.
 */
export async function resultKey<State extends object>(
  { steps }: Pipeline<State>,
  rehearsal: boolean,
): Promise<{ readonly key: string } | { readonly why: string } | undefined> {
  const end = steps.findIndex(({ name }) => name === sharedStep);
  if (end < 0) return undefined;
  const chain: unknown[] = ["tbuild cache 1", rehearsal ? "rehearsal" : "real"];
  for (const step of steps.slice(0, end + 1)) {
    if (step.unshared !== undefined) return { why: step.unshared };
    // Nothing has run yet, so inputs that come from earlier steps are absent. The inputs of those earlier
    // steps are part of the key instead.
    const inputs = Object.entries(await allInputs(step, {}));
    chain.push([step.name, inputs.sort(([a], [b]) => (a < b ? -1 : 1))]);
  }
  return { key: createHash("sha256").update(JSON.stringify(chain)).digest("hex") };
}
