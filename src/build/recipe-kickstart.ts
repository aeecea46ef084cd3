import { dirname } from "node:path";
import { kickstartFaults, type PlacedFault } from "../kickstart/check-recipe.ts";
import { type BuildSecrets, noSecrets, renderKickstart } from "../kickstart/render.ts";
import { majorOf } from "../recipe/recipe.ts";
import { mirrorsInBuild, mirrorsOutside, postOf, shownPasswords } from "./kickstart-post.ts";
import { scriptFaults } from "./kickstart-scripts.ts";
import { kickstartTemplate } from "./kickstart-template.ts";
import { type OpenedSite, recipeOf } from "./opened-site.ts";
import { Passwords } from "./secrets.ts";

/** The kickstart of a recipe, with placeholders for secrets that are not given, and the findings of its release's installer. */
export async function kickstartOf(
  opened: OpenedSite,
  name: string,
  secrets: BuildSecrets = noSecrets,
): Promise<{ text: string; faults: PlacedFault[]; release: string }> {
  const { site, host, environment } = opened;
  const loaded = await recipeOf(opened, name);
  const { recipe, file } = loaded;
  const isShown = secrets === noSecrets;
  const passwords =
    recipe.provision === "post" && !isShown
      ? await new Passwords(recipe, dirname(file), environment).hashes(host)
      : shownPasswords(recipe);
  const mirrors = isShown ? mirrorsInBuild(site) : mirrorsOutside(site);
  const post = await postOf(loaded, {
    passwords,
    mirrors,
    ...(site.proxy !== undefined && { proxy: site.proxy }),
  });
  const template = await kickstartTemplate(opened.kickstarts, recipe);
  const rendered = await renderKickstart(recipe, template, secrets, post);
  const major = majorOf(recipe.release);
  const scripts = await scriptFaults(host, rendered.text, major);
  return {
    text: rendered.text,
    faults: kickstartFaults(rendered, loaded, scripts),
    release: `OL${major}.${recipe.update}`,
  };
}
