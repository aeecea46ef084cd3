import { join } from "node:path";
import { buildOperations } from "../../guest/convert/index.ts";
import { applyAll, type Done } from "../../guest/operation.ts";
import { readRelease } from "../../guest/release.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { openImage } from "../guest-image.ts";
import type { Step } from "../step.ts";
import type { KeptMaster } from "./keep-master.ts";

export interface ConvertedImage {
  /** A raw image of the template's disk. */
  readonly image: string;
  readonly converted: readonly Done[];
}

/** Copies the master and converts the copy to the recipe's domain type. It still boots as HVM. */
export function convertImage(recipe: Recipe): Step<KeptMaster, ConvertedImage> {
  return {
    name: "convert-image",
    module: import.meta.url,
    describe: () => `copy the master and convert it to ${recipe.domainType}`,
    inputs: () => ({ domainType: recipe.domainType }),
    async run(context, { masterDisk }) {
      const image = join(context.out, "System.img");
      context.progress("copying the master");
      await context.store.restoreDisk(masterDisk, image, context.signal);
      await using opened = await openImage(context, image);
      const mounted = opened.mounts.map(({ volume }) => volume);
      const operations = buildOperations(recipe.domainType, await readRelease(opened.tree), mounted);
      return {
        image,
        converted: await applyAll(opened.tree, operations, context.progress),
      };
    },
  };
}
