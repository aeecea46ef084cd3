import type { Command } from "commander";
import { sbomOf } from "../../store/compare/sbom.ts";
import { openFound } from "../open-site.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { entry } = await openFound(command, String(args[0]));
  process.stdout.write(sbomOf(entry.manifest));
}
