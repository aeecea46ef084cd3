import { TbuildError } from "../../errors.ts";
import type { GuestTree } from "../../image/tree.ts";

/** The users or groups of a guest. */
export interface Names {
  /** The name, or the number in digits if it has none. */
  nameOf(id: number): string;
  /** The number; `undefined` if the guest has no such name. */
  idOf(name: string): number | undefined;
}

/** The users and groups in the guest's `/etc/passwd` and `/etc/group` (passwd(5), group(5)). */
export async function guestNames(
  tree: GuestTree,
): Promise<{ readonly users: Names; readonly groups: Names }> {
  return { users: await namesIn(tree, "/etc/passwd"), groups: await namesIn(tree, "/etc/group") };
}

async function namesIn(tree: GuestTree, file: string): Promise<Names> {
  // A data disk has no such file.
  const text = (await tree.stat(file))?.kind === "file" ? ((await tree.text(file)) ?? "") : "";
  const ids = new Map<string, number>();
  const names = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [name = "", , id = ""] = line.split(":");
    if (name === "" || !/^\d+$/.test(id)) continue;
    if (!ids.has(name)) ids.set(name, Number(id));
    if (!names.has(Number(id))) names.set(Number(id), name);
  }
  return { nameOf: (id) => names.get(id) ?? String(id), idOf: (name) => ids.get(name) };
}

/** Parses `USER:GROUP`, names of the guest or numbers. Without a group, the user's number or name is used. */
export async function ownerIn(
  tree: GuestTree,
  text: string,
): Promise<{ readonly uid: number; readonly gid: number }> {
  const { users, groups } = await guestNames(tree);
  const [user = "", group = user, ...more] = text.split(":");
  const number = (names: Names, name: string, what: string) => {
    const id = /^\d+$/.test(name) ? Number(name) : names.idOf(name);
    if (id === undefined || id > largestId || more.length > 0)
      throw new TbuildError("usage", `--owner ${text}: the guest has no ${what} "${name}"`, {
        hint: "Write USER:GROUP, as names of the guest or as numbers: --owner oracle:oinstall",
      });
    return id;
  };
  return { uid: number(users, user, "user"), gid: number(groups, group, "group") };
}

// 2^32 - 1 means "unchanged" to chown(2).
const largestId = 2 ** 32 - 2;
