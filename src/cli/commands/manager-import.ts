import type { Command } from "commander";
import { exitCodes } from "../../errors.ts";
import { jsonText, printable } from "../../io/escape.ts";
import { importTemplate } from "../../manager/import.ts";
import { openManager } from "../../manager/open.ts";
import { interruptible } from "../interrupt.ts";
import { siteManager } from "../open-manager.ts";

interface ImportFlags {
  readonly name?: string;
  readonly description?: string;
  readonly repository?: string;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { json = false, ...flags } = command.optsWithGlobals<ImportFlags>();
  const urls = args[0] as readonly string[];
  const templates = await interruptible(
    "the Manager goes on with a job that it has begun; look into its web interface",
    async (signal) => {
      const { options, context } = await siteManager(command, signal);
      await using api = await openManager(options, context);
      return await importTemplate(api, {
        urls,
        name: flags.name,
        description: flags.description,
        repository: flags.repository ?? options.repository,
        server: options.server,
        onProgress: (text) => void process.stderr.write(`${text}\n`),
      });
    },
  );
  if (json) process.stdout.write(`${jsonText(templates, 2)}\n`);
  else
    for (const { name, id, lacking } of templates) {
      process.stdout.write(`imported ${printable(name)} (${printable(id)})\n`);
      for (const one of lacking) process.stderr.write(`warning: not set: ${one}\n`);
    }
  if (templates.some(({ lacking }) => lacking.length > 0)) process.exitCode = exitCodes.unknown;
}
