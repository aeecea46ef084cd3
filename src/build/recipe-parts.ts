import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type FirstBootModule, readModule } from "../firstboot/module.ts";
import {
  type KickstartTemplate,
  noSecrets,
  type RenderedKickstart,
  renderKickstart,
} from "../kickstart/render.ts";
import { type Digest, digestOf as sha256 } from "../model/digest.ts";
import { contentOf } from "../provision/acts.ts";
import { type LoadedRecipe, moduleFolders } from "../recipe/load.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { refuseBrokenModules } from "./broken-modules.ts";
import { postOf, shownPasswords } from "./kickstart-post.ts";
import { kickstartTemplate } from "./kickstart-template.ts";
import { type OpenedSite, recipeFolders, recipeOf } from "./opened-site.ts";

/** A recipe and its parts in the repo: modules, files, scripts, kickstart. */
export interface RecipeParts {
  readonly loaded: LoadedRecipe;
  readonly modules: readonly FirstBootModule[];
  readonly template: KickstartTemplate & { readonly folder: string };
  readonly rendered: RenderedKickstart;
  /** The digest of each part, by its kind and name. A recipe that starts from a template has no kickstart. */
  readonly digests: Readonly<Record<string, Digest>>;
}

/**
 * Reads a recipe and its parts. All errors in them are found here. Does not look for the template that the
 * recipe starts from.
 */
export async function recipeParts(opened: OpenedSite, name: string): Promise<RecipeParts> {
  const loaded = await recipeOf(opened, name);
  const { recipe, file } = loaded;
  const template = await kickstartTemplate(opened.kickstarts, recipe);
  const folders = await Promise.all(
    recipe.modules.map((module) => moduleFolder(module, file, recipeFolders(opened))),
  );
  await refuseBrokenModules(recipe, folders);
  const modules = await Promise.all(folders.map((one) => readModule(one)));
  const post = await postOf(loaded, { passwords: shownPasswords(recipe), mirrors: {} });
  const rendered = await renderKickstart(recipe, template, noSecrets, post);
  const digests = {
    ...(recipe.from === undefined && { kickstart: sha256(rendered.text) }),
    ...Object.fromEntries(modules.map((module) => [`module:${module.name}`, sha256(module.digest)])),
    ...(await digestsOf(recipe, dirname(file))),
  };
  return { loaded, modules, template, rendered, digests };
}

async function moduleFolder(name: string, file: string, recipes: readonly string[]): Promise<string> {
  const folders = moduleFolders(file, recipes).map((folder) => join(folder, name));
  for (const folder of folders)
    if ((await readdir(folder).catch(() => undefined)) !== undefined) return folder;
  return folders[0] ?? name;
}

/** The recipe's files and scripts. Their contents may be in separate files. */
async function digestsOf(recipe: Recipe, folder: string): Promise<Record<string, Digest>> {
  const digests: Record<string, Digest> = {};
  for (const { path, content, from } of recipe.files)
    digests[`file:${path}`] = sha256(await contentOf(folder, content, from));
  for (const { name, run, from } of recipe.scripts)
    digests[`script:${name}`] = sha256(await contentOf(folder, run, from));
  return digests;
}
