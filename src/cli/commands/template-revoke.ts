import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { openFound } from "../open-site.ts";
import { sendOut } from "../send-statements.ts";
import { commitIt } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { records, entry, ...opened } = await openFound(command, String(args[0]));
  const options = command.opts<{ reason?: string; undo?: boolean; push?: boolean; json?: boolean }>();
  const { manifest, channels } = entry;
  const { name, version } = manifest;
  if (!options.undo && !options.reason?.trim())
    throw new TbuildError("usage", `${name}@${version}: a reason is required (--reason)`, {
      hint: "The warning shows the reason.",
    });
  const revocation = options.undo
    ? undefined
    : { reason: options.reason?.trim() ?? "", since: new Date().toISOString() };
  if (revocation) await records.put(manifest);
  await records.revoke(name, version, revocation);
  const isPushed = options.push === true;
  const sent = await sendOut({ ...opened, records }, name, isPushed);
  for (const channel of revocation ? channels : [])
    process.stderr.write(
      `${channel} still points at it; to change that: tbuild template rollback ${name} ${channel}\n`,
    );
  if (options.json)
    process.stdout.write(
      `${JSON.stringify({ name, version, revoked: revocation ?? null, ...(isPushed && { sent }) })}\n`,
    );
  else
    process.stdout.write(
      `${name}@${version}: ${revocation ? "is revoked" : "is no longer revoked"}${commitIt(name)}\n`,
    );
}
