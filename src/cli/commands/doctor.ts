import type { Command } from "commander";
import { examine } from "../../build/doctor.ts";
import { interruptible } from "../interrupt.ts";
import { openSite } from "../open-site.ts";
import { coloursFor, table } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { rehearse = false, json = false } = command.opts<{ rehearse?: boolean; json?: boolean }>();
  const workshop = await openSite(command);
  const progress = (text: string) => {
    if (process.stderr.isTTY) process.stderr.write(`${text}\n`);
  };
  const examined = await interruptible((signal) =>
    examine(workshop, String(args[0]), { rehearse, signal, progress }),
  );
  const { green, red } = coloursFor(process.stdout);
  process.stdout.write(
    json
      ? `${JSON.stringify(examined, undefined, 2)}\n`
      : `${table(examined.map(({ what, ok, text }) => [ok ? green("ok") : red("--"), what, text]))}\n`,
  );
  if (examined.some(({ ok }) => !ok)) process.exitCode = 1;
}
