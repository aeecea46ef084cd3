import { relative, resolve } from "node:path";
import type { Command } from "commander";
import { checkModules, findingLine } from "../../firstboot/check/index.ts";
import { localHost } from "../../host/local.ts";
import { amount } from "../../io/units.ts";
import { moduleFoldersOf, releasesOf } from "../module-folders.ts";
import { coloursFor } from "../words.ts";

interface CheckFlags {
  readonly for?: string;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<CheckFlags>();
  const folders = await moduleFoldersOf(args[0] as string[], command);
  const { reports, findings } = await checkModules(
    folders,
    releasesOf(flags.for),
    flags.for !== undefined,
    undefined,
    localHost(),
  );
  const errors = findings.filter(({ level }) => level === "error").length;
  if (errors > 0) process.exitCode = 1;
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ modules: reports, findings }, undefined, 2)}\n`);
    return;
  }
  const colours = coloursFor(process.stdout);
  for (const one of findings)
    process.stdout.write(
      `${(one.level === "error" ? colours.red : colours.yellow)(findingLine({ ...one, file: shown(one.file) }))}\n`,
    );
  for (const { name, folder, runsOn, unchecked } of reports) {
    const own = findings.filter(({ file }) => resolve(file).startsWith(`${resolve(folder)}/`));
    const errors = own.filter(({ level }) => level === "error").length;
    const warnings = own.length - errors;
    const counts = [...count(errors, "error"), ...count(warnings, "warning")];
    const found = counts.length === 0 ? "nothing found" : counts.join(", ");
    const python = runsOn.length === 0 ? "" : `; written for the Python of ${runsOn.join(", ")}`;
    process.stdout.write(`${name}: ${found}${python}\n`);
    for (const { file, why } of unchecked)
      process.stdout.write(`  the syntax of ${shown(file)} was not checked: ${why}\n`);
  }
}

function count(number: number, word: string): string[] {
  return number === 0 ? [] : [amount(number, word)];
}

function shown(file: string): string {
  const near = relative(process.cwd(), resolve(file));
  return near.startsWith("..") ? file : near;
}
