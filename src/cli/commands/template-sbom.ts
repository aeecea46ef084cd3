import type { Command } from "commander";
import { findTemplate } from "../../store/catalog.ts";
import { sbomOf } from "../../store/sbom.ts";
import { openCatalog } from "../open-site.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { catalog } = await openCatalog(command);
  process.stdout.write(sbomOf(findTemplate(catalog, String(args[0])).manifest));
}
