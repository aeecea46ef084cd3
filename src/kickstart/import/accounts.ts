import { majorOf, Recipe } from "../../recipe/recipe.ts";
import type { Findings, Standing } from "./findings.ts";
import type { ReadLine } from "./read-line.ts";

interface Group {
  readonly name: string;
  readonly gid: number;
}

/** `group`: without a number, it gets a free one. */
export function takeAccountGroup(read: ReadLine, found: Findings): void {
  const name = read.option("name") ?? "";
  const said = read.option("gid");
  const gid = Number(said ?? freeId(found));
  if (said === undefined) found.leave(read, `no number is given; it gets ${gid}`);
  if (!addGroup({ name, gid }, found, read)) found.leave(read, "a group of this name already exists");
}

/** `user`: its password comes from the environment. Groups that the release lacks are created. */
export function takeUser(read: ReadLine, found: Findings): void {
  const name = read.option("name") ?? "";
  if (groupsOfRelease.has(name)) {
    found.leave(read, "every release has this account already");
    read.has("groups", "uid", "gid", "homedir", "password", "iscrypted", "plaintext", "lock");
    return;
  }
  const said = read.option("uid");
  const uid = Number(said ?? 1000 + (found.lists.users?.length ?? 0));
  const groups = furtherGroups(name, read, found);
  read.has("password", "iscrypted", "plaintext");
  const locked = read.has("lock");
  const secret = read.has("password") && !locked;
  const home = read.option("homedir");
  const ownGid = read.option("gid");
  const own = { name, gid: Number(ownGid ?? uid) };
  const user = {
    name,
    uid,
    group: name,
    ...(groups.length > 0 && { groups: groups.map((group) => group.name) }),
    ...(home !== undefined && { home: home.replace(/(?<=.)\/+$/, "") }),
    ...(secret && { password: { env: `${name.toUpperCase().replace(/\W/g, "_")}_PASSWORD` } }),
  };
  for (const [key, value] of [["groups", own] as const, ["users", user] as const])
    if (!Recipe.shape[key].safeParse([value]).success) {
      found.leave(read, `a recipe cannot express it under ${key}`);
      return;
    }
  if (said === undefined) found.leave(read, `no number is given; it gets ${uid}`);
  if (locked) found.leave(read, "is locked: it gets no password");
  if (ownGid !== undefined && groupsOf(found).some((other) => other.name === name))
    found.leave(read, "a group of its name already exists, with another gid");
  addGroup(own, found, read);
  for (const group of groups) {
    if (groupsOfRelease.has(group.name)) continue;
    const gid = group.gid ?? freeId(found);
    const there = groupsOf(found).find((other) => other.name === group.name);
    if (there === undefined) addGroup({ name: group.name, gid }, found, read);
    else if (group.gid !== undefined && group.gid !== there.gid)
      found.leave(read, `the group ${group.name} has the number ${there.gid}, not ${group.gid}`);
  }
  found.add("users", user, read);
  if (secret) found.leave(read, "a recipe contains no secrets; the password is read from the environment");
  else if (!locked && read.has("iscrypted")) found.leave(read, "it has no password");
  else if (!locked && read.has("plaintext")) found.leave(read, "it has no password");
}

/**
 * The groups of a `user` line besides its own. From OL7 on, a number may follow in brackets, as in
 * `dba(54322)`.
 */
function furtherGroups(name: string, read: ReadLine, found: Findings): { name: string; gid?: number }[] {
  const listed = read.list("groups").map((said) => {
    const [, group, gid] = /^([^()]+)\((\d+)\)$/.exec(majorOf(found.release) >= 7 ? said : "") ?? [];
    return group === undefined ? { name: said } : { name: group, gid: Number(gid) };
  });
  const groups = listed.filter(
    (group, at) => group.name !== name && listed.findIndex((other) => other.name === group.name) === at,
  );
  if (groups.length < listed.length)
    found.leave(read, "a group is listed twice, or is the account's own group");
  return groups.filter((group) => {
    const possible = Recipe.shape.groups.safeParse([{ gid: 1, ...group }]).success;
    if (!possible) found.leave(read, `a recipe cannot express the group ${group.name}`);
    return possible;
  });
}

// Of EL5 to EL9: the groups of the package setup, and those that packages of @core make.
const groupsOfRelease = new Set(
  "root bin daemon sys adm tty disk lp mem kmem wheel cdrom mail man dialout floppy games tape video ftp lock audio users nobody utmp sshd systemd-journal input kvm render utempter".split(
    " ",
  ),
);

/** Returns whether it was added. A group of that name may already exist. */
function addGroup(group: Group, found: Findings, from: Standing): boolean {
  if (groupsOf(found).some((other) => other.name === group.name)) return false;
  found.add("groups", group, from);
  return true;
}

function freeId(found: Findings): number {
  const taken = new Set(groupsOf(found).map(({ gid }) => gid));
  let gid = 900;
  while (taken.has(gid)) gid++;
  return gid;
}

function groupsOf(found: Findings): readonly Group[] {
  return (found.lists.groups ?? []) as Group[];
}
