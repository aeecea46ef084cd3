import type { Digest } from "../../model/digest.ts";
import { type Manifest, manifestDigest } from "../../model/manifest.ts";
import { hostsOfAll } from "../manifest.ts";
import type { Step, StepContext } from "../step.ts";
import type { Tried } from "./boot-trial.ts";
import type { PackedBundles } from "./pack-bundles.ts";

export interface PublishedTemplate {
  readonly template: Digest;
  readonly version: string;
}

/** Writes the manifest last. From then on, the template exists permanently under its name and version. */
export function publishTemplate(): Step<PackedBundles & Partial<Tried>, PublishedTemplate> {
  return {
    name: "publish-template",
    module: import.meta.url,
    describe: () => "publish the template, and record it in the recipe repo",
    inputs: () => ({}),
    outdated: async ({ name, store, records }, { template, version }) => {
      if ((await store.get(template)) === undefined) return "the template is no longer in the store";
      return (await records.has({ kind: "template", name, version }))
        ? undefined
        : "its record no longer exists";
    },
    async run(context, { draft, trial = [] }) {
      const manifest = (await publishedBefore(context, draft, trial)) ?? completed(context, draft, trial);
      await context.records.check(manifest);
      const template = await context.store.publish(manifest);
      const file = await context.records.put(manifest);
      context.report({ type: "note", text: `recorded in ${file}${manifest.rehearsal ? "" : "; commit it"}` });
      return { template, version: draft.version };
    },
  };
}

// The bundles were packed while the trial ran.
function completed(context: StepContext, draft: Manifest, trial: readonly string[]): Manifest {
  const { "pack-bundles": here = {}, ...hosts } = context.hosts;
  return {
    ...draft,
    trial,
    hosts: hostsOfAll(here, hosts),
    timings: context.timings,
    took: context.took,
    makers: context.makers,
  };
}

/**
 * The same packed template, if an earlier trial has already published it. A trial runs again if its code
 * changes, but a published version never changes.
 */
async function publishedBefore(
  { store, report }: StepContext,
  { name, version, passport }: Manifest,
  trial: readonly string[],
): Promise<Manifest | undefined> {
  const before = await store.find("template", { name, version });
  if (before === undefined || passport === undefined || before.passport !== passport) return undefined;
  if (before.trial.length === 0 && trial.length > 0) return undefined;
  report({
    type: "note",
    text: `${name}@${version} has already been published from these bundles (${manifestDigest(before)}); it is not changed`,
  });
  return before;
}
