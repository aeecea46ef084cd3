import type { Digest } from "../../store/store.ts";
import type { Step } from "../step.ts";
import type { PackedBundles } from "./pack-bundles.ts";

export interface PublishedTemplate {
  readonly template: Digest;
  readonly version: string;
}

/** Writes the manifest, last of all: from here on the template exists, under its name and version, for good. */
export function publishTemplate(): Step<PackedBundles, PublishedTemplate> {
  return {
    name: "publish-template",
    describe: () => "publish the template with its manifest and lineage",
    inputs: () => ({}),
    valid: async (context, gives) => (await context.store.get(gives.template)) !== undefined,
    async run(context, { draft }) {
      return { template: await context.store.publish(draft), version: draft.version };
    },
  };
}
