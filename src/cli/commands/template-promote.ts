import type { Command } from "commander";
import { promote } from "../../store/records/channels.ts";
import type { ChannelName } from "../../store/records/pointers.ts";
import { openFound } from "../open-site.ts";
import { sendOut } from "../send-statements.ts";
import { commitIt } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const {
    allowRehearsal = false,
    json = false,
    push = false,
  } = command.opts<{
    allowRehearsal?: boolean;
    push?: boolean;
    json?: boolean;
  }>();
  const { records, entry, ...opened } = await openFound(command, String(args[0]));
  const moved = await promote(records, entry, args[1] as ChannelName, { allowRehearsal });
  const sent = await sendOut({ ...opened, records }, entry.manifest.name, push);
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ name: entry.manifest.name, ...moved, ...(push && { sent }) })}\n`,
    );
    return;
  }
  const { name } = entry.manifest;
  const words =
    moved.from === moved.to
      ? `already points at ${moved.to}`
      : `now points at ${moved.to}${moved.from ? ` (before: ${moved.from})` : ""}${commitIt(name)}`;
  process.stdout.write(`${name}: ${moved.channel} ${words}\n`);
}
