import { TbuildError } from "../../errors.ts";
import type { Output, Runner } from "../../host/host.ts";
import { shellQuoted } from "../../host/local.ts";
import { pacer, type Watch } from "../../host/pace.ts";
import { printable, shown } from "../../io/escape.ts";
import { type Change, collectingTree, type Source } from "../change/change.ts";
import { bytesOf, stringOf } from "../names.ts";
import { GuestTree, type LockedPath, nameOf, parentOf, type Stat } from "../tree.ts";

export interface MountedTreeOptions {
  /** Runs programs of the guest. Absent if that is impossible. */
  readonly run?: (argv: readonly string[]) => Promise<Output>;
  readonly farewell?: Farewell;
  readonly watch?: Watch;
  /** Called when the tree is closed, after the last change. */
  readonly close?: () => Promise<void>;
}

/** The running guest behind `host`: its files from `/` on, and its programs. */
export function liveGuest(host: Runner, farewell?: Farewell): GuestTree {
  return mountedTree(host, "/", { run: (argv) => host.run(argv), ...(farewell && { farewell }) });
}

/** Actions in the same command as the last changes, after which the guest may refuse logins. */
export interface Farewell {
  /** Programs to run before the changes. A failure stops everything. */
  readonly before: readonly (readonly string[])[];
  /** Started in the background at the end, such as `poweroff`. */
  readonly last: readonly string[];
}

/**
 * A tree at `root` on a host that needs only sh, coreutils and find. Over ssh, each command costs a
 * connection. So one `find` covers everything that operations look at, files are read together with their siblings, and
 * changes are sent in one command.
 */
export function mountedTree(host: Runner, root: string, options: MountedTreeOptions = {}): GuestTree {
  return new GuestTree(
    collectingTree(mountedSource(host, root.replace(/\/+$/, ""), options)),
    options.watch,
    root,
  );
}

function mountedSource(host: Runner, root: string, options: MountedTreeOptions): Source {
  const stats = new Map<string, Stat>();
  const listed = new Map<string, string[]>();
  const contents = new Map<string, Uint8Array>();
  let contentBytes = 0;
  // For each folder in which a file was read: its other small files that are still unread.
  const unread = new Map<string, string[]>();
  const { signal } = options.watch ?? {};

  function forget(): void {
    for (const kept of [stats, listed, contents, unread]) kept.clear();
    contentBytes = 0;
  }

  /** Runs a script with guest paths as arguments. */
  function run(script: string, paths: readonly string[]): Promise<Output> {
    const words = shellQuoted(paths.map((path) => `${root}${path}`));
    return runScript(host, `set -- ${words}\n${script}`, { ...(signal && { signal }) });
  }

  async function survey(paths: readonly string[], depth: number): Promise<void> {
    const { bytes, stderr } = await run(`d=${depth}\n${surveyScript}`, paths);
    const pace = pacer(signal);
    let found = 0;
    for (const entry of parseSurvey(bytes, root)) {
      const turn = pace();
      if (turn) await turn;
      found++;
      stats.set(entry.path, entry.stat);
      if (entry.depth > 0) listed.get(parentOf(entry.path))?.push(nameOf(entry.path));
      // Folders at the depth limit are not listed.
      if (entry.stat.kind === "dir" && entry.depth < depth) listed.set(entry.path, []);
    }
    // A file that disappears meanwhile is not a failure; an empty result is.
    if (found === 0)
      throw new TbuildError("guest", `find printed nothing about ${paths.map(shown).join(", ")}`, {
        subject: host.name,
        lines: stderr.trim().split("\n").slice(-5).map(printable),
      });
  }

  async function names(dir: string): Promise<string[]> {
    if (stats.size === 0) {
      await survey(["/"], 1);
      const there = surveyed.filter((path) => stats.get(path)?.kind === "dir");
      if (there.length > 0) await survey(there, surveyDepth);
    }
    if (!listed.has(dir)) await survey([dir], 1);
    return listed.get(dir) ?? [];
  }

  async function stat(path: string): Promise<Stat | undefined> {
    if (stats.has(path)) return stats.get(path);
    if (path === "/") {
      await names("/");
      return stats.get("/");
    }
    const parent = parentOf(path);
    if ((await stat(parent))?.kind !== "dir") return undefined;
    await names(parent);
    return stats.get(path);
  }

  async function readFile(path: string): Promise<Uint8Array> {
    if (!contents.has(path) && isSmallFile(stats.get(path)))
      await readTogether([path, ...(await neighbours(path))]);
    return contents.get(path) ?? (await run('exec cat -- "$1"', [path])).bytes;
  }

  // Up to 200 of its small siblings, each once.
  async function neighbours(path: string): Promise<string[]> {
    const dir = parentOf(path);
    const left =
      unread.get(dir) ??
      (await names(dir))
        .map((name) => (dir === "/" ? `/${name}` : `${dir}/${name}`))
        .filter((one) => isSmallFile(stats.get(one)));
    unread.set(dir, left);
    return left.splice(-200).filter((one) => one !== path && !contents.has(one));
  }

  // One cat for many files. The sizes before and after show where each ends, and that none changed meanwhile.
  async function readTogether(paths: readonly string[]): Promise<void> {
    const { bytes } = await run(readScript, paths);
    const text = Buffer.from(bytes);
    const end = text.indexOf("\n\n");
    const sizes = text.toString("latin1", 0, end).split("\n").map(Number);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const after = text
      .toString("latin1", end + 2 + total)
      .trim()
      .split("\n")
      .map(Number);
    if (sizes.length !== paths.length || String(sizes) !== String(after)) return;
    if (contentBytes + total > contentsKept) {
      contents.clear();
      contentBytes = 0;
    }
    contentBytes += total;
    let at = end + 2;
    for (const [index, path] of paths.entries()) {
      const size = sizes[index] ?? 0;
      contents.set(path, text.subarray(at, at + size));
      at += size;
    }
  }

  return {
    stat,
    list: names,
    readFile,
    async apply(changes) {
      const locked = await lockedPaths(host, root, changes);
      const { script, data } = commitScript(root, changes, options.farewell, locked);
      await runScript(host, script, { data, ...(signal && { signal }) });
      forget();
      return locked;
    },
    ...(options.run && {
      async run(argv: readonly string[]) {
        forget();
        return options.run?.(argv) as Promise<Output>;
      },
    }),
    close: async () => options.close?.(),
  };
}

