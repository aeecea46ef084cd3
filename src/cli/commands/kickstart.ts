import type { Command } from "commander";
import { kickstartOf } from "../../build/recipe-kickstart.ts";
import { exitCodes } from "../../errors.ts";
import { amount } from "../../io/units.ts";
import { placed } from "../../recipe/located.ts";
import { openSite } from "../open-site.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { check = false, json = false } = command.opts<{ check?: boolean; json?: boolean }>();
  const { text, faults, release } = await kickstartOf(await openSite(command), String(args[0]));
  if (json) process.stdout.write(`${JSON.stringify({ text, faults }, undefined, 2)}\n`);
  else if (!check) process.stdout.write(text);
  else if (faults.length === 0)
    process.stdout.write(
      `${args[0]}: ${amount(text.trimEnd().split("\n").length, "line")}, ${release} accepts all of them\n`,
    );
  else
    for (const fault of faults)
      process.stdout.write(
        `${placed(fault.at)}: ${fault.path === "" ? "" : `${fault.path}: `}${fault.text} [${fault.severity}, line ${fault.line}: ${fault.source}]\n`,
      );
  if (check && faults.length > 0) process.exitCode = exitCodes.found;
}
