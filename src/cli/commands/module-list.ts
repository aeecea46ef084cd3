import type { Command } from "commander";
import { checkModules } from "../../firstboot/check/index.ts";
import { amount } from "../../io/units.ts";
import { moduleFoldersOf, releasesOf } from "../module-folders.ts";
import { table } from "../table.ts";
import { coloursFor } from "../words.ts";

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const folders = await moduleFoldersOf([], command);
  const { reports, findings } = await checkModules(folders, releasesOf(undefined), false);
  if (command.opts<{ json?: boolean }>().json) {
    process.stdout.write(`${JSON.stringify(reports, undefined, 2)}\n`);
    return;
  }
  const colours = coloursFor(process.stdout);
  const rows = reports.map(({ name, folder, priorities, keys, runsOn }) => {
    const targets = Object.entries(priorities).map(([target, priority]) => `${target}:${priority}`);
    const errors = findings.filter(({ file, level }) => level === "error" && file.startsWith(`${folder}/`));
    return [
      name,
      targets.join(" "),
      amount(keys.length, "parameter"),
      errors.length > 0
        ? colours.red(`${amount(errors.length, "error")}: tbuild module check`)
        : runsOn.join(" "),
    ];
  });
  process.stdout.write(`${table(rows)}\n`);
}
