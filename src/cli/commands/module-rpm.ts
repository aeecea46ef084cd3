import { relative, resolve } from "node:path";
import type { Command } from "commander";
import { readModule } from "../../firstboot/module.ts";
import { buildModuleRpm } from "../../firstboot/package.ts";
import { localHost } from "../../host/local.ts";
import { moduleFoldersOf } from "../module-folders.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { out, json = false } = command.opts<{ out: string; json?: boolean }>();
  const files: string[] = [];
  for (const folder of await moduleFoldersOf(args[0] as string[], command)) {
    const module = await readModule(folder);
    const file = await buildModuleRpm(localHost(), module, module.version, resolve(out));
    files.push(file);
    if (!json) process.stdout.write(`${relative(process.cwd(), file)}\n`);
  }
  if (json) process.stdout.write(`${JSON.stringify(files)}\n`);
}
