import type { Command } from "commander";
import { plan } from "../../build/build.ts";
import { openSite } from "../open-site.ts";
import { coloursFor, table } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const {
    rehearse = false,
    fresh = false,
    json = false,
  } = command.opts<{ rehearse?: boolean; fresh?: boolean; json?: boolean }>();
  const workshop = await openSite(command);
  const planned = await plan(workshop, { name: String(args[0]), rehearse, fresh, keep: true });
  if (json) {
    process.stdout.write(`${JSON.stringify(planned, undefined, 2)}\n`);
    return;
  }
  const colours = coloursFor(process.stdout);
  const rows = planned.steps.map((step, i) => [
    `${i + 1}`,
    step.kept ? "kept" : "run",
    step.step,
    step.kept ? step.text : `${step.text} (${step.why.join(", ")})`,
  ]);
  process.stdout.write(
    `${colours.bold(planned.id)}\n${table(rows)}\n${planned.notes.map((note) => `${note}\n`).join("")}`,
  );
}
