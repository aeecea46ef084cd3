import { TbuildError } from "../errors.ts";
import type { GuestTree } from "../image/tree.ts";

/** One change to the inside of a guest. After `apply`, `pending` is empty. */
export interface Operation {
  readonly name: string;
  readonly summary: string;
  readonly needs: "files" | "programs";
  /** A running guest writes it again until it is off: after an online seal it is to be dealt with offline. */
  readonly comesBack?: true;
  /** What is still to be done, in words or paths. Reads only. */
  pending(tree: GuestTree): Promise<string[]>;
  apply(tree: GuestTree): Promise<void>;
}

/** An operation that can be told to leave paths alone. */
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

/** What an operation had to do. */
export interface Done {
  readonly name: string;
  readonly done: readonly string[];
}

/** Applies operations in order and checks each. Gives what each had to do, for the manifest. */
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
      throw new TbuildError("guest", `${operation.name}: something is left after it was applied`, {
        lines: left,
      });
    all.push({ name: operation.name, done });
    onEach(operation.name, all.length, operations.length);
  }
  return all;
}

/** What is pending, by operation; nothing of a guest that is as it should be. Reads only. */
export async function auditAll(tree: GuestTree, operations: readonly Operation[]): Promise<Done[]> {
  const found: Done[] = [];
  for (const { name, pending } of operations) {
    const done = await pending(tree);
    if (done.length > 0) found.push({ name, done });
  }
  return found;
}

/** Files and whole folders that have to go. */
export function removes(described: Described): PathOperation {
  return pathOperation(
    described,
    async () => true,
    (tree, path) => tree.remove(path),
  );
}

/** Folders that stay, and whose content has to go; `paths` are the folders. */
export function emptiesFolders(described: Described): PathOperation {
  const inside = described.paths.flatMap((path) => [`${path}/*`, `${path}/.*`]);
  return removes({ ...described, paths: inside });
}

/** Files that stay, with owner, mode and label, and lose their content. */
export function empties(described: Described): PathOperation {
  return pathOperation(described, hasContent, (tree, path) => tree.write(path, ""));
}

/** Text files that have to read otherwise. `change` gives the text as it should be. */
export function edits(
  described: Described & { readonly change: (text: string, path: string) => string },
): PathOperation {
  const { change } = described;
  return pathOperation(
    described,
    async (tree, path) => {
      if (!["file", "link"].includes((await tree.stat(path))?.kind ?? "")) return false;
      const text = await tree.text(path);
      return text !== undefined && change(text, path) !== text;
    },
    (tree, path) => tree.edit(path, (text) => change(text, path)),
  );
}

export async function hasContent(tree: GuestTree, path: string): Promise<boolean> {
  const found = await tree.stat(path);
  return found?.kind === "file" && found.size > 0;
}

function pathOperation(
  { name, summary, comesBack, paths }: Described,
  isPending: (tree: GuestTree, path: string) => Promise<boolean>,
  change: (tree: GuestTree, path: string) => Promise<void>,
  kept: readonly string[] = [],
): PathOperation {
  const pending = async (tree: GuestTree) => {
    const found: string[] = [];
    for (const pattern of await withHomes(tree, paths))
      for (const path of await tree.glob(pattern))
        for (const free of await without(tree, path, kept)) if (await isPending(tree, free)) found.push(free);
    return [...new Set(found)];
  };
  return {
    name,
    summary,
    needs: "files",
    ...(comesBack && { comesBack }),
    pending,
    async apply(tree) {
      for (const path of await pending(tree)) await change(tree, path);
    },
    except: (more) =>
      pathOperation({ name, summary, paths, ...(comesBack && { comesBack }) }, isPending, change, more),
  };
}

async function withHomes(tree: GuestTree, paths: readonly string[]): Promise<string[]> {
  if (!paths.some((path) => path.startsWith("~/"))) return [...paths];
  const homes = await homesOf(tree);
  return paths.flatMap((path) =>
    path.startsWith("~/") ? homes.map((home) => `${home}${path.slice(1)}`) : [path],
  );
}

// Those in /home, whoever they belong to, and those that /etc/passwd puts elsewhere, as Oracle's under /u01.
async function homesOf(tree: GuestTree): Promise<string[]> {
  const users = ((await tree.text("/etc/passwd")) ?? "").split("\n");
  const named = users.map((line) => (line.split(":")[5] ?? "").replace(/\/+$/, ""));
  const others = named.filter((home) => /^\/[^*?[\]]+$/.test(home) && !/^\/(?:root|home\/[^/]+)$/.test(home));
  return [...new Set(["/home/*", ...others])];
}

// `path`, or the parts of it that nobody wants to keep.
async function without(tree: GuestTree, path: string, kept: readonly string[]): Promise<string[]> {
  if (kept.some((one) => path === one || path.startsWith(`${one}/`))) return [];
  if (!kept.some((one) => one.startsWith(`${path}/`))) return [path];
  const parts: string[] = [];
  for (const child of await tree.list(path)) parts.push(...(await without(tree, `${path}/${child}`, kept)));
  return parts;
}
