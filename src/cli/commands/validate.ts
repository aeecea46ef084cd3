import type { Command } from "commander";
import { gather } from "../../build/gather.ts";
import { type OpenedSite, recipeFolders } from "../../build/opened-site.ts";
import { recipeParts } from "../../build/recipe-parts.ts";
import { exitCodes, firstFault, TbuildError } from "../../errors.ts";
import { recipeNames } from "../../recipe/load.ts";
import { explained } from "../explained.ts";
import { openSite } from "../open-site.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { json = false } = command.opts<{ json?: boolean }>();
  const opened = await openSite(command);
  const given = args[0] as string[];
  const names = given.length > 0 ? given : await recipeNames(recipeFolders(opened));
  for (const name of names) {
    const found = await faultOf(opened, name);
    const first = found?.code === "no-template" ? await recipeToBuildFirst(opened, name) : undefined;
    const fault = first === undefined ? found : undefined;
    if (fault) process.exitCode ||= exitCodes[fault.fault];
    if (json)
      process.stdout.write(
        `${JSON.stringify({ recipe: name, valid: !fault, ...(first && { buildFirst: first }), ...(fault && { error: fault.message, lines: fault.lines }) })}\n`,
      );
    else if (fault) process.stderr.write(`${explained(fault)}\n`);
    else process.stdout.write(`${name}: valid${first === undefined ? "" : `; build ${first} first`}\n`);
  }
}

// Reads everything that a build reads before its first step.
async function faultOf(opened: OpenedSite, name: string): Promise<TbuildError | undefined> {
  try {
    await gather(opened, { name, rehearse: false });
    return undefined;
  } catch (thrown) {
    const error = firstFault(thrown);
    if (error instanceof TbuildError) return error;
    throw error;
  }
}

/**
 * The recipe in this repository that must be built first, because `name` starts from its template.
 * `undefined` if there is none.
 */
async function recipeToBuildFirst(opened: OpenedSite, name: string): Promise<string | undefined> {
  const { recipe } = (await recipeParts(opened, name)).loaded;
  const [base = ""] = (recipe.from ?? "").split("@");
  return (await recipeNames(recipeFolders(opened))).includes(base) ? base : undefined;
}
