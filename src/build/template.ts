import type { GuestMode } from "../choices.ts";
import { type Ingredients, planMaster } from "./master.ts";
import { auditImage } from "./steps/audit-image.ts";
import { bootTrial } from "./steps/boot-trial.ts";
import { convertImage } from "./steps/convert-image.ts";
import { packBundles } from "./steps/pack-bundles.ts";
import { placeTemplate } from "./steps/place-template.ts";
import { publishTemplate } from "./steps/publish-template.ts";
import { sealImage } from "./steps/seal-image.ts";

/**
 * From a disc, or another template, to a published template: the master, then a copy of it that is converted,
 * sealed, audited, booted, packed and numbered. `trial` is the mode in which clones boot; without it, there
 * is no boot trial. `places`: the hypervisor keeps the template, too.
 */
export function planTemplate(ingredients: Ingredients, trial: GuestMode | undefined, places = false) {
  const { recipe, mode, frame } = ingredients.made;
  return planMaster(ingredients)
    .step(convertImage(recipe, mode))
    .step(sealImage(recipe, frame, ingredients.cloneDetection))
    .step(auditImage(recipe, mode))
    .stepIf(trial !== undefined, bootTrial(recipe, trial ?? "hvm"))
    .step(packBundles(recipe, frame))
    .step(publishTemplate())
    .stepIf(places, placeTemplate(recipe));
}
