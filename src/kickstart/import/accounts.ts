import { Recipe } from "../../recipe/recipe.ts";
import type { Findings, Standing } from "./findings.ts";
import type { ReadLine } from "./read-line.ts";

interface Group {
  readonly name: string;
  readonly gid: number;
}

/** `group`: without a number it gets a free one. */
export function takeAccountGroup(read: ReadLine, found: Findings): void {
  const name = read.option("name") ?? "";
  const said = read.option("gid");
  const gid = Number(said ?? freeId(found));
  if (said === undefined) found.leave(read, `no number is given; it gets ${gid}`);
  if (!addGroup({ name, gid }, found, read)) found.leave(read, "there already is a group of this name");
}

/** `user`: its password comes from the environment, and groups that the release does not have are created. */
export function takeUser(read: ReadLine, found: Findings): void {
  const name = read.option("name") ?? "";
  if (groupsOfRelease.has(name)) {
    found.leave(read, "every release has this account already");
    read.has("groups", "uid", "gid", "homedir", "password", "iscrypted", "plaintext", "lock");
    return;
  }
  const said = read.option("uid");
  const uid = Number(said ?? 1000 + (found.lists.users?.length ?? 0));
  if (said === undefined) found.leave(read, `no number is given; it gets ${uid}`);
  const listed = read.list("groups");
  const groups = [...new Set(listed)].filter((group) => group !== name);
  if (groups.length < listed.length) found.leave(read, "a group is given twice, or is the account's own");
  read.has("password", "iscrypted", "plaintext");
  const locked = read.has("lock");
  const secret = read.has("password") && !locked;
  if (locked) found.leave(read, "is locked: it gets no password");
  const home = read.option("homedir");
  const ownGid = read.option("gid");
  const made = [{ name, gid: Number(ownGid ?? uid) }];
  if (ownGid !== undefined && groupsOf(found).some((other) => other.name === name))
    found.leave(read, "there already is a group of its name, with another gid");
  for (const group of groups) if (!groupsOfRelease.has(group)) made.push({ name: group, gid: -1 });
  const valid = Recipe.shape.groups.safeParse(
    made.map((one) => ({ ...one, gid: Math.max(1, one.gid) })),
  ).success;
  if (!valid || !(made[0]?.gid ?? 0)) {
    found.leave(read, "a recipe cannot hold it under groups");
    return;
  }
  for (const { name: group, gid } of made)
    addGroup({ name: group, gid: gid < 0 ? freeId(found) : gid }, found, read);
  found.add(
    "users",
    {
      name,
      uid,
      group: name,
      ...(groups.length > 0 && { groups }),
      ...(home !== undefined && { home }),
      ...(secret && { password: { env: `${name.toUpperCase().replace(/\W/g, "_")}_PASSWORD` } }),
    },
    read,
  );
  if (secret) found.leave(read, "a recipe holds no secrets; the password is read from the environment");
  else if (!locked && read.has("iscrypted")) found.leave(read, "it has no password");
  else if (!locked && read.has("plaintext")) found.leave(read, "it has no password");
}

// Of EL5 to EL9: the groups of the package setup, and those that packages of @core make.
const groupsOfRelease = new Set(
  "root bin daemon sys adm tty disk lp mem kmem wheel cdrom mail man dialout floppy games tape video ftp lock audio users nobody utmp sshd systemd-journal input kvm render utempter".split(
    " ",
  ),
);

/** Whether it was added; a group of that name may be there already. */
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
