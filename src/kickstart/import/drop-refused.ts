import { Recipe } from "../../recipe/recipe.ts";
import { rules } from "../../recipe/rules.ts";
import type { Findings } from "./findings.ts";

/** Removes values that the rules refuse, one by one. The base recipe's value applies instead. */
export async function settle(recipe: Record<string, unknown>, found: Findings, base: Recipe): Promise<void> {
  sizeDisk(recipe, found.spareMib);
  for (;;) {
    const problem = (await problemsOf(recipe, base))[0];
    if (problem === undefined) return;
    const [key = "", index] = problem.path.map(String);
    const inherited = (base as unknown as Record<string, unknown>)[key];
    const grows = Array.isArray(inherited) && key !== "layout" && key !== "nics";
    const at = Number(index) - (grows ? inherited.length : 0);
    if (dropNested(problem, recipe, base, found)) continue;
    const own = recipe[key];
    // Without a /boot that pygrub can read, it can be HVM, but not PVM.
    if (problem.text.includes("pygrub") && recipe.domainType === undefined)
      recipe.domainType = "XEN_HVM_PV_DRIVERS";
    else if (Array.isArray(own) && at >= 0 && at < own.length && own.length > 1) {
      tell(own[at], JSON.stringify(own[at]), problem.text, found);
      recipe[key] = own.filter((_, i) => i !== at);
      sizeDisk(recipe, found.spareMib);
    } else if (own !== undefined) {
      const parts = Array.isArray(own) ? own : [key];
      for (const part of parts) tell(part, key, problem.text, found);
      delete recipe[key];
      if (key === "layout") {
        delete recipe.machine;
        delete recipe.domainType;
      }
    } else return;
  }
}

/** Removes a name from `packages.base`, `services.disable` and the like, if the problem is about one. */
function dropNested(
  { path, text }: { readonly path: readonly PropertyKey[]; readonly text: string },
  recipe: Record<string, unknown>,
  base: Recipe,
  found: Findings,
): boolean {
  const [key = "", list = "", index] = path.map(String);
  if ((key !== "packages" && key !== "services") || index === undefined) return false;
  const own = (recipe[key] as Record<string, string[]> | undefined)?.[list];
  const inherited = (base[key] as Readonly<Record<string, readonly string[]>>)[list] ?? [];
  const name = own?.[Number(index) - inherited.length];
  if (own === undefined || name === undefined) return false;
  recipe[key] = { ...(recipe[key] as object), [list]: own.filter((one) => one !== name) };
  found.leave(found.standingOf(`${key}.${list}.${name}`) ?? { line: 0, text: name }, text);
  return true;
}

function tell(value: unknown, text: string, why: string, found: Findings): void {
  found.leave(found.standingOf(value) ?? { line: 0, text }, why);
}

// Leaves space to grow into, and at least the base recipe's size.
function sizeDisk(recipe: Record<string, unknown>, spare: number): void {
  if (recipe.layout === undefined) return;
  const sum = Recipe.shape.layout.parse(recipe.layout).reduce((all, part) => all + part.size, spare);
  recipe.machine = { disk: `${Math.min(9_999_999, Math.max(12, Math.ceil((sum * 1.25) / 1024)))}G` };
}

function grown(
  lists: Readonly<Record<string, readonly string[]>>,
  more: Readonly<Record<string, readonly string[]>>,
) {
  return Object.fromEntries(
    Object.entries(lists).map(([name, items]) => [name, [...items, ...(more[name] ?? [])]]),
  );
}

async function problemsOf(recipe: Record<string, unknown>, base: Recipe) {
  const whole: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(recipe)) {
    const shape = Recipe.shape[key as keyof typeof Recipe.shape];
    if (shape === undefined) continue;
    const parsed = shape.parse(value);
    const grows = Array.isArray(parsed) && key !== "layout" && key !== "nics";
    if (grows) whole[key] = [...(whole[key] as unknown[]), ...parsed];
    else if (key === "packages" || key === "services")
      whole[key] = grown(base[key], parsed as Record<string, readonly string[]>);
    else whole[key] = parsed;
  }
  const found: { path: readonly PropertyKey[]; text: string }[] = [];
  const problem = (path: readonly PropertyKey[], text: string) => found.push({ path, text });
  const context = { folder: "", moduleFolders: [], problem, standing: () => "", fileOf: () => undefined };
  for (const rule of rules) await rule(whole as Partial<Recipe>, context);
  return found;
}
