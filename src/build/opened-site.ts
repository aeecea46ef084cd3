import type { Host } from "../host/host.ts";
import type { Hypervisor } from "../hypervisor/hypervisor.ts";
import type { SecretFinder } from "../io/secret-source.ts";
import { type LoadedRecipe, loadRecipe } from "../recipe/load.ts";
import type { Located } from "../recipe/located.ts";
import { rules } from "../recipe/rules.ts";
import type { Site } from "../recipe/site.ts";
import type { RegistryOpener } from "../store/exchange/oci/registry.ts";
import type { Records } from "../store/records/records.ts";
import type { Store } from "../store/store.ts";
import type { Results } from "./cache/results.ts";
import type { Home } from "./home.ts";
import { shipped } from "./shipped.ts";

/** The opened site that builds use. */
export interface OpenedSite {
  readonly home: Home;
  readonly host: Host;
  readonly hypervisor: Hypervisor;
  readonly store: Store;
  readonly records: Records;
  readonly openRegistry: RegistryOpener;
  /** The results of other builders. */
  readonly results: Results;
  readonly site: Site;
  readonly recipes: string;
  readonly kickstarts: string;
  /** Settings of the site, environment and command line for every recipe. */
  readonly values: readonly Located[];
  /** Environment variables, for secrets that a recipe refers to. */
  readonly environment: SecretFinder;
  readonly tbuild: string;
}

/** A validated recipe, with the values of the site and the caller merged over it. */
export async function recipeOf(opened: OpenedSite, name: string): Promise<LoadedRecipe> {
  return loadRecipe(recipeFolders(opened), name, rules, opened.values);
}

/** The folders in which recipes and modules are searched, nearest first. */
export function recipeFolders({ recipes }: Pick<OpenedSite, "recipes">): string[] {
  return [...new Set([recipes, shipped.recipes])];
}
