import type { Command } from "commander";
import { loadDeployment } from "../../deploy/load.ts";
import { type DeployFlags, deployOrDestroy } from "../deploy-or-destroy.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  await deployOrDestroy(await loadDeployment(String(args[0])), command.opts<DeployFlags>(), command);
}
