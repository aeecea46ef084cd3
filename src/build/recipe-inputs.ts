import { createHash } from "node:crypto";
import { contentOf } from "../provision/acts.ts";
import type { Recipe } from "../recipe/recipe.ts";
import type { Inputs } from "./inputs.ts";

/** The inputs of provisioning by section of the recipe, so that a plan can name the section that changed. */
export async function provisionInputs(recipe: Recipe, folder: string): Promise<Inputs> {
  const files = await Promise.all(
    recipe.files.map(async (file) => [file, digestOf(await contentOf(folder, file.content, file.from))]),
  );
  const scripts = await Promise.all(
    recipe.scripts.map(async (script) => [
      script.name,
      digestOf(await contentOf(folder, script.run, script.from)),
    ]),
  );
  const { repositories, additions, packages, groups, users, folders, services, domainType, provision } =
    recipe;
  const sections = {
    repositories,
    additions,
    packages: [packages.install, packages.remove],
    groups,
    users,
    folders,
    services,
    files,
    scripts,
    drivers: domainType,
    provision,
    disks: recipe.disks,
  };
  return Object.fromEntries(
    Object.entries(sections).map(([name, value]) => [name, digestOf(JSON.stringify(value ?? "none"))]),
  );
}

export function digestOf(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex").slice(0, 16);
}
