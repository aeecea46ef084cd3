import type { Command } from "commander";
import { tag } from "../../store/records/channels.ts";
import { openFound } from "../open-site.ts";
import { commitIt } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { records, entry } = await openFound(command, String(args[0]));
  const name = String(args[1]);
  await tag(records, entry, name);
  const { manifest } = entry;
  process.stdout.write(
    command.opts<{ json?: boolean }>().json
      ? `${JSON.stringify({ name: manifest.name, version: manifest.version, tag: name })}\n`
      : `${manifest.name}@${manifest.version}: is now also ${manifest.name}@${name}${commitIt(manifest.name)}\n`,
  );
}
