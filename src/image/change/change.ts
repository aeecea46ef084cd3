import type { Output } from "../../host/host.ts";
import type { ProgramOptions, Programs } from "../programs.ts";
import { type Attributes, type LockedPath, nameOf, parentOf, type RawTree, type Stat } from "../tree.ts";

/** The change of one path. `was` is its current content. */
export type Change =
  | { readonly kind: "remove"; readonly path: string; readonly was: Stat }
  | {
      readonly kind: "write";
      readonly path: string;
      readonly data: Uint8Array;
      readonly attributes: Attributes;
      readonly was?: Stat;
    }
  | { readonly kind: "dir"; readonly path: string; readonly attributes: Attributes }
  | { readonly kind: "link"; readonly path: string; readonly target: string; readonly label?: string };

/** A guest for which each command is expensive. It is read piece by piece, and changed in one command. */
export interface Source {
  stat(path: string): Promise<Stat | undefined>;
  list(dir: string): Promise<string[]>;
  readFile(path: string): Promise<Uint8Array>;
  parts?(path: string): AsyncIterable<Uint8Array>;
  /**
   * Makes the changes, in their order: removals deepest first, then folders, then their contents. Paths that chattr
   * has locked are unlocked for it and locked again. Returns those paths.
   */
  apply(changes: readonly Change[]): Promise<readonly LockedPath[]>;
  run?(argv: readonly string[]): Promise<Output>;
  readonly programs?: Programs;
  close(): Promise<void>;
}

/** Keeps changes in memory, over `source`, until they are committed: one process instead of hundreds. */
export function collectingTree(source: Source): RawTree {
  // By folder and path, so that listing a folder does not search the changes in others.
  const nodes = new Map<string, Map<string, Node>>();
  const overridden: LockedPath[] = [];

  const changed = (path: string) => nodes.get(parentOf(path))?.get(path);

  async function known(path: string): Promise<Node> {
    const node = changed(path);
    if (node) return node;
    const was = await source.stat(path);
    return { was, now: was && { stat: was } };
  }

  async function put(path: string, now: Node["now"]): Promise<void> {
    const { was } = await known(path);
    const node = now === undefined ? goneNode(was) : { was, now };
    const dir = parentOf(path);
    const siblings = nodes.get(dir);
    if (siblings) siblings.set(path, node);
    else nodes.set(dir, new Map([[path, node]]));
  }

  async function commit(): Promise<void> {
    const changes = changesOf(nodes);
    if (changes.length === 0) return;
    // Cleared before they are made, because there may be a million.
    nodes.clear();
    overridden.push(...(await source.apply(changes)));
  }

  const run = source.run?.bind(source);
  const { programs } = source;
  return {
    commit,
    overridden,
    ...(programs && {
      programs: {
        ...programs,
        async run(argv: readonly string[], options?: ProgramOptions) {
          await commit();
          return programs.run(argv, options);
        },
      },
    }),
    stat: async (path) => (await known(path)).now?.stat,
    async list(dir) {
      const old = (await known(dir)).was?.kind === "dir" ? await source.list(dir) : [];
      const names = new Set(old);
      for (const [path, { now }] of nodes.get(dir) ?? []) {
        const name = nameOf(path);
        if (now) names.add(name);
        else names.delete(name);
      }
      return [...names];
    },
    async readFile(path) {
      const data = changed(path)?.now?.data;
      return data ?? source.readFile(path);
    },
    async *parts(path) {
      const data = changed(path)?.now?.data;
      if (data) yield data;
      else if (source.parts) yield* source.parts(path);
      else yield await source.readFile(path);
    },
    async writeFile(path, data, attributes) {
      await put(path, { stat: { kind: "file", size: data.length, ...attributes }, data });
    },
    async makeDir(path, attributes) {
      await put(path, { stat: { kind: "dir", size: 0, ...attributes } });
    },
    async makeLink(path, target, label) {
      const owner = { uid: 0, gid: 0, ...(label !== undefined && { label }) };
      await put(path, { stat: { kind: "link", mode: 0o777, size: target.length, target, ...owner } });
    },
    unlink: (path) => put(path, undefined),
    ...(run && {
      async run(argv: readonly string[]) {
        await commit();
        return run(argv);
      },
    }),
    async [Symbol.asyncDispose]() {
      try {
        await commit();
      } finally {
        await source.close();
      }
    },
  };
}

interface Node {
  readonly was: Stat | undefined;
  readonly now: { readonly stat: Stat; readonly data?: Uint8Array } | undefined;
}

// Equal files share their attributes, so they share this as well.
function goneNode(was: Stat | undefined): Node {
  const kept = was && goneNodes.get(was);
  if (kept) return kept;
  const node = { was, now: undefined };
  if (was) goneNodes.set(was, node);
  return node;
}
const goneNodes = new WeakMap<Stat, Node>();

function changesOf(nodes: ReadonlyMap<string, ReadonlyMap<string, Node>>): Change[] {
  const removals: Change[] = [];
  const dirs: Change[] = [];
  const rest: Change[] = [];
  for (const path of byDepth(pathsIn(nodes))) {
    const { was, now } = nodes.get(parentOf(path))?.get(path) ?? {};
    // A file that remains a file is overwritten, so its inode keeps its other attributes.
    const stays = was && now && was.kind === now.stat.kind && was.kind !== "link";
    if (was && !stays) removals.push({ kind: "remove", path, was });
    if (!now) continue;
    const attributes = attributesOf(now.stat);
    if (now.stat.kind === "dir" && !stays) dirs.push({ kind: "dir", path, attributes });
    if (now.stat.kind === "file" && now.data)
      rest.push({ kind: "write", path, data: now.data, attributes, ...(stays && { was }) });
    if (now.stat.kind === "link") {
      const { target = "", label } = now.stat;
      rest.push({ kind: "link", path, target, ...(label !== undefined && { label }) });
    }
  }
  return [...removals.reverse(), ...dirs, ...rest];
}

function* pathsIn(nodes: ReadonlyMap<string, ReadonlyMap<string, Node>>): Generator<string> {
  for (const inside of nodes.values()) yield* inside.keys();
}

// There may be a million of them, so nothing is allocated for each.
function* byDepth(paths: Iterable<string>): Generator<string> {
  const found: string[][] = [];
  for (const path of paths) {
    const among = found[depth(path)];
    if (among) among.push(path);
    else found[depth(path)] = [path];
  }
  for (const among of found) if (among) yield* among.sort();
}

/** Which of the changed paths and their folders chattr has locked, found by a cheap `stat`. */
export async function lockedAmong(
  changes: readonly Change[],
  stat: Source["stat"],
): Promise<readonly LockedPath[]> {
  const found = new Map<string, LockedPath>();
  const add = (path: string, locked: string | undefined) =>
    locked !== undefined && found.set(path, { path, flags: locked });
  for (const change of changes) if ("was" in change) add(change.path, change.was?.locked);
  for (const dir of new Set(changes.map(({ path }) => parentOf(path)))) add(dir, (await stat(dir))?.locked);
  return [...found.values()];
}

function attributesOf({ mode, uid, gid, label }: Stat): Attributes {
  return { mode, uid, gid, ...(label !== undefined && { label }) };
}

function depth(path: string): number {
  let slashes = 0;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) slashes++;
  return slashes;
}
