import { dirname } from "node:path";
import type { PostProvisioning } from "../kickstart/render.ts";
import { postProvisioning } from "../provision/post-script.ts";
import type { WorkOptions } from "../provision/work.ts";
import type { LoadedRecipe } from "../recipe/load.ts";
import type { Recipe } from "../recipe/recipe.ts";
import type { Site } from "../recipe/site.ts";
import { mirrorsFor } from "./repository-server.ts";

/** The %post section of a recipe that provisions in %post; `undefined` for other recipes. */
export async function postOf(
  { recipe, file }: Pick<LoadedRecipe, "recipe" | "file">,
  options: Omit<WorkOptions, "folder">,
): Promise<PostProvisioning | undefined> {
  return recipe.provision === "post"
    ? postProvisioning(recipe, { folder: dirname(file), ...options })
    : undefined;
}

/** A placeholder for each user's password, for a kickstart that is only shown. */
export function shownPasswords({ users }: Pick<Recipe, "users">): Record<string, string> {
  return Object.fromEntries(
    users.filter(({ password }) => password).map(({ name }) => [name, "@PASSWORD-HASH@"]),
  );
}

/** The mirrors for a machine that is built elsewhere. It cannot reach folders of this machine. */
export function mirrorsOutside({ mirrors }: Pick<Site, "mirrors">): Record<string, string> {
  return Object.fromEntries(Object.entries(mirrors).filter(([, where]) => /^(https?|ftp):/.test(where)));
}

/**
 * The mirrors in a kickstart that is only shown. A build serves folders on any free port; here, port 80
 * stands for it.
 */
export function mirrorsInBuild({ mirrors }: Pick<Site, "mirrors">): Record<string, string> {
  return mirrorsFor(mirrors, {}).urls(80);
}
