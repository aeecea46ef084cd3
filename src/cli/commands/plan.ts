import type { Command } from "commander";
import { plan } from "../../build/build.ts";
import type { PlannedStep } from "../../build/planned.ts";
import { openSite } from "../open-site.ts";
import { table } from "../table.ts";
import { coloursFor, size } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const {
    rehearse = false,
    fresh = false,
    cache = true,
    trial = true,
    json = false,
  } = command.opts<{
    rehearse?: boolean;
    fresh?: boolean;
    cache?: boolean;
    trial?: boolean;
    json?: boolean;
  }>();
  const opened = await openSite(command);
  const request = { name: String(args[0]), rehearse, fresh, noCache: !cache, noTrial: !trial };
  const { further, ...planned } = await plan(opened, request);
  const others: Planned[] = [];
  for (const to of further) {
    const { steps, ...rest } = await plan(opened, { ...request, fresh: false, to });
    // All conversions share the steps up to the master.
    others.push({ ...rest, steps: steps.slice(steps.findIndex(({ step }) => step === "keep-master") + 1) });
  }
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...planned, further: others }, undefined, 2)}\n`);
    return;
  }
  process.stdout.write([planned, ...others].map(words).join("\n"));
}

interface Planned {
  readonly id: string;
  readonly steps: readonly PlannedStep[];
  readonly fetched?: number;
  readonly notes: readonly string[];
}

function words(planned: Planned): string {
  const colours = coloursFor(process.stdout);
  const rows = planned.steps.map((step, i) => [
    `${i + 1}`,
    step.from !== undefined ? "cache" : step.kept ? "kept" : "run",
    step.step,
    step.kept ? step.text : `${step.text} (${[...step.why, ...besideOf(step, planned.steps)].join(", ")})`,
  ]);
  const from = planned.steps.find((step) => step.from !== undefined)?.from;
  const cached = from === undefined ? "" : `from cache ${from}, ${size(planned.fetched ?? 0)} to fetch\n`;
  return `${colours.bold(planned.id)}\n${table(rows)}\n${cached}${planned.notes.map((note) => `${note}\n`).join("")}`;
}

/** Earlier steps in the list that this step does not wait for. */
function besideOf({ step, beside = [] }: PlannedStep, steps: readonly PlannedStep[]): string[] {
  const before = steps.slice(
    0,
    steps.findIndex((one) => one.step === step),
  );
  const names = before.flatMap((one) => (!one.kept && beside.includes(one.step) ? one.step : []));
  return names.length === 0 ? [] : [`side by side with ${names.join(", ")}`];
}
