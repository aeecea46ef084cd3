import type { Command } from "commander";
import { kickstartOf } from "../../build/build.ts";
import { openSite } from "../open-site.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  process.stdout.write(await kickstartOf(await openSite(command), String(args[0])));
}
