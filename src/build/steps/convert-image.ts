import { join } from "node:path";
import type { GuestMode } from "../../choices.ts";
import { buildOperations } from "../../guest/convert/index.ts";
import { type NewIds, newVolumeIds, renameVolumes } from "../../guest/convert/volume-names.ts";
import { applyAll, type Done } from "../../guest/operation.ts";
import { readRelease } from "../../guest/release.ts";
import { writeVolumeIds } from "../../image/change/volume-ids.ts";
import type { OpenedImage } from "../../image/open.ts";
import type { Recipe } from "../../recipe/recipe.ts";
import { canRenameVolumes, volumeId } from "../../recipe/volume-ids.ts";
import { changeImage, clearBench } from "../change-image.ts";
import type { Step, StepContext } from "../step.ts";
import type { KeptMaster } from "./keep-master.ts";

export interface ConvertedImage {
  /** A raw image of the template's disk. */
  readonly image: string;
  readonly converted: readonly Done[];
}

/** Copies the master, and converts the copy for its domain type. The copy still boots as an HVM guest. */
export function convertImage(recipe: Recipe, mode: GuestMode): Step<KeptMaster, ConvertedImage> {
  return {
    name: "convert-image",
    module: import.meta.url,
    changesImage: true,
    describe: () => `copy the master and convert it to ${mode}`,
    inputs: () => ({ mode, ...(canRenameVolumes(recipe) && { "volume ids": volumeId(recipe, "") }) }),
    async run(context, { masterDisk }) {
      const image = join(context.out, "System.img");
      context.progress("copying the master");
      await context.store.restoreDisk(masterDisk, image, context.signal);
      const { converted, ids } = await changeImage(context, image, purpose, (opened) =>
        convert(context, recipe, mode, opened),
      );
      await writeVolumeIds(context.host, image, ids, context.signal);
      return { image, converted };
    },
    cleanup: (context) => clearBench(context, purpose),
  };
}

const purpose = "convert";

async function convert(
  context: StepContext,
  recipe: Recipe,
  mode: GuestMode,
  { tree, mounts, volumes }: OpenedImage,
): Promise<{ readonly converted: readonly Done[]; readonly ids: NewIds }> {
  const mounted = mounts.map(({ volume }) => volume);
  const operations = buildOperations(mode, await readRelease(tree), mounted);
  const converted = await applyAll(tree, operations, context.progress);
  if (!canRenameVolumes(recipe)) return { converted, ids: new Map() };
  const ids = newVolumeIds(mounts, volumes, (mount) => volumeId(recipe, mount));
  return { converted: [...converted, await renameVolumes(tree, ids)], ids };
}
