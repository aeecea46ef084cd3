import { relative, resolve } from "node:path";
import type { Command } from "commander";
import { makeRecipeRepo } from "../../build/recipe-repo.ts";
import { localHost } from "../../host/local.ts";
import { amount } from "../../io/units.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const folder = resolve(String(args[0] ?? "."));
  const files = await makeRecipeRepo(localHost(), folder);
  if (command.opts<{ json?: boolean }>().json) {
    process.stdout.write(`${JSON.stringify({ folder, files })}\n`);
    return;
  }
  const there = relative(process.cwd(), folder);
  process.stdout.write(
    [
      `${folder}: created a recipe repo with ${amount(files.length, "file")}, staged but not committed`,
      "",
      ...(there === "" ? [] : [`  cd ${there}`]),
      "  git commit -m 'Start of our recipes'",
      "  cp site.example.yaml site.yaml           # and enter your local settings",
      "  tbuild recipe ol6-grid --rehearse",
      "",
    ].join("\n"),
  );
}
