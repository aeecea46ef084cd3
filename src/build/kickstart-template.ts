import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import { namesIn } from "../io/durable.ts";
import type { KickstartTemplate } from "../kickstart/render.ts";
import type { Recipe } from "../recipe/recipe.ts";
import { shipped } from "./shipped.ts";

/**
 * The recipe's kickstart template, from the first folder that has it. Partials come from all folders, nearest
 * first.
 */
export async function kickstartTemplate(
  kickstarts: string,
  { kickstart, release }: Pick<Recipe, "kickstart" | "release">,
): Promise<KickstartTemplate & { readonly folder: string }> {
  const folders = [kickstarts, shipped.kickstarts];
  const name = kickstart ?? release;
  const listed = await Promise.all(folders.map((folder) => namesIn(folder)));
  const at = listed.findIndex((entries) => entries.includes(`${name}.ks.hbs`));
  const folder = folders[at];
  if (folder === undefined) {
    const names = listed
      .flat()
      .filter((entry) => entry.endsWith(".ks.hbs"))
      .map((entry) => entry.replace(".ks.hbs", ""));
    throw new TbuildError("usage", `kickstart/${name}.ks.hbs: no such kickstart`, {
      hint: `Available: ${[...new Set(names)].sort().join(", ") || "none"}.`,
    });
  }
  const text = await readFile(join(folder, `${name}.ks.hbs`), "utf8");
  const partials: Record<string, string> = {};
  for (const one of [...folders].reverse())
    for (const entry of await namesIn(join(one, "partials")))
      if (entry.endsWith(".hbs"))
        partials[entry.slice(0, -".hbs".length)] = await readFile(join(one, "partials", entry), "utf8");
  return { name, text, partials, folder };
}
