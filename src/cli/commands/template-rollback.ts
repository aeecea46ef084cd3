import type { Command } from "commander";
import { rollback } from "../../store/records/channels.ts";
import { finder } from "../../store/records/finder.ts";
import type { ChannelName } from "../../store/records/pointers.ts";
import { openSite } from "../open-site.ts";
import { sendOut } from "../send-statements.ts";
import { commitIt } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { store, records, ...opened } = await openSite(command);
  const {
    reason,
    json = false,
    push = false,
  } = command.opts<{ reason?: string; json?: boolean; push?: boolean }>();
  const [name, channel] = args as [string, ChannelName];
  const moved = await rollback(records, finder(store, records), name, channel, reason);
  const sent = await sendOut({ ...opened, records }, name, push);
  process.stdout.write(
    json
      ? `${JSON.stringify({ name, ...moved, ...(push && { sent }) })}\n`
      : `${name}: ${channel} points at ${moved.to} again (before: ${moved.from})${commitIt(name)}\n`,
  );
}
