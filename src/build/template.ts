import type { GuestMode } from "../choices.ts";
import { type Ingredients, planMaster } from "./master.ts";
import { auditImage } from "./steps/audit-image.ts";
import { bootTrial } from "./steps/boot-trial.ts";
import { convertImage } from "./steps/convert-image.ts";
import { packBundles } from "./steps/pack-bundles.ts";
import { publishTemplate } from "./steps/publish-template.ts";
import { sealImage } from "./steps/seal-image.ts";

/**
 * From a disc, or another template, to a published template: the master, then a copy of it that is converted, sealed, audited, booted, packed and numbered.
 * `trial` is what clones are booted as; without it there is no boot trial.
 */
export function planTemplate(made: Ingredients, trial: GuestMode | undefined) {
  return planMaster(made)
    .step(convertImage(made.recipe))
    .step(sealImage(made.recipe, made.frame, made.cloneDetection))
    .step(auditImage(made.recipe))
    .stepIf(trial !== undefined, bootTrial(made.recipe, trial ?? "hvm"))
    .step(packBundles(made.recipe, made.frame))
    .step(publishTemplate());
}
