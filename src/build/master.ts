import type { GuestMode } from "../choices.ts";
import type { FirstBootModule } from "../firstboot/module.ts";
import type { KickstartTemplate } from "../kickstart/render.ts";
import type { Digest } from "../model/digest.ts";
import type { Recipe } from "../recipe/recipe.ts";
import type { Inputs } from "./inputs.ts";
import type { ManifestFrame } from "./manifest.ts";
import { Pipeline } from "./pipeline.ts";
import type { Passwords } from "./secrets.ts";
import type { Step } from "./step.ts";
import type { FetchedMedium, Sources } from "./steps/fetch-medium.ts";
import { injectModules } from "./steps/inject-modules.ts";
import { type InstalledGuest, installGuest } from "./steps/install-guest.ts";
import { keepMaster } from "./steps/keep-master.ts";
import { provisionGuest } from "./steps/provision-guest.ts";

/** Everything that a recipe refers to, read and digested. After this, planning reads no files. */
export interface Ingredients {
  readonly recipe: Recipe;
  /** The recipe's folder. Relative paths in the recipe start there. */
  readonly folder: string;
  readonly passwords: Passwords;
  readonly medium: Step<object, FetchedMedium>;
  /** Takes the template that the recipe starts from. Nothing is installed then. */
  readonly base?: Step<object, Sources & InstalledGuest>;
  readonly kickstart: KickstartTemplate;
  /** The digest of the rendered kickstart, without the build's secrets. */
  readonly kickstartDigest: string;
  readonly provisionInputs: Inputs;
  readonly modules: readonly FirstBootModule[];
  /**
   * The digest of the files that the seal adds to detect clones by their MAC addresses, if the recipe asks
   * for this.
   */
  readonly cloneDetection?: Digest;
  readonly frame: ManifestFrame;
  /** The target of the template: the recipe's own, or one of its further conversions. */
  readonly made: MadeTemplate;
}

export interface MadeTemplate {
  readonly recipe: Recipe;
  readonly mode: GuestMode;
  readonly frame: ManifestFrame;
}

/**
 * From a disc, or another template, to a stored master: HVM, with guest additions and modules, never sealed.
 */
export function planMaster(made: Ingredients) {
  return startOf(made)
    .step(provisionGuest(made, made.provisionInputs))
    .step(injectModules(made.recipe, made.modules, made.cloneDetection))
    .step(keepMaster(made.recipe, made.frame));
}

function startOf(made: Ingredients): Pipeline<Sources & InstalledGuest> {
  if (made.base) return Pipeline.start().step(made.base);
  return Pipeline.start()
    .step(made.medium)
    .step(installGuest(made, made.kickstart, made.kickstartDigest));
}
