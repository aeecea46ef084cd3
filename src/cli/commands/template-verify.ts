import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { amount } from "../../io/units.ts";
import { interruptible, stays } from "../interrupt.ts";
import { openSite } from "../open-site.ts";

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const { store } = await openSite(command);
  const wrong = await interruptible(stays.unchanged, (signal) => store.verify(signal));
  if (command.opts<{ json?: boolean }>().json) process.stdout.write(`${JSON.stringify({ wrong })}\n`);
  if (wrong.length > 0)
    throw new TbuildError("integrity", `the store is damaged: ${amount(wrong.length, "problem")}`, {
      lines: wrong,
    });
  if (!command.opts<{ json?: boolean }>().json) process.stdout.write("every byte matches its digest\n");
}
