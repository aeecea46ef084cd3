import { TbuildError } from "../../errors.ts";
import type { GuestTree, Stat } from "../../image/tree.ts";
import { shown } from "../../io/escape.ts";
import { guestNames } from "./names.ts";

/** A file of a guest, with its owner's names as the guest knows them, or numbers. */
export interface Entry extends Stat {
  readonly path: string;
  readonly owner: string;
  readonly group: string;
}

/** The path itself, or the contents of a folder; with `isRecursive`, everything below it. */
export async function* listFiles(
  tree: GuestTree,
  pattern: string,
  isRecursive = false,
): AsyncGenerator<Entry> {
  const { users, groups } = await guestNames(tree);
  const entry = (path: string, stat: Stat): Entry => ({
    path,
    ...stat,
    owner: users.nameOf(stat.uid),
    group: groups.nameOf(stat.gid),
  });
  for (const path of await pathsOf(tree, pattern)) {
    const dir = await behindLinks(tree, path);
    if (!dir) {
      const stat = await tree.stat(path);
      if (stat) yield entry(path, stat);
      continue;
    }
    if (isRecursive) for await (const { path: below, stat } of tree.walk(dir)) yield entry(below, stat);
    else
      for (const name of await tree.list(dir)) {
        const below = dir === "/" ? `/${name}` : `${dir}/${name}`;
        const stat = await tree.stat(below);
        if (stat) yield entry(below, stat);
      }
  }
}

/** The paths that match, at least one. A path that exists is taken literally, even if it contains `*` or `?`. */
export async function pathsOf(tree: GuestTree, pattern: string): Promise<string[]> {
  if (await tree.stat(pattern)) return [pattern];
  const found = /[*?]/.test(pattern) ? await tree.glob(pattern) : [];
  if (found.length === 0)
    throw new TbuildError("guest", "no such file or folder in the guest", { subject: shown(pattern) });
  return found;
}

// The path, without slashes at its end, if it is a folder or a link to one.
async function behindLinks(tree: GuestTree, given: string): Promise<string | undefined> {
  const path = given.replace(/(?<=.)\/+$/, "");
  const kind = (await tree.stat(path))?.kind;
  if (kind === "dir") return path;
  if (kind !== "link") return undefined;
  return (await tree.stat(`${path}/.`))?.kind === "dir" ? path : undefined;
}

const types: Readonly<Record<Stat["kind"], string>> = { file: "-", dir: "d", link: "l", other: "?" };

/** The mode as `ls -l` prints it; `?` for a device, socket or pipe. */
export function modeText({ kind, mode }: Pick<Stat, "kind" | "mode">): string {
  const bits = [6, 3, 0].map((shift) => {
    const three = (mode >> shift) & 7;
    const special = (mode >> (9 + shift / 3)) & 1;
    const letter = shift === 0 ? "t" : "s";
    const runs = (three & 1) !== 0;
    const last = special ? (runs ? letter : letter.toUpperCase()) : runs ? "x" : "-";
    return `${three & 4 ? "r" : "-"}${three & 2 ? "w" : "-"}${last}`;
  });
  return `${types[kind]}${bits.join("")}`;
}
