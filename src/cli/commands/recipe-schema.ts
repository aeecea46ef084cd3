import type { Command } from "commander";
import { recipeSchema, siteSchema } from "../../recipe/json-schema.ts";
import { recipeReference, siteReference } from "../../recipe/reference.ts";

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const { markdown = false, ofSite = false } = command.opts<{ markdown?: boolean; ofSite?: boolean }>();
  if (markdown) process.stdout.write(ofSite ? siteReference() : recipeReference());
  else process.stdout.write(`${JSON.stringify(ofSite ? siteSchema() : recipeSchema(), undefined, 2)}\n`);
}