/**
 * Runs a shell script that may contain names from a guest. The script is passed on stdin, followed by the `data` that it
 * reads: such names need not be UTF-8, but Node passes program arguments as UTF-8.
 */
export function runScript(
  host: Runner,
  script: string,
  { data = Buffer.alloc(0), signal }: { readonly data?: Buffer; readonly signal?: AbortSignal } = {},
): Promise<Output> {
  const text = bytesOf(script);
  return host.run(["sh", "-c", 's=$(head -c "$1") || exit; eval "$s"', "sh", String(text.length)], {
    input: Buffer.concat([text, data]),
    ...(signal && { signal }),
  });
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

// The attributes of the changed files and their folders. Without lsattr, or on a file system that it does not know, there are
// none to remove.
async function lockedPaths(host: Runner, root: string, changes: readonly Change[]): Promise<LockedPath[]> {
  // Names that are not UTF-8 cannot be arguments, and are not requested.
  const all = changes
    .flatMap(({ path }) => [path, parentOf(path)])
    .filter((path) => !/\p{Surrogate}/u.test(path));
  const paths = [...new Set(all)];
  const found: LockedPath[] = [];
  for (let at = 0; at < paths.length; at += 300) {
    const argv = paths.slice(at, at + 300).map((path) => `${root}${path}`);
    const { stdout } = await host.run(["sh", "-c", 'lsattr -d -- "$@" 2> /dev/null || :', "sh", ...argv]);
    for (const line of stdout.split("\n")) {
      const [, all = "", path = ""] = /^(\S+) (.+)$/.exec(line) ?? [];
      const flags = all.replaceAll(/[^ia]/g, "");
      if (flags !== "" && argv.includes(path)) found.push({ path: path.slice(root.length) || "/", flags });
    }
  }
  return found;
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

// Files before folders, which are in their order; a few hundred paths to a command.
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

const surveyed = ["/boot", "/etc", "/home", "/root", "/tmp", "/var"];
const surveyDepth = 7;

// What is not on a disk of the guest, or not its own, is seen as an empty folder.
const strangers = "nfs nfs4 cifs proc sysfs autofs".split(" ").map((fs) => `-fstype ${fs}`);
const format = "'%y %m %U %G %s %d %Z\\0%P\\0%l\\0'";
// One find for each starting point, which it prints before each path: so any file name can be read back.
const surveyScript = [
  "for p; do",
  `  printf '%s\\0' "=$p"`,
  `  find "$p/" -maxdepth "$d" \\( ${strangers.join(" -o ")} \\) -prune -printf ${format} -o -printf ${format} || :`,
  "  printf '\\0'",
  "done",
].join("\n");
const readScript =
  'find "$@" -maxdepth 0 -printf \'%s\\n\'; echo; cat -- "$@"; find "$@" -maxdepth 0 -printf \'%s\\n\'';

const kinds: Readonly<Record<string, Stat["kind"]>> = { f: "file", d: "dir", l: "link" };

function* parseSurvey(
  bytes: Uint8Array,
  root: string,
): Generator<{ path: string; stat: Stat; depth: number }> {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const field = () => {
    const end = data.indexOf(0, at);
    const text = stringOf(data.subarray(at, end < 0 ? data.length : end));
    at = end < 0 ? data.length : end + 1;
    return text;
  };
  let start = "";
  while (at < data.length) {
    const head = field();
    if (head.startsWith("=")) start = head.slice(1 + root.length).replace(/\/+$/, "");
    if (head === "" || head.startsWith("=")) continue;
    const [type = "", mode = "", uid, gid, size, depth, label = ""] = head.split(" ");
    const [name, target] = [field(), field()];
    const kind = kinds[type] ?? "other";
    const stat: Stat = {
      kind,
      mode: Number.parseInt(mode, 8),
      uid: Number(uid),
      gid: Number(gid),
      size: Number(size),
      ...(kind === "link" && { target }),
      ...(label.includes(":") && { label }),
    };
    yield { path: name === "" ? start || "/" : `${start}/${name}`, stat, depth: Number(depth) };
  }
}

// Of files that were read with their neighbours.
const contentsKept = 64 << 20;

function isSmallFile(stat: Stat | undefined): boolean {
  return stat?.kind === "file" && stat.size <= 64 * 1024;
}
