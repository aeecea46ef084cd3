import type { Prepared } from "../deploy/deploy.ts";
import type { Place } from "../deploy/place.ts";
import { losses } from "../deploy/plan.ts";
import { exitCodes, TbuildError } from "../errors.ts";
import { printable } from "../io/escape.ts";
import { amount } from "../io/units.ts";
import { confirmed } from "./confirmed.ts";
import { planJson, planText } from "./deploy-words.ts";
import { partLines } from "./part-lines.ts";
import { resolvedValue } from "./resolved-value.ts";
import { table } from "./table.ts";
import { coloursFor } from "./words.ts";

export interface RunFlags {
  readonly plan?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
  /** Seconds. */
  readonly grace?: string;
}

/** Shows a plan, and runs it unless the user asked for the plan only. */
export async function runDeployment(
  prepared: Prepared,
  { place, name, flags, signal }: { place: Place; name: string; flags: RunFlags; signal: AbortSignal },
): Promise<void> {
  const { plan, warnings, isDone } = prepared;
  const grace = graceOf(flags.grace);
  for (const warning of warnings) process.stderr.write(`warning: ${printable(warning)}\n`);
  if (flags.json)
    line({ type: "plan", deployment: name, place: place.name, idle: isDone, parts: planJson(plan) });
  else {
    process.stdout.write(`${name}, at ${place.name}\n`);
    process.stdout.write(`${planText(plan, coloursFor(process.stdout))}\n`);
  }
  if (flags.plan || isDone) return;
  if (!flags.yes) await confirmed(losses(plan), name);
  const lines = partLines();
  const { unconfirmed } = await prepared
    .carryOut({
      resolve: resolvedValue,
      signal,
      ...(grace !== undefined && { stopGraceMs: grace * 1000 }),
      ...(flags.json
        ? { report: ({ about, text }) => line({ type: "progress", about, text }) }
        : { report: lines.report, ended: lines.ended }),
    })
    .finally(lines.close);
  const running = plan.machines.flatMap(({ goal }) => goal?.name ?? []);
  const machines = await Promise.all(
    running.map(async (machine) => ({ machine, ssh: await place.address?.(machine).catch(() => undefined) })),
  );
  if (unconfirmed.length > 0) process.exitCode = exitCodes.unknown;
  if (flags.json) {
    line({ type: "done", deployment: name, machines, unconfirmed });
    return;
  }
  if (machines.length > 0) {
    const reached = machines.flatMap(({ machine, ssh }) =>
      ssh ? [[`  ${machine}`, `ssh -p ${ssh.port} root@${ssh.host}`]] : [],
    );
    process.stdout.write(
      `${name}: ${amount(machines.length, "machine runs", "machines run")}\n${reached.length > 0 ? `${table(reached)}\n` : ""}`,
    );
  } else process.stdout.write(`${name}: destroyed\n`);
}

function line(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function graceOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new TbuildError("usage", `${text} is not a number of seconds`, {
    subject: "--grace",
    hint: "For example --grace 30.",
  });
}
