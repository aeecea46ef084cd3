import { TbuildError } from "../errors.ts";
import { stringOf } from "../image/names.ts";
import type { GuestTree } from "../image/tree.ts";
import { shown } from "../io/escape.ts";

/** One change to the inside of a guest. After `apply`, `pending` is empty. */
export interface Operation {
  readonly name: string;
  readonly summary: string;
  readonly needs: "files" | "programs";
  /** A running guest writes it again until it is off, so it must be repeated offline after an online seal. */
  readonly comesBack?: true;
  /** The remaining work, in words or paths. Reads only. */
  pending(tree: GuestTree): Promise<string[]>;
  apply(tree: GuestTree): Promise<void>;
}

/** An operation that can keep paths unchanged. */
export interface PathOperation extends Operation {
  except(kept: readonly string[]): Operation;
}

interface Described {
  readonly name: string;
  readonly summary: string;
  readonly comesBack?: true;
  /** Paths or patterns as `GuestTree.glob` takes them; `~/` is each user's home folder, but not root's. */
  readonly paths: readonly string[];
}

/** The work of an operation. */
export interface Done {
  readonly name: string;
  readonly done: readonly string[];
}

/** Applies operations in order and checks each. Returns the work of each, for the manifest. */
export async function applyAll(
  tree: GuestTree,
  operations: readonly Operation[],
  onEach: (name: string, done: number, total: number) => void = () => {},
): Promise<Done[]> {
  const all: Done[] = [];
  for (const operation of operations) {
    const done = await operation.pending(tree);
    if (done.length > 0) await operation.apply(tree);
    const left = done.length > 0 ? await operation.pending(tree) : [];
    if (left.length > 0)
      throw new TbuildError("guest", "incomplete after it was applied", {
        subject: operation.name,
        lines: left.map(shown),
      });
    all.push({ name: operation.name, done });
    onEach(operation.name, all.length, operations.length);
  }
  return all;
}

/** Pending work, by operation; empty if there is none. Reads only. */
export async function auditAll(tree: GuestTree, operations: readonly Operation[]): Promise<Done[]> {
  const found: Done[] = [];
  for (const { name, pending } of operations) {
    const done = await pending(tree);
    if (done.length > 0) found.push({ name, done });
  }
  return found;
}

/** Removes files and whole folders. */
export function removes(described: Described): PathOperation {
  return pathOperation(
    described,
    async () => true,
    (tree, path) => tree.remove(path),
  );
}

/** Like `removes`, if `isWanted` returns true. */
export function removesWhere(
  described: Described,
  isWanted: (tree: GuestTree, path: string) => Promise<boolean>,
): PathOperation {
  return pathOperation(described, isWanted, (tree, path) => tree.remove(path));
}

/** Empties folders; `paths` are the folders. */
export function emptiesFolders(described: Described): PathOperation {
  const inside = described.paths.flatMap((path) => [`${path}/*`, `${path}/.*`]);
  return removes({ ...described, paths: inside });
}

/** Empties files, also through a link. They keep owner, mode and label. */
export function empties(described: Described): PathOperation {
  return pathOperation(
    described,
    async (tree, path) => ((await textIn(tree, path)) ?? "") !== "",
    (tree, path) => tree.write(path, ""),
  );
}

/**
 * Changes text files. `change` returns the new text, or `undefined` to remove the file. It gets the result of
 * `prepare`, which sees the whole guest.
 */
export function edits<Context = undefined>(
  described: Described & {
    readonly prepare?: (tree: GuestTree) => Promise<Context>;
    readonly change: (text: string, path: string, context: Context) => string | undefined;
  },
): PathOperation {
  const { change } = described;
  const prepared = async (tree: GuestTree) => (await described.prepare?.(tree)) as Context;
  return pathOperation(
    described,
    async (tree, path, context) => {
      const text = await textIn(tree, path);
      return text !== undefined && change(text, path, context) !== text;
    },
    async (tree, path, context) => {
      if (change((await textIn(tree, path)) ?? "", path, context) === undefined) await tree.remove(path);
      else await tree.edit(path, (text) => change(text, path, context) ?? text);
    },
    prepared,
  );
}

