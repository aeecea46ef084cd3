import type { Command } from "commander";
import { gather } from "../../build/gather.ts";
import { recipeFolders, type Workshop } from "../../build/workshop.ts";
import { exitCodes, firstFault, TbuildError } from "../../errors.ts";
import { recipeNames } from "../../recipe/load.ts";
import { explained } from "../explained.ts";
import { openSite } from "../open-site.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { json = false } = command.opts<{ json?: boolean }>();
  const workshop = await openSite(command);
  const given = args[0] as string[];
  const names = given.length > 0 ? given : await recipeNames(recipeFolders(workshop));
  for (const name of names) {
    const fault = await faultOf(workshop, name);
    if (fault) process.exitCode ||= exitCodes[fault.fault];
    if (json)
      process.stdout.write(
        `${JSON.stringify({ recipe: name, valid: !fault, ...(fault && { error: fault.message, lines: fault.lines }) })}\n`,
      );
    else if (fault) process.stderr.write(`${explained(fault)}\n`);
    else process.stdout.write(`${name}: valid\n`);
  }
}

// Reads everything that a build reads before its first step.
async function faultOf(workshop: Workshop, name: string): Promise<TbuildError | undefined> {
  try {
    await gather(workshop, { name, rehearse: false });
    return undefined;
  } catch (thrown) {
    const error = firstFault(thrown);
    if (error instanceof TbuildError) return error;
    throw error;
  }
}
