import { TbuildError } from "../errors.ts";
import { originOf } from "../recipe/from.ts";
import { recipeNames } from "../recipe/load.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { type OpenedSite, recipeFolders, recipeOf } from "./opened-site.ts";

type Recipes = ReadonlyMap<string, Pick<Recipe, "name" | "from">>;

/** For each recipe, the other recipe in the list whose template it starts from, regardless of version. */
export function basesAmong(recipes: Recipes): (name: string) => string | undefined {
  const byTemplate = new Map([...recipes].map(([file, { name }]) => [name, file]));
  return (name) => {
    const from = recipes.get(name)?.from;
    if (from === undefined || originOf(from) !== "version") return undefined;
    const base = byTemplate.get(from.split("@")[0] ?? "");
    // A recipe may start from an earlier version of its own template.
    return base === name ? undefined : base;
  };
}

/** Finds recipes that start from each other. */
export function refuseCircle(line: readonly string[]): never {
  throw new TbuildError("usage", `start from each other: ${line.join(", ")}`, {
    subject: "recipes",
    hint: "Install one of them, or start it from another template.",
  });
}

/**
 * The order in which recipes are built: a list of groups. Recipes of a group are independent, and each comes
 * after the recipes that it starts from. `withBases` adds the recipes that these start from, unless `from`
 * names a version or a channel.
 */
export async function inGroups(
  opened: OpenedSite,
  names: readonly string[],
  withBases: boolean,
): Promise<readonly (readonly string[])[]> {
  const recipes = new Map<string, Recipe>();
  await addRecipes(opened, names, recipes);
  if (![...recipes.values()].some(({ from }) => from !== undefined)) return [names];
  if (withBases) await addRecipes(opened, await recipeNames(recipeFolders(opened)), recipes);
  const baseOf = basesAmong(recipes);
  const levels = new Map<string, number>();
  const levelOf = (name: string, heirs: readonly string[]): number => {
    const base = baseOf(name);
    const isFixed = recipes.get(name)?.from?.includes("@") === true;
    if (base === undefined || (isFixed && !names.includes(base))) return place(name, 0);
    if (heirs.includes(base)) refuseCircle([...heirs, base]);
    return place(name, levelOf(base, [...heirs, base]) + 1);
  };
  const place = (name: string, level: number) => {
    levels.set(name, level);
    return level;
  };
  for (const name of names) levelOf(name, [name]);
  const groups: string[][] = [];
  for (const [name, level] of levels) {
    groups[level] ??= [];
    groups[level].push(name);
  }
  return groups;
}

// A recipe with errors counts as starting from nothing here. Building it reports the error.
async function addRecipes(
  opened: OpenedSite,
  names: readonly string[],
  recipes: Map<string, Recipe>,
): Promise<void> {
  for (const name of names) {
    if (recipes.has(name)) continue;
    const found = await recipeOf(opened, name).catch((error: unknown) => {
      if (error instanceof TbuildError) return undefined;
      throw error;
    });
    if (found) recipes.set(name, found.recipe);
  }
}