/** The text of a file, also through a link; `undefined` for anything else, such as a link to a folder. */
export async function textIn(tree: GuestTree, path: string): Promise<string | undefined> {
  const data = await dataIn(tree, path);
  return data && stringOf(data);
}

/** The contents of a file, under the same rules as `textIn`. */
export async function dataIn(tree: GuestTree, path: string): Promise<Buffer | undefined> {
  const kind = (await tree.stat(path))?.kind;
  if (kind !== "file" && kind !== "link") return undefined;
  try {
    const data = await tree.read(path);
    return data && Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  } catch (error) {
    if (kind === "file") throw error;
    if (error instanceof TbuildError && error.fault === "guest") return undefined;
    throw error;
  }
}

export async function hasContent(tree: GuestTree, path: string): Promise<boolean> {
  const found = await tree.stat(path);
  return found?.kind === "file" && found.size > 0;
}

function pathOperation<Context = undefined>(
  { name, summary, comesBack, paths }: Described,
  isPending: (tree: GuestTree, path: string, context: Context) => Promise<boolean>,
  change: (tree: GuestTree, path: string, context: Context) => Promise<void>,
  prepare: (tree: GuestTree) => Promise<Context> = async () => undefined as Context,
  kept: readonly string[] = [],
): PathOperation {
  const find = async (tree: GuestTree, context: Context) => {
    const found: string[] = [];
    for (const pattern of await withHomes(tree, paths))
      for (const path of await tree.glob(pattern))
        for (const free of await without(tree, path, kept))
          if (await isPending(tree, free, context)) found.push(free);
    return [...new Set(found)];
  };
  return {
    name,
    summary,
    needs: "files",
    ...(comesBack && { comesBack }),
    pending: async (tree) => find(tree, await prepare(tree)),
    async apply(tree) {
      const context = await prepare(tree);
      for (const path of await find(tree, context)) await change(tree, path, context);
    },
    except: (more) =>
      pathOperation(
        { name, summary, paths, ...(comesBack && { comesBack }) },
        isPending,
        change,
        prepare,
        more,
      ),
  };
}

/** Each of `paths`. One that starts with `~/` is expanded for each user, but not for root. */
export async function withHomes(tree: GuestTree, paths: readonly string[]): Promise<string[]> {
  if (!paths.some((path) => path.startsWith("~/"))) return [...paths];
  const homes = await homesOf(tree);
  return paths.flatMap((path) =>
    path.startsWith("~/") ? homes.map((home) => `${home}${path.slice(1)}`) : [path],
  );
}

// All folders in /home, and others from /etc/passwd, such as Oracle's under /u01.
async function homesOf(tree: GuestTree): Promise<string[]> {
  const users = ((await tree.text("/etc/passwd")) ?? "").split("\n");
  const named = users.map((line) => (line.split(":")[5] ?? "").replace(/\/+$/, ""));
  const others = named.filter((home) => /^\/[^*?[\]]+$/.test(home) && !/^\/(?:root|home\/[^/]+)$/.test(home));
  return [...new Set(["/home/*", ...others])];
}

/** Whether a path is one of `kept` or below one. */
export function isKept(path: string, kept: readonly string[]): boolean {
  return kept.some((one) => path === one || path.startsWith(`${one}/`));
}

// `path`, or its parts that are not kept.
async function without(tree: GuestTree, path: string, kept: readonly string[]): Promise<string[]> {
  if (isKept(path, kept)) return [];
  if (!kept.some((one) => one.startsWith(`${path}/`))) return [path];
  const parts: string[] = [];
  for (const child of await tree.list(path)) parts.push(...(await without(tree, `${path}/${child}`, kept)));
  return parts;
}
