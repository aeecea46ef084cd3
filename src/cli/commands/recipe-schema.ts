import type { Command } from "commander";
import { recipeReference } from "../../recipe/reference.ts";
import { recipeSchema } from "../../recipe/schema.ts";

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const { markdown = false } = command.opts<{ markdown?: boolean }>();
  process.stdout.write(markdown ? recipeReference() : `${JSON.stringify(recipeSchema(), undefined, 2)}\n`);
}
