import type { Command } from "commander";
import { tag } from "../../store/records/channels.ts";
import { openFound } from "../open-site.ts";
import { sendOut } from "../send-statements.ts";
import { commitIt } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { records, entry, ...opened } = await openFound(command, String(args[0]));
  const { json = false, push = false } = command.opts<{ json?: boolean; push?: boolean }>();
  const name = String(args[1]);
  await tag(records, entry, name);
  const { manifest } = entry;
  const sent = await sendOut({ ...opened, records }, manifest.name, push);
  process.stdout.write(
    json
      ? `${JSON.stringify({ name: manifest.name, version: manifest.version, tag: name, ...(push && { sent }) })}\n`
      : `${manifest.name}@${manifest.version}: is now also ${manifest.name}@${name}${commitIt(manifest.name)}\n`,
  );
}
