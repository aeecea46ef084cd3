import type { Digest } from "../../model/digest.ts";
import type { Step } from "../step.ts";
import type { PackedBundles } from "./pack-bundles.ts";

export interface PublishedTemplate {
  readonly template: Digest;
  readonly version: string;
}

/** Writes the manifest last. From then on, the template exists permanently under its name and version. */
export function publishTemplate(): Step<PackedBundles, PublishedTemplate> {
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
    async run(context, { draft }) {
      const manifest = { ...draft, timings: context.timings, makers: context.makers };
      await context.records.check(manifest);
      const template = await context.store.publish(manifest);
      const file = await context.records.put(manifest);
      context.report({ type: "note", text: `recorded in ${file}${manifest.rehearsal ? "" : "; commit it"}` });
      return { template, version: draft.version };
    },
  };
}
