import type { Findings, Standing } from "./findings.ts";
import type { ReadLine } from "./read-line.ts";

interface Group {
  readonly name: string;
  readonly gid: number;
}

/** `group`: without a number it gets one that is free. */
export function takeAccountGroup(read: ReadLine, found: Findings): void {
  const name = read.option("name") ?? "";
  const gid = Number(read.option("gid") ?? freeId(found));
  if (!addGroup({ name, gid }, found, read)) found.leave(read, "there is a group of this name already");
}

/** `user`: its password is looked for in the environment, and its groups are made where the release has them not. */
export function takeUser(read: ReadLine, found: Findings): void {
  const name = read.option("name") ?? "";
  if (groupsOfRelease.has(name)) {
    found.leave(read, "every release has this account");
    read.has("groups", "uid", "gid", "homedir", "password", "iscrypted", "plaintext", "lock");
    return;
  }
  const uid = Number(read.option("uid") ?? 1000 + (found.lists.users?.length ?? 0));
  const groups = read.list("groups").filter((group) => group !== name);
  read.has("iscrypted", "plaintext");
  const locked = read.has("lock");
  const secret = read.has("password") && !locked;
  if (locked) found.leave(read, "is locked: it has no password, and --lock is not said");
  const home = read.option("homedir");
  const before = found.left.length;
  addGroup({ name, gid: Number(read.option("gid") ?? uid) }, found, read);
  for (const group of groups)
    if (!groupsOfRelease.has(group)) addGroup({ name: group, gid: freeId(found) }, found, read);
  if (found.left.length > before) return;
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
  if (secret)
    found.leave(
      { ...read, text: `user --name=${name} --password` },
      "a secret stands in no recipe; it is looked for in the environment",
    );
}

// Of EL5 to EL9: the groups of the package setup, and those that packages of @core make.
const groupsOfRelease = new Set(
  "root bin daemon sys adm tty disk lp mem kmem wheel cdrom mail man dialout floppy games tape video ftp lock audio users nobody utmp sshd systemd-journal input kvm render utempter".split(
    " ",
  ),
);

/** Says whether it was not there yet. */
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
