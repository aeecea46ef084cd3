import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TbuildError } from "../errors.ts";
import { namesIn } from "../io/durable.ts";
import { kickstartFaults, type PlacedFault } from "../kickstart/check-recipe.ts";
import {
  type BuildSecrets,
  type KickstartTemplate,
  noSecrets,
  renderKickstart,
} from "../kickstart/render.ts";
import { type PostOptions, postProvisioning } from "../provision/post-script.ts";
import type { LoadedRecipe } from "../recipe/load.ts";
import { majorOf, type Recipe } from "../recipe/recipe.ts";
import type { Site } from "../recipe/site.ts";
import { scriptFaults } from "./kickstart-scripts.ts";
import { mirrorsFor } from "./repository-server.ts";
import { passwordHashes } from "./secrets.ts";
import { shipped } from "./shipped.ts";
import { recipeOf, type Workshop } from "./workshop.ts";

/** The kickstart of a recipe, with placeholders for secrets that are not given, and the findings of its release's installer. */
export async function kickstartOf(
  workshop: Workshop,
  name: string,
  secrets: BuildSecrets = noSecrets,
): Promise<{ text: string; faults: PlacedFault[]; release: string }> {
  const loaded = await recipeOf(workshop, name);
  const { recipe } = loaded;
  const template = await kickstartTemplate(workshop, recipe);
  const rendered = await renderKickstart(
    recipe,
    template,
    secrets,
    secrets === noSecrets
      ? await shownPost(loaded, inBuild(workshop.site))
      : await realPost(workshop, loaded),
  );
  return {
    text: rendered.text,
    faults: kickstartFaults(
      rendered,
      loaded,
      await scriptFaults(workshop.host, rendered.text, majorOf(recipe.release)),
    ),
    release: `OL${majorOf(recipe.release)}.${recipe.update}`,
  };
}

/** How a guest reaches repositories. */
type WayOut = Pick<PostOptions, "mirrors" | "proxy">;

// For a machine that is not built here, and cannot reach folders of this one.
async function realPost({ host, environment, site }: Workshop, { recipe, file }: LoadedRecipe) {
  if (recipe.provision !== "post") return undefined;
  const folder = dirname(file);
  const passwords = await passwordHashes(recipe, host, folder, environment);
  const mirrors = Object.fromEntries(
    Object.entries(site.mirrors).filter(([, where]) => /^(https?|ftp):/.test(where)),
  );
  return postProvisioning(recipe, { folder, passwords, ...wayOut(mirrors, site.proxy) });
}

// With passwords as placeholders.
export async function shownPost({ recipe, file }: LoadedRecipe, way: WayOut) {
  if (recipe.provision !== "post") return undefined;
  const passwords = Object.fromEntries(
    recipe.users.filter((user) => user.password).map((user) => [user.name, "@PASSWORD-HASH@"]),
  );
  return postProvisioning(recipe, { folder: dirname(file), passwords, ...way });
}

// A build serves the folders on any free port.
function inBuild({ mirrors, proxy }: Site): WayOut {
  return wayOut(mirrorsFor(mirrors, {}).urls(80), proxy);
}

function wayOut(mirrors: Readonly<Record<string, string>>, proxy: string | undefined): WayOut {
  return proxy === undefined ? { mirrors } : { mirrors, proxy };
}

/** A recipe's template from the first folder that has it. Partials come from all folders, nearest first. */
export async function kickstartTemplate(
  { kickstarts }: Workshop,
  { kickstart, release }: Recipe,
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
