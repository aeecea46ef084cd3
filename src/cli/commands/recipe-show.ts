import type { Command } from "commander";
import { stringify } from "yaml";
import { recipeOf } from "../../build/opened-site.ts";
import { plain } from "../../recipe/located.ts";
import { resolvedText, resolvedValues } from "../../recipe/resolved.ts";
import { openSite } from "../open-site.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  // --json is also an option of `recipe`, which sees it first.
  const { resolved = false, json = false } = command.optsWithGlobals<{
    resolved?: boolean;
    json?: boolean;
  }>();
  const loaded = await recipeOf(await openSite(command), String(args[0]));
  if (json) {
    const shown = resolved ? resolvedValues(loaded) : plain(loaded.said);
    process.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
    return;
  }
  if (resolved) {
    process.stdout.write(resolvedText(loaded));
    return;
  }
  process.stdout.write(stringify(plain(loaded.said), { lineWidth: 0 }));
}
