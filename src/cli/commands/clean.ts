import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { folderOfMachine, forgetLogin } from "../../build/guest-machine.ts";
import { bytesIn } from "../../build/space.ts";
import { TbuildError } from "../../errors.ts";
import { holderOf } from "../../host/lock.ts";
import { namesIn } from "../../io/durable.ts";
import { openSite } from "../open-site.ts";
import { size } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const {
    checkpoints = false,
    json = false,
    plan: planOnly = false,
  } = command.opts<{ checkpoints?: boolean; json?: boolean; plan?: boolean }>();
  const { home, hypervisor } = await openSite(command);
  const wanted = args[0] as string[];
  const busy = await busyBuilds(home.builds);
  const isBusy = (name: string) => busy.some((recipe) => name.startsWith(`${recipe}-`));
  for (const id of wanted)
    if (isBusy(id))
      throw new TbuildError("environment", "is being built", {
        subject: id,
        hint: "Stop the build first (Ctrl-C in its terminal).",
      });

  const all = await hypervisor.list();
  const builds = await namesIn(home.builds);
  for (const id of wanted)
    if (!builds.includes(id) && !all.some((name) => name.startsWith(`${id}-`)))
      throw new TbuildError("usage", "no such build", {
        subject: id,
        hint: `Builds have folders in ${home.builds}; \`tbuild console\` lists the machines.`,
      });
  const machines = all.filter(
    (name) => !isBusy(name) && (wanted.length === 0 || wanted.some((id) => name.startsWith(`${id}-`))),
  );
  // While a build runs, a partial checkpoint may be its own.
  const parts = busy.length === 0;
  const found =
    parts && checkpoints
      ? (await home.checkpoints.all()).map(({ id, recipe, step }) => ({
          name: id,
          why: `${recipe} ${step}: --checkpoints`,
        }))
      : await home.checkpoints.useless({ parts });
  const sized = await Promise.all(
    found.map(async ({ name, why }) => ({
      name,
      why,
      bytes: await bytesIn(join(home.checkpoints.folder, name)),
    })),
  );
  if (!planOnly) {
    for (const machine of machines) {
      await hypervisor.destroy(machine);
      await forgetLogin(folderOfMachine(home.builds, machine), machine);
    }
    if (parts && checkpoints) await rm(home.checkpoints.folder, { recursive: true, force: true });
    else await home.checkpoints.sweep({ parts });
  }
  if (json) {
    process.stdout.write(`${JSON.stringify({ machines, checkpoints: sized, removed: !planOnly })}\n`);
    return;
  }
  const what = planOnly ? "would be removed" : "removed";
  for (const machine of machines) process.stdout.write(`machine ${machine}: ${what}\n`);
  for (const { name, why, bytes } of sized)
    process.stdout.write(`checkpoint ${name}, ${size(bytes)}: ${what} (${why})\n`);
  if (machines.length + sized.length === 0) process.stdout.write("nothing to clean\n");
}

/** The names of recipes that a running process builds. */
async function busyBuilds(folder: string): Promise<string[]> {
  const locks = (await namesIn(folder)).filter((name) => name.endsWith(".lock"));
  const held = await Promise.all(
    locks.map(async (name) =>
      (await holderOf(join(folder, name))) === undefined ? [] : [name.slice(0, -".lock".length)],
    ),
  );
  return held.flat();
}
