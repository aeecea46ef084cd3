import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { exportTemplate } from "../../store/exchange/export-file.ts";
import { interruptible, stays } from "../interrupt.ts";
import { openTemplate } from "../open-site.ts";
import { progressLine } from "../progress-line.ts";
import { size } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { output, json = false } = command.opts<{ output?: string; json?: boolean }>();
  const { find, entry, template, store, records } = await openTemplate(command, String(args[0]));
  const { name, version } = template;
  const file = resolve(output ?? `${name}-${version}.tbuild`);
  if (await stat(file).catch(() => undefined))
    throw new TbuildError("usage", "already exists", {
      subject: file,
      hint: "Remove it, or choose another name.",
    });
  const lineage = await find.lineage(entry);
  const line = progressLine(json);
  const bytes = await interruptible(stays.noOutput, (signal) =>
    exportTemplate(store, records, lineage, file, {
      signal,
      progress: (done, total) => line.show("packing", done, total),
    }),
  ).finally(line.close);
  process.stdout.write(
    json
      ? `${JSON.stringify({ name, version, file, bytes })}\n`
      : `${name}@${version}: ${file}, ${size(bytes)}\n`,
  );
}
