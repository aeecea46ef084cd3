import type { Command } from "commander";
import { moduleReference, moduleSchema } from "../module-reference.ts";

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  process.stdout.write(
    command.opts<{ markdown?: boolean }>().markdown
      ? moduleReference()
      : `${JSON.stringify(moduleSchema(), undefined, 2)}\n`,
  );
}
