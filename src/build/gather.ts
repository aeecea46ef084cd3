import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { modeOf } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import { cloneDetectionDigest } from "../firstboot/bring-clone-detection.ts";
import { readModule } from "../firstboot/module.ts";
import { kickstartFaults, refuseFaults } from "../kickstart/check-recipe.ts";
import { noSecrets, renderKickstart } from "../kickstart/render.ts";
import { type Digest, digestOf as sha256 } from "../model/digest.ts";
import { contentOf } from "../provision/acts.ts";
import { moduleFolders } from "../recipe/load.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { builderDigest } from "../rehearsal/medium.ts";
import { baseOf } from "./base/base-of.ts";
import { refuseBrokenModules } from "./broken-modules.ts";
import { converted } from "./further.ts";
import { gitState } from "./manifest.ts";
import type { Ingredients } from "./master.ts";
import { digestOf, provisionInputs } from "./recipe-inputs.ts";
import { kickstartTemplate, shownPost } from "./recipe-kickstart.ts";
import type { BuildRequest } from "./request.ts";
import { shipped } from "./shipped.ts";
import { fetchIso, makeMedium } from "./steps/fetch-medium.ts";
import { takeBase } from "./steps/take-base.ts";
import { recipeFolders, recipeOf, type Workshop } from "./workshop.ts";

/** Reads everything that a recipe refers to. All errors of the recipe are found here, before anything changes. */
export async function gather(
  workshop: Workshop,
  request: Pick<BuildRequest, "name" | "rehearse" | "to">,
): Promise<Ingredients> {
  const loaded = await recipeOf(workshop, request.name);
  const { recipe, file } = loaded;
  const folder = dirname(file);
  const template = await kickstartTemplate(workshop, recipe);
  const moduleFolders = await Promise.all(
    recipe.modules.map((name) => moduleFolder(name, file, recipeFolders(workshop))),
  );
  await refuseBrokenModules(recipe, moduleFolders);
  const modules = await Promise.all(moduleFolders.map((one) => readModule(one)));
  const git = await gitState(workshop.host, ownFolders(workshop, [folder, template.folder]));
  const rendered = await renderKickstart(
    recipe,
    template,
    noSecrets,
    await shownPost(loaded, { mirrors: {} }),
  );
  const base = await baseOf(workshop, recipe, folder, request.rehearse);
  if (!base) refuseFaults(request.name, kickstartFaults(rendered, loaded));
  const { text } = rendered;
  // The name and version in the first line affect nothing.
  const kickstartDigest = digestOf(text.replace(/^#.*\n/, ""));
  if (request.rehearse && recipe.machine.firmware === "uefi")
    throw new TbuildError("usage", `${request.name}: the rehearsal medium installs for a BIOS only`, {
      hint: "Rehearse with --set machine.firmware=bios, or build without --rehearse.",
    });
  const builder = request.rehearse ? await builderDigest() : undefined;
  const medium =
    builder === undefined ? fetchIso(recipe, workshop.home.isoFolder) : makeMedium(recipe, builder);
  const inputs = {
    ...(!base && { kickstart: sha256(text) }),
    ...Object.fromEntries(modules.map((module) => [`module:${module.name}`, sha256(module.digest)])),
    ...(await digestsOf(recipe, folder)),
  };
  const frameOf = (one: Recipe) => ({
    recipeText: JSON.stringify(one),
    inputs,
    tbuild: workshop.tbuild,
    ...(git && { git }),
  });
  const madeOf = { recipe: converted(recipe, request.to), mode: request.to ?? modeOf[recipe.domainType] };
  return {
    recipe,
    folder,
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

// An installed package is in no git repository, even where one is around its node_modules.
function ownFolders({ recipes }: Workshop, folders: readonly string[]): string[] {
  const foreign: string[] = recipes === shipped.recipes ? [] : [shipped.recipes, shipped.kickstarts];
  return folders.filter((folder) => !foreign.includes(folder));
}

async function moduleFolder(name: string, file: string, recipes: readonly string[]): Promise<string> {
  const folders = moduleFolders(file, recipes).map((folder) => join(folder, name));
  for (const folder of folders)
    if ((await readdir(folder).catch(() => undefined)) !== undefined) return folder;
  return folders[0] ?? name;
}

/** The recipe's files and scripts, which may be in separate files. */
async function digestsOf(recipe: Recipe, folder: string): Promise<Record<string, Digest>> {
  const digests: Record<string, Digest> = {};
  for (const { path, content, from } of recipe.files)
    digests[`file:${path}`] = sha256(await contentOf(folder, content, from));
  for (const { name, run, from } of recipe.scripts)
    digests[`script:${name}`] = sha256(await contentOf(folder, run, from));
  return digests;
}
