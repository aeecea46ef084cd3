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
 * sealed, audited, booted, packed and numbered. It is packed while its clones boot. `trial` is the mode in which clones boot; without it, there
 * is no boot trial. `places`: the hypervisor keeps the template, too.
 */
export function planTemplate(ingredients: Ingredients, trial: GuestMode | undefined, places = false) {
  const { recipe, mode, frame } = ingredients.made;
  const isTried = trial !== undefined;
  return planMaster(ingredients)
    .step(convertImage(recipe, mode))
    .step(sealImage(recipe, frame, ingredients.cloneDetection))
    .step(auditImage(recipe, mode))
    .sideBySide(isTried, bootTrial(recipe, trial ?? "hvm"), packBundles(recipe, frame, isTried))
    .step(publishTemplate())
    .stepIf(places, placeTemplate(recipe));
}
