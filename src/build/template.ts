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
 * From a disc, or another template, to a published template: stores the master, then converts, seals, audits,
 * boots, packs and numbers a copy of it. The copy is packed while its clones boot. `trial` is the mode in
 * which clones boot; without it, there is no boot trial. With `places`, the hypervisor also gets the
 * template.
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
