import type { Command } from "commander";
import { makeRehearsalMedium } from "../../rehearsal/medium.ts";
import { oneStep } from "../one-step.ts";
import { openSite } from "../open-site.ts";

const kept = "Debian packages that were downloaded are kept; the same command continues";

const releases = { ol6: { major: 6, update: 10 }, ol7: { major: 7, update: 9 } } as const;

export async function run(_args: readonly unknown[], command: Command): Promise<void> {
  const { release, json = false } = command.opts<{ release: keyof typeof releases; json?: boolean }>();
  const { home, host } = await openSite(command);
  const medium = await oneStep({ name: release, step: "rehearsal medium", json, stays: kept }, (options) =>
    makeRehearsalMedium(host, releases[release], { cache: home.media, ...options }),
  );
  const repositories = Object.entries(medium.repositories).map(([id, folder]) => `${id}: ${folder}\n`);
  process.stdout.write(
    json ? `${JSON.stringify({ type: "result", ...medium })}\n` : `${medium.iso}\n${repositories.join("")}`,
  );
}
