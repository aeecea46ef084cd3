import { shellQuoted } from "../../host/local.ts";
import type { Change } from "../change/change.ts";
import type { LockedPath } from "../tree.ts";

/** Actions in the same command as the last changes, after which the guest may refuse logins. */
export interface Farewell {
  /** Programs to run before the changes. A failure stops everything. */
  readonly before: readonly (readonly string[])[];
  /** Started in the background at the end, such as `poweroff`. */
  readonly last: readonly string[];
}

/** A shell script, followed by the data that it reads on stdin. */
export function commitScript(
  root: string,
  changes: readonly Change[],
  farewell: Farewell = { before: [], last: [] },
  locked: readonly LockedPath[] = [],
): { script: string; data: Buffer } {
  // stdin contains the data of the changes, which the program must not read.
  const before = farewell.before.map((argv) => `${shellQuoted(argv)} < /dev/null`);
  const last = shellQuoted(farewell.last);
  const after = last === "" ? [] : [`sync`, `(sleep 1; ${last}) < /dev/null > /dev/null 2>&1 &`];
  const head = ["set -e", ...before, "umask 077"];
  const lines: string[] = [];
  const data: Uint8Array[] = [];
  const gone = { rm: [] as string[], rmdir: [] as string[] };
  for (const change of changes) {
    const path = shellQuoted([`${root}${change.path}`]);
    if (change.kind === "remove") gone[change.was.kind === "dir" ? "rmdir" : "rm"].push(path);
    if (change.kind === "dir") lines.push(`mkdir -- ${path}`);
    if (change.kind === "link") lines.push(`ln -s -- ${shellQuoted([change.target])} ${path}`);
    if (change.kind === "write") {
      // Into the existing inode: its attributes stay, and a daemon that has it open continues to write to it.
      lines.push(change.data.length === 0 ? `: > ${path}` : `head -c ${change.data.length} > ${path}`);
      data.push(change.data);
    }
    lines.push(...attributeLines(change, path));
  }
  const { unlock, lock } = lockLines(root, locked);
  const script = [...head, ...unlock, ...removals(gone), ...lines, ...lock, ...after].join("\n");
  return { script, data: Buffer.concat(data) };
}

// They are removed before the changes, and restored on what exists afterwards, whatever the outcome.
function lockLines(root: string, locked: readonly LockedPath[]): { unlock: string[]; lock: string[] } {
  if (locked.length === 0) return { unlock: [], lock: [] };
  const quoted = (path: string) => shellQuoted([`${root}${path}`]);
  const again = locked.map(
    ({ path, flags }) => `[ ! -e ${quoted(path)} ] || chattr +${flags} -- ${quoted(path)};`,
  );
  return {
    unlock: [
      `relock() { ${again.join(" ")} }`,
      "trap relock EXIT",
      ...locked.map(({ path, flags }) => `chattr -${flags} -- ${quoted(path)}`),
    ],
    lock: ["trap - EXIT", "relock"],
  };
}

function attributeLines(change: Change, path: string): string[] {
  if (change.kind === "remove") return [];
  const old = change.kind === "write" ? change.was : undefined;
  const { mode, uid, gid, label } =
    change.kind === "link"
      ? { mode: undefined, uid: undefined, gid: undefined, label: change.label }
      : change.attributes;
  const lines: string[] = [];
  if (uid !== undefined && (old?.uid !== uid || old?.gid !== gid)) lines.push(`chown ${uid}:${gid} ${path}`);
  // After chown, which clears the set-user-id bit.
  if (mode !== undefined && (old?.mode !== mode || lines.length > 0))
    lines.push(`chmod ${mode.toString(8)} ${path}`);
  if (label !== undefined && old?.label !== label) lines.push(`chcon -h ${shellQuoted([label])} ${path}`);
  return lines;
}

// Files first, then folders in the given order; a few hundred paths in each command.
function removals(gone: { readonly rm: readonly string[]; readonly rmdir: readonly string[] }): string[] {
  const lines: string[] = [];
  for (const [command, paths] of [
    ["rm -f", gone.rm] as const,
    ["rmdir --ignore-fail-on-non-empty", gone.rmdir] as const,
  ])
    for (let at = 0; at < paths.length; at += 300)
      lines.push(`${command} -- ${paths.slice(at, at + 300).join(" ")}`);
  return lines;
}
