import type { Command } from "commander";
import { rollback } from "../../store/records/channels.ts";
import type { ChannelName } from "../../store/records/records.ts";
import { openCatalog } from "../open-site.ts";
import { commitIt } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { catalog, records } = await openCatalog(command);
  const { reason, json = false } = command.opts<{ reason?: string; json?: boolean }>();
  const [name, channel] = args as [string, ChannelName];
  const moved = await rollback(records, catalog, name, channel, reason);
  process.stdout.write(
    json
      ? `${JSON.stringify({ name, ...moved })}\n`
      : `${name}: ${channel} points at ${moved.to} again (before: ${moved.from})${commitIt(name)}\n`,
  );
}
