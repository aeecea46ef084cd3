import type { Command } from "commander";
import { makeRehearsalMedium } from "../../rehearsal/medium.ts";
import { interruptible } from "../interrupt.ts";
import { openSite } from "../open-site.ts";
import { jsonReporter, lineReporter, type Reporter, terminalReporter } from "../report.ts";
import { coloursFor } from "../words.ts";

const releases = { ol6: { major: 6, update: 10 }, ol7: { major: 7, update: 9 } } as const;

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const { release, json = false } = command.opts<{ release: keyof typeof releases; json?: boolean }>();
  const { home, host } = await openSite(command);
  const screen = screenFor(json);
  const step = "rehearsal medium";
  screen.event(release, { type: "build-started", build: release, steps: [step], expected: {} });
  screen.event(release, { type: "step-started", step, index: 1, of: 1, text: "looking at what is kept" });
  try {
    const progress = (text: string, done?: number, total?: number) =>
      screen.event(release, {
        type: "progress",
        step,
        text,
        ...(done !== undefined && { done }),
        ...(total !== undefined && { total }),
      });
    const medium = await interruptible((signal) =>
      makeRehearsalMedium(host, releases[release], { cache: home.media, signal, progress }),
    );
    screen.close();
    const repositories = Object.entries(medium.repositories).map(([id, folder]) => `${id}: ${folder}\n`);
    process.stdout.write(
      json ? `${JSON.stringify({ type: "result", ...medium })}\n` : `${medium.iso}\n${repositories.join("")}`,
    );
  } finally {
    screen.close();
  }
}

function screenFor(json: boolean): Reporter {
  if (json) return jsonReporter((line) => process.stdout.write(`${line}\n`));
  if (process.stderr.isTTY) return terminalReporter(process.stderr, coloursFor(process.stderr));
  return lineReporter((line) => process.stderr.write(`${line}\n`), { verbose: false });
}
