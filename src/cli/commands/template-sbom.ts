import type { Command } from "commander";
import { sbomOf } from "../../store/compare/sbom.ts";
import { findTemplate } from "../../store/records/catalog.ts";
import { openCatalog } from "../open-site.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { catalog } = await openCatalog(command);
  process.stdout.write(sbomOf(findTemplate(catalog, String(args[0])).manifest));
}
