import type { Findings, Member } from "./findings.ts";
import type { ReadLine } from "./read-line.ts";

/** Records the members that a line uses, and reports names that no line defines. */
export function useMembers(names: readonly string[], read: ReadLine, found: Findings): Member[] {
  const known = names.flatMap((name) => {
    const member = found.members.get(name);
    if (member === undefined) found.leave(read, `${name} is not defined`);
    else found.used.add(name);
    return member ?? [];
  });
  // They become one partition, so their own sizes and options are lost.
  if (known.length > 1)
    for (const member of known)
      found.leave(member.from, `is a member of ${read.words[0]}, which becomes one partition`);
  return known;
}

/** Once all volumes are known, reports the settings of physical volumes that the recipe lacks. */
export function finishStorage(found: Findings): void {
  for (const [name, names] of found.groups) {
    const members = names.flatMap((one) => found.members.get(one) ?? []);
    const volumes = [...found.groupOf].filter(([, group]) => group === name).map(([part]) => part);
    const need = volumes.reduce((sum, part) => sum + Number.parseInt(part.size, 10), 0);
    const grows = volumes.some((part) => part.grow === true);
    found.spareMib += Math.max(0, members.reduce((sum, member) => sum + member.mib, 0) - need);
    const [only] = members;
    if (members.length !== 1 || only === undefined) continue;
    if (volumes.length === 0) found.leave(only.from, `${name} has no volumes`);
    else if (only.grow && !grows)
      found.leave(
        only.from,
        `${name} is as large as its volumes; none of them grows, so it has no free space`,
      );
    else if (!only.grow && grows)
      found.leave(only.from, `${name} uses the rest of the disk, because one of its volumes grows`);
    else if (!only.grow || only.mib > need)
      found.leave(only.from, `${name} is as large as its volumes, ${need} MiB`);
  }
  for (const [name, member] of found.members)
    if (!found.used.has(name)) found.leave(member.from, `nothing uses ${name}`);
    else if (!/^(pv|raid)\./.test(name) && !found.mounted.has(member))
      found.leave(member.from, "its volume is not mounted");
}
