import { basename } from "node:path";
import type { Command } from "commander";
import { recipeOf } from "../../build/opened-site.ts";
import { TbuildError } from "../../errors.ts";
import {
  importedText,
  importKickstart,
  releaseOfKickstart,
} from "../../kickstart/import/import-kickstart.ts";
import { mayBeKickstart, readKickstartFile } from "../../kickstart/read-file.ts";
import { Recipe, Release } from "../../recipe/recipe.ts";
import { openSite } from "../open-site.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const file = String(args[0]);
  const {
    release,
    name,
    json = false,
  } = command.optsWithGlobals<{ release?: string; name?: string; json?: boolean }>();
  const given = name === undefined ? undefined : Recipe.shape.name.safeParse(name);
  if (given?.success === false)
    throw new TbuildError("usage", `--name: "${name}" is not ${given.error.issues[0]?.message}`, {
      hint: `For example ${nameOf(name ?? "")}.`,
    });
  const text = await readKickstartFile(file);
  if (!mayBeKickstart(text))
    throw new TbuildError("usage", "is not a kickstart: no line is a command that an installer knows", {
      subject: file,
    });
  const wanted = release === undefined ? releaseOfKickstart(text) : Release.parse(release);
  const { recipe } = await recipeOf(await openSite(command), `${wanted}-base`);
  const own = name ?? nameOf(file);
  // A recipe cannot extend itself.
  const imported = await importKickstart(text, own === recipe.name ? `${own}-imported` : own, recipe);
  process.stdout.write(json ? `${JSON.stringify(imported, undefined, 2)}\n` : importedText(imported, file));
}

function nameOf(file: string): string {
  const name = basename(file)
    .replace(/\.(ks|cfg|kickstart)$/i, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "");
  return (name === "" ? "imported" : name).slice(0, 40);
}
