import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { sweep } from "../../build/checkpoint.ts";
import { folderOfMachine, forgetLogin } from "../../build/guest-machine.ts";
import { TbuildError } from "../../errors.ts";
import { holderOf } from "../../host/lock.ts";
import { openSite } from "../open-site.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { checkpoints = false, json = false } = command.opts<{ checkpoints?: boolean; json?: boolean }>();
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

  const machines = (await hypervisor.list()).filter(
    (name) => !isBusy(name) && (wanted.length === 0 || wanted.some((id) => name.startsWith(`${id}-`))),
  );
  for (const machine of machines) {
    await hypervisor.destroy(machine);
    await forgetLogin(folderOfMachine(home.builds, machine), machine);
  }
  const removed: string[] = [];
  // No build is running, so no partial checkpoint is in use.
  if (busy.length === 0 && checkpoints) await rm(home.checkpoints, { recursive: true, force: true });
  else removed.push(...(await sweep(home.checkpoints, { parts: busy.length === 0 })));
  if (json) {
    process.stdout.write(`${JSON.stringify({ machines, checkpoints: removed })}\n`);
    return;
  }
  for (const machine of machines) process.stdout.write(`machine ${machine}: removed\n`);
  for (const id of removed) process.stdout.write(`checkpoint ${id}: removed\n`);
  if (machines.length + removed.length === 0) process.stdout.write("nothing to clean\n");
}

/** The names of recipes that a running process builds. */
async function busyBuilds(folder: string): Promise<string[]> {
  const locks = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith(".lock"));
  const held = await Promise.all(
    locks.map(async (name) =>
      (await holderOf(join(folder, name))) === undefined ? [] : [name.slice(0, -".lock".length)],
    ),
  );
  return held.flat();
}
