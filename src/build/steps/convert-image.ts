import { join } from "node:path";
import type { GuestMode } from "../../choices.ts";
import { buildOperations } from "../../guest/convert/index.ts";
import { applyAll, type Done } from "../../guest/operation.ts";
import { readRelease } from "../../guest/release.ts";
import { openImage } from "../guest-image.ts";
import type { Step } from "../step.ts";
import type { KeptMaster } from "./keep-master.ts";

export interface ConvertedImage {
  /** A raw image of the template's disk. */
  readonly image: string;
  readonly converted: readonly Done[];
}

/** Copies the master and converts the copy for what it is to run as. It still boots as HVM. */
export function convertImage(mode: GuestMode): Step<KeptMaster, ConvertedImage> {
  return {
    name: "convert-image",
    module: import.meta.url,
    describe: () => `copy the master and convert it to ${mode}`,
    inputs: () => ({ mode }),
    async run(context, { masterDisk }) {
      const image = join(context.out, "System.img");
      context.progress("copying the master");
      await context.store.restoreDisk(masterDisk, image, context.signal);
      await using opened = await openImage(context, image);
      const mounted = opened.mounts.map(({ volume }) => volume);
      const operations = buildOperations(mode, await readRelease(opened.tree), mounted);
      return {
        image,
        converted: await applyAll(opened.tree, operations, context.progress),
      };
    },
  };
}
