import type { Contradiction } from "./findings.ts";
import type { Recipe } from "./recipe.ts";

type Lists = Partial<Pick<Recipe, "groups" | "users">>;

/**
 * The accounts of the package `setup` (its file uidgid), with their numbers. If a number changed between
 * releases, all of them are listed.
 */
const ofSystem = {
  groups: {
    root: [0],
    bin: [1],
    daemon: [2],
    sys: [3],
    adm: [4],
    tty: [5],
    disk: [6],
    lp: [7],
    mem: [8],
    kmem: [9],
    wheel: [10],
    mail: [12],
    man: [15],
    dialout: [18],
    floppy: [19],
    games: [20],
    tape: [30, 33],
    video: [39],
    ftp: [50],
    lock: [54],
    audio: [63],
    nobody: [99, 65534],
    users: [100],
  },
  users: {
    bin: [1],
    daemon: [2],
    adm: [3],
    lp: [4],
    sync: [5],
    shutdown: [6],
    halt: [7],
    mail: [8],
    operator: [11],
    games: [12],
    ftp: [14],
    nobody: [99, 65534],
  },
} as const satisfies Record<string, Readonly<Record<string, readonly number[]>>>;

/**
 * Accounts of a recipe with the name or number of a system account, which does not change: groupadd and
 * useradd refuse a number that is taken, and ignore a name that is taken.
 */
export function systemAccounts({ groups = [], users = [] }: Lists): Contradiction[] {
  return [
    ...groups.flatMap(({ name, gid }, at) => taken("groups", at, "gid", name, gid)),
    ...users.flatMap(({ name, uid }, at) => taken("users", at, "uid", name, uid)),
  ];
}

function taken(
  list: keyof typeof ofSystem,
  at: number,
  key: "gid" | "uid",
  name: string,
  number: number,
): Contradiction[] {
  const table: Readonly<Record<string, readonly number[]>> = ofSystem[list];
  const one = list === "groups" ? "group" : "user";
  const own = Object.hasOwn(table, name) ? table[name] : undefined;
  if (own) {
    const text = `the system's ${one} ${name} keeps its number ${own.join(" or ")}`;
    return own.includes(number) ? [] : [{ path: [list, at, key], text }];
  }
  const other = Object.keys(table).find((known) => table[known]?.includes(number));
  if (other === undefined) return [];
  return [{ path: [list, at, key], text: `${number} is the number of the system's ${one} ${other}` }];
}
