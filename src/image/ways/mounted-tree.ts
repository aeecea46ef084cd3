import { TbuildError } from "../../errors.ts";
import type { Output, Runner } from "../../host/host.ts";
import { shellQuoted } from "../../host/local.ts";
import { pacer, type Watch } from "../../host/long-work.ts";
import { printable, shown } from "../../io/escape.ts";
import { type Change, collectingTree, type Source } from "../change/change.ts";
import { bytesOf, stringOf } from "../names.ts";
import type { ProgramOptions, Programs } from "../programs.ts";
import { GuestTree, type LockedPath, nameOf, parentOf, type Stat } from "../tree.ts";
import { commitScript, type Farewell } from "./commit-script.ts";
import { mountedFiles } from "./mounted-files.ts";
import { runScript } from "./run-script.ts";
import { parseSurvey, surveyDepth, surveyed, surveyScript } from "./survey-script.ts";

export interface MountedTreeOptions {
  /** Runs programs of the guest. Absent if that is impossible. */
  readonly run?: (argv: readonly string[]) => Promise<Output>;
  /** Runs programs of the guest apart from this machine. */
  readonly programs?: Programs;
  readonly farewell?: Farewell;
  readonly watch?: Watch;
  /** Called when the tree is closed, after the last change. */
  readonly close?: () => Promise<void>;
}

/** The running guest behind `host`: its files from `/` on, and its programs. */
export function liveGuest(host: Runner, farewell?: Farewell): GuestTree {
  return mountedTree(host, "/", { run: (argv) => host.run(argv), ...(farewell && { farewell }) });
}

/**
 * A tree at `root` on a host that needs only sh, coreutils and find. Over ssh, each command costs a
 * connection. So one `find` covers everything that operations inspect, files are read together with their
 * siblings, and changes are sent in one command.
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
  const { signal } = options.watch ?? {};

  function forget(): void {
    for (const kept of [stats, listed]) kept.clear();
    files.forget();
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

  const files = mountedFiles({ run, names, known: (path) => stats.get(path) });

  return {
    stat,
    list: names,
    readFile: files.readFile,
    async apply(changes) {
      const locked = await lockedPaths(host, root, changes, signal);
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
    ...(options.programs && {
      programs: {
        ...options.programs,
        async run(argv: readonly string[], how?: ProgramOptions) {
          forget();
          return (options.programs as Programs).run(argv, how);
        },
      },
    }),
    close: async () => options.close?.(),
  };
}

// The attributes of the changed files and their folders. Without lsattr, or on a file system that it does not know, there are
// none to remove. One command for all: each costs a connection.
async function lockedPaths(
  host: Runner,
  root: string,
  changes: readonly Change[],
  signal: AbortSignal | undefined,
): Promise<LockedPath[]> {
  const paths = new Set(changes.flatMap(({ path }) => [path, parentOf(path)]));
  const pace = pacer(signal);
  const input: Buffer[] = [];
  for (const path of paths) {
    const turn = pace();
    if (turn) await turn;
    input.push(bytesOf(`${root}${path}\0`));
  }
  const { bytes } = await host.run(["sh", "-c", "xargs -0 lsattr -d -- 2> /dev/null || :"], {
    input: Buffer.concat(input),
    ...(signal && { signal }),
  });
  const found: LockedPath[] = [];
  for (const line of stringOf(bytes).split("\n")) {
    const turn = pace();
    if (turn) await turn;
    const [, all = "", path = ""] = /^(\S+) (.+)$/.exec(line) ?? [];
    const flags = all.replaceAll(/[^ia]/g, "");
    const inGuest = path.slice(root.length) || "/";
    if (flags !== "" && path.startsWith(root) && paths.has(inGuest)) found.push({ path: inGuest, flags });
  }
  return found;
}
