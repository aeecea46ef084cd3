import type { Command } from "commander";
import { prepare, prepareDestruction } from "../deploy/deploy.ts";
import type { LoadedDeployment } from "../deploy/load.ts";
import { interruptible, stays } from "./interrupt.ts";
import { openPlace } from "./open-place.ts";
import { type RunFlags, runDeployment } from "./run-deployment.ts";

export interface DeployFlags extends RunFlags {
  readonly destroy?: boolean;
  readonly replace?: readonly string[];
  readonly allowRevoked?: boolean;
  readonly at?: string;
}

/** Plans a deployment at the site's place, or its destruction, and runs the plan. */
export async function deployOrDestroy(
  loaded: LoadedDeployment,
  flags: DeployFlags,
  command: Command,
): Promise<void> {
  const { name } = loaded.deployment;
  await interruptible(stays.machines, async (signal) => {
    const { place: opened, version, stateOf } = await openPlace(command, signal, flags.at);
    await using place = opened;
    if (flags.destroy) {
      const destruction = await prepareDestruction(place, stateOf(name), name);
      if (destruction) await runDeployment(destruction, { place, name, flags, signal });
      else if (flags.json) process.stdout.write(`${JSON.stringify({ type: "done", deployment: name })}\n`);
      else process.stdout.write(`${name}: nothing to do: no deployment of this name is known here\n`);
      return;
    }
    const prepared = await prepare(
      loaded,
      { place, version, stateFile: stateOf(name) },
      { replace: flags.replace ?? [], allowRevoked: flags.allowRevoked === true },
    );
    await runDeployment(prepared, { place, name, flags, signal });
  });
}
