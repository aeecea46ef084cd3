import { TbuildError } from "../../errors.ts";
import type { Finder, Found } from "./finder.ts";
import { type ChannelName, channelNames, type Pointer, pointerTo } from "./pointers.ts";
import type { Records } from "./records.ts";

export interface Moved {
  readonly channel: ChannelName;
  readonly from?: string;
  readonly to: string;
}

/** Points a channel at a version. Refuses revoked versions and rehearsals, which could be used by mistake. */
export async function promote(
  records: Records,
  entry: Found,
  channel: ChannelName,
  options: { readonly allowRehearsal?: boolean } = {},
): Promise<Moved> {
  const { manifest, revoked } = entry;
  const named = `${manifest.name}@${manifest.version}`;
  if (revoked)
    throw new TbuildError("usage", `was revoked: ${revoked.reason}`, {
      subject: named,
      hint: `\`tbuild template revoke ${named} --undo\` undoes that.`,
    });
  if (manifest.rehearsal && channel === "stable")
    throw new TbuildError("usage", "is a rehearsal, made from Debian packages, and can never become stable", {
      subject: named,
    });
  if (manifest.rehearsal && !options.allowRehearsal)
    throw new TbuildError("usage", "is a rehearsal, made from Debian packages, and not for production", {
      subject: named,
      hint: "To use it in a channel anyway, pass --allow-rehearsal.",
    });
  const now = await records.channel(manifest.name, channel);
  if (now?.digest === entry.digest) return { channel, from: now.version, to: now.version };
  // For everybody else, a channel that points at an unrecorded version would point nowhere.
  await records.put(manifest);
  const before = now ? [...now.before, plain(now)] : [];
  await records.setChannel(manifest.name, channel, { ...pointerTo(manifest), before });
  return { channel, ...(now && { from: now.version }), to: manifest.version };
}

/** Points a channel back at its previous version, skipping versions that have been revoked since. */
export async function rollback(
  records: Records,
  { isUsable }: Pick<Finder, "isUsable">,
  name: string,
  channel: ChannelName,
  why?: string,
): Promise<Moved> {
  const now = await records.channel(name, channel);
  if (!now) throw new TbuildError("usage", `has no channel ${channel}`, { subject: name });
  let at = now.before.length - 1;
  for (; at >= 0; at--) {
    const pointer = now.before[at];
    if (pointer && pointer.digest !== now.digest && (await isUsable(name, pointer))) break;
  }
  const back = now.before[at];
  if (!back)
    throw new TbuildError("usage", `${channel} has no previous version that can still be used`, {
      subject: name,
      hint: `Point it at a version yourself: \`tbuild template promote ${name}@VERSION ${channel}\`.`,
    });
  await records.setChannel(name, channel, {
    version: back.version,
    digest: back.digest,
    since: new Date().toISOString(),
    why: `rolled back from ${now.version}${why === undefined ? "" : `: ${why}`}`,
    before: now.before.slice(0, at),
  });
  return { channel, from: now.version, to: back.version };
}

/** A permanent name of one version. */
export async function tag(records: Records, { manifest }: Found, name: string): Promise<void> {
  if (!/^[a-z][a-z0-9._-]{0,39}$/.test(name))
    throw new TbuildError("usage", "not a tag", {
      subject: name,
      hint: "A tag starts with a lower-case letter, followed by letters, digits and . _ -",
    });
  if ((channelNames as readonly string[]).includes(name))
    throw new TbuildError("usage", "is a channel", {
      subject: name,
      hint: `\`tbuild template promote ${manifest.name}@${manifest.version} ${name}\` sets it to this version.`,
    });
  await records.put(manifest);
  await records.setTag(manifest.name, name, pointerTo(manifest));
}

function plain({ version, digest, since, why }: Pointer): Pointer {
  return { version, digest, since, ...(why !== undefined && { why }) };
}
