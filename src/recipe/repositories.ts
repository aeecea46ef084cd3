import type { Recipe } from "./recipe.ts";

/** `/addons` of `medium:/addons`; `undefined` for other addresses. */
export function mediumFolder(url: string): string | undefined {
  return /^medium:(\/.*?)\/*$/.exec(url)?.[1];
}

/** The repository that a release of UEK comes from, such as `ol6_UEKR4`. */
export function uekRepository(recipe: Pick<Recipe, "release" | "kernel">): string | undefined {
  const release = /^uekr(\d)$/.exec(recipe.kernel)?.[1];
  return release === undefined ? undefined : `${recipe.release}_UEKR${release}`;
}
