import { join, resolve } from "node:path";
import type { Command } from "commander";
import { packedMemory } from "../../build/home.ts";
import { type Bundle, packAll } from "../../bundles/write/index.ts";
import { interruptible } from "../interrupt.ts";
import { openTemplate } from "../open-site.ts";
import { progressLine } from "../progress-line.ts";
import { table } from "../table.ts";
import { size } from "../words.ts";

interface Options {
  readonly format?: readonly Bundle["format"][];
  readonly out?: string;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const options = command.opts<Options>();
  const { home, store, template } = await openTemplate(command, String(args[0]));
  const folder = resolve(options.out ?? join(home.bundles, `${template.name}-${template.version}`));
  const line = progressLine(options.json ?? false);
  const bundles = await interruptible("finished bundles are kept; a partial one was removed", (signal) =>
    packAll(template, store, folder, options.format ?? ["ovm-tgz"], {
      signal,
      memory: packedMemory(home),
      progress: (format, done, total) => line.show(`packing ${format}`, done, total),
    }),
  ).finally(line.close);
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ template: `${template.name}@${template.version}`, folder, bundles }, undefined, 2)}\n`
      : `${table(bundles.map((one) => [one.format, size(one.bytes), one.file]))}\n`,
  );
}
