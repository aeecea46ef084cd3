import type { Command } from "commander";
import { examine } from "../../build/doctor.ts";
import { examineMachine } from "../../build/doctor-machine.ts";
import { recipeOf } from "../../build/opened-site.ts";
import { exitCodes } from "../../errors.ts";
import type { Examined } from "../../hypervisor/hypervisor.ts";
import { interruptible, stays } from "../interrupt.ts";
import { openSite } from "../open-site.ts";
import { table } from "../table.ts";
import { type Colours, coloursFor } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { rehearse = false, json = false } = command.opts<{ rehearse?: boolean; json?: boolean }>();
  const opened = await openSite(command);
  const name = args[0] === undefined ? undefined : String(args[0]);
  if (name !== undefined) await recipeOf(opened, name);
  const progress = (text: string) => {
    if (process.stderr.isTTY) process.stderr.write(`${text}\n`);
  };
  const examined = await interruptible(stays.unchanged, async (signal) => [
    ...(await examineMachine(opened, signal)),
    ...(opened.site.manager === undefined ? [] : await managerExamined(command, signal)),
    ...(name === undefined ? [] : await examine(opened, name, { rehearse, signal, progress })),
  ]);
  process.stdout.write(
    json ? `${JSON.stringify(examined, undefined, 2)}\n` : said(examined, coloursFor(process.stdout)),
  );
  if (examined.some(({ ok }) => !ok)) process.exitCode = exitCodes.found;
}

/** What the site lacks to work with its Oracle VM Manager. */
async function managerExamined(command: Command, signal: AbortSignal): Promise<Examined[]> {
  const [{ examineManager }, { openManager }, { siteManager }] = await Promise.all([
    import("../../manager/examine.ts"),
    import("../../manager/open.ts"),
    import("../open-manager.ts"),
  ]);
  const { options, context } = await siteManager(command, signal);
  return examineManager(options, () => openManager(options, context));
}

function said(examined: readonly Examined[], { green, red, bold }: Colours): string {
  const rows = examined.map(({ what, ok, text, mend }) => [
    ok ? green("ok") : red("--"),
    what,
    mend === undefined ? text : `${text}; ${bold(mend)}`,
  ]);
  return `${table(rows)}\n`;
}
