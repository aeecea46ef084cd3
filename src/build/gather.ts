import { dirname } from "node:path";
import { modeOf } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import { cloneDetectionDigest } from "../firstboot/bring-clone-detection.ts";
import { kickstartFaults, refuseFaults } from "../kickstart/check-recipe.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { builderDigest } from "../rehearsal/medium.ts";
import { baseOf } from "./base/base-of.ts";
import { converted } from "./further-conversions.ts";
import { gitState } from "./git-state.ts";
import type { Ingredients } from "./master.ts";
import type { OpenedSite } from "./opened-site.ts";
import { digestOf, provisionInputs } from "./recipe-inputs.ts";
import { recipeParts } from "./recipe-parts.ts";
import type { BuildRequest } from "./request.ts";
import { Passwords } from "./secrets.ts";
import { shipped } from "./shipped.ts";
import { fetchIso, makeMedium } from "./steps/fetch-medium.ts";
import { takeBase } from "./steps/take-base.ts";

/** Reads everything that a recipe refers to. All errors of the recipe are found here, before anything changes. */
export async function gather(
  opened: OpenedSite,
  request: Pick<BuildRequest, "name" | "rehearse" | "to">,
): Promise<Ingredients> {
  const { loaded, modules, template, rendered, digests } = await recipeParts(opened, request.name);
  const { recipe, file } = loaded;
  const folder = dirname(file);
  const git = await gitState(opened.host, ownFolders(opened, [folder, template.folder]));
  const base = await baseOf(opened, recipe, folder, request.rehearse);
  if (!base) refuseFaults(request.name, kickstartFaults(rendered, loaded));
  const { text } = rendered;
  // The name and version in the first line do not affect the result.
  const kickstartDigest = digestOf(text.replace(/^#.*\n/, ""));
  if (request.rehearse && recipe.machine.firmware === "uefi")
    throw new TbuildError("usage", `${request.name}: the rehearsal medium installs for a BIOS only`, {
      hint: "Rehearse with --set machine.firmware=bios, or build without --rehearse.",
    });
  const builder = request.rehearse ? await builderDigest() : undefined;
  const medium =
    builder === undefined ? fetchIso(recipe, opened.home.isoFolder) : makeMedium(recipe, builder);
  const frameOf = (one: Recipe) => ({
    recipeText: JSON.stringify(one),
    inputs: digests,
    tbuild: opened.tbuild,
    ...(git && { git }),
  });
  const madeOf = { recipe: converted(recipe, request.to), mode: request.to ?? modeOf[recipe.domainType] };
  return {
    recipe,
    folder,
    passwords: new Passwords(recipe, folder, opened.environment),
    medium,
    ...(base && { base: takeBase(recipe, base, builder) }),
    kickstart: template,
    kickstartDigest,
    provisionInputs: await provisionInputs(recipe, folder),
    modules,
    ...(recipe.firstBoot.detect === "mac" && { cloneDetection: await cloneDetectionDigest() }),
    frame: frameOf(recipe),
    made: { ...madeOf, frame: frameOf(madeOf.recipe) },
  };
}

// An installed package does not belong to a git repository, even if one contains its node_modules.
function ownFolders({ recipes }: OpenedSite, folders: readonly string[]): string[] {
  const foreign: string[] = recipes === shipped.recipes ? [] : [shipped.recipes, shipped.kickstarts];
  return folders.filter((folder) => !foreign.includes(folder));
}
