import { patchOf } from "../../io/patch.ts";
import { amount } from "../../io/units.ts";
import type { FileRecord, Manifest, PackageRecord, Parameter } from "../../model/manifest.ts";
import { comparePackages } from "../../model/rpm-version.ts";
import { groupedBy } from "../grouped-by.ts";

/** The items in only one of two lists, and those in both that differ. */
export interface Changes<T, C = { readonly from: T; readonly to: T }> {
  readonly added: readonly T[];
  readonly removed: readonly T[];
  readonly changed: readonly C[];
}

export interface FileChange {
  readonly path: string;
  readonly from: FileRecord;
  readonly to: FileRecord;
  /** Describes the difference. */
  readonly what: readonly string[];
  /** The lines that differ, prefixed with `+`, `-` or a blank, if both texts are known. */
  readonly patch?: readonly string[];
}

/** A single value: the domain type, the release. */
export interface Fact {
  readonly what: string;
  readonly from: string;
  readonly to: string;
}

/** The changes between two templates. */
export interface Difference {
  readonly from: Named;
  readonly to: Named;
  readonly facts: readonly Fact[];
  readonly packages: Changes<PackageRecord>;
  readonly kernels: Changes<string>;
  readonly services: Changes<string>;
  readonly users: Changes<string>;
  readonly groups: Changes<string>;
  readonly modules: Changes<string, string>;
  readonly parameters: Changes<Parameter>;
  readonly files: Changes<FileRecord, FileChange>;
  /** Other inputs: medium, kickstart, scripts. */
  readonly inputs: Changes<string, string>;
  /** False if one was recorded by a tbuild that did not inspect the guest. */
  readonly looked: boolean;
}

interface Named {
  readonly name: string;
  readonly version: string;
  readonly rehearsal: boolean;
}

/** Compares two manifests. Pure: it uses only the manifests. */
export function compare(from: Manifest, to: Manifest): Difference {
  const { guest: before, seal: sealBefore } = from;
  const { guest: after, seal: sealAfter } = to;
  const both = <T>(
    of: (guest: NonNullable<Manifest["guest"]>) => readonly T[],
  ): [readonly T[], readonly T[]] => (before && after ? [of(before), of(after)] : [[], []]);
  return {
    from: { name: from.name, version: from.version, rehearsal: from.rehearsal },
    to: { name: to.name, version: to.version, rehearsal: to.rehearsal },
    facts: [
      fact("domain type", from.domainType, to.domainType),
      fact("release", from.release.name, to.release.name),
      fact("kernel that boots", from.kernel, to.kernel),
      fact("machine", machineOf(from), machineOf(to)),
      fact("virtual disk", disksOf(from), disksOf(to)),
      ...(sealBefore && sealAfter
        ? [
            fact(
              "first boot",
              sealBefore.armed ? "armed" : "not armed",
              sealAfter.armed ? "armed" : "not armed",
            ),
            fact("sealed", sealBefore.how, sealAfter.how),
            fact("seal leaves out", listed(sealBefore.skipped), listed(sealAfter.skipped)),
            fact("seal keeps", listed(sealBefore.kept), listed(sealAfter.kept)),
          ]
        : []),
      fact("summary", from.summary, to.summary),
    ].filter((one) => one.from !== one.to),
    packages: packageChanges(from.packages, to.packages),
    kernels: listChanges(...both((guest) => guest.kernels)),
    services: listChanges(...both((guest) => guest.services)),
    users: keyedChanges(
      ...both((guest) =>
        guest.users.map((u) => ({ ...u, said: `uid ${u.uid}, gid ${u.gid}, ${u.home}, ${u.shell}` })),
      ),
    ),
    groups: keyedChanges(
      ...both((guest) => guest.groups.map((g) => ({ ...g, said: `gid ${g.gid}, ${listed(g.members)}` }))),
    ),
    modules: namesOnly(
      ...both((guest) => guest.modules.map(({ name, digest }): [string, string] => [name, digest])),
    ),
    parameters: parameterChanges(from.contract, to.contract),
    files: fileChanges(...both((guest) => guest.files)),
    inputs: namesOnly(Object.entries(from.inputs), Object.entries(to.inputs)),
    looked: before !== undefined && after !== undefined,
  };
}

/** The changed files whose text was not recorded. */
export function untold({ files }: Difference): string[] {
  return files.changed
    .filter(({ from, to, patch }) => !patch && from.digest !== to.digest && to.kind === "file")
    .map(({ path }) => path);
}

/** The same difference, with texts that no record contains. */
export function withTexts(
  difference: Difference,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Difference {
  const changed = difference.files.changed.map((change) => {
    const [was, now] = [before.get(change.path), after.get(change.path)];
    return change.patch || was === undefined || now === undefined
      ? change
      : { ...change, patch: patchOf(was, now) };
  });
  return { ...difference, files: { ...difference.files, changed } };
}

/** True if no difference was found. */
export function isSame(difference: Difference): boolean {
  const { facts, packages, kernels, services, users, groups, modules, parameters, files, inputs } =
    difference;
  const lists = [packages, kernels, services, users, groups, modules, parameters, files, inputs];
  return (
    facts.length === 0 &&
    lists.every((list) => list.added.length + list.removed.length + list.changed.length === 0)
  );
}

function fact(what: string, from: string, to: string): Fact {
  return { what, from, to };
}

function machineOf({ machine }: Manifest): string {
  return `${amount(machine.vcpus, "vcpu")}, ${machine.memoryMib} MiB, vnics ${machine.nics.join(", ")}`;
}

function disksOf({ disks }: Manifest): string {
  return disks.map(({ name, bytes }) => `${name} ${bytes / 2 ** 20} MiB`).join(", ");
}

function listed(items: readonly string[]): string {
  return items.length === 0 ? "nothing" : items.join(", ");
}

// Several kernels can be installed under one name. A package that each side has exactly once was replaced.
function packageChanges(
  from: readonly PackageRecord[],
  to: readonly PackageRecord[],
): Difference["packages"] {
  const key = ({ name, arch }: PackageRecord) => `${name}.${arch}`;
  const added: PackageRecord[] = [];
  const removed: PackageRecord[] = [];
  const changed: { from: PackageRecord; to: PackageRecord }[] = [];
  const [allBefore, allAfter] = [groupedBy(from, key), groupedBy(to, key)];
  for (const name of new Set([...allBefore.keys(), ...allAfter.keys()])) {
    const before = allBefore.get(name) ?? [];
    const after = allAfter.get(name) ?? [];
    const gone = before.filter((one) => !after.some((other) => comparePackages(one, other) === 0));
    const come = after.filter((one) => !before.some((other) => comparePackages(one, other) === 0));
    const [old, young] = [gone[0], come[0]];
    if (gone.length === 1 && come.length === 1 && old && young) changed.push({ from: old, to: young });
    else {
      added.push(...come);
      removed.push(...gone);
    }
  }
  return { added, removed, changed };
}

function listChanges(from: readonly string[], to: readonly string[]): Changes<string> {
  return {
    added: to.filter((one) => !from.includes(one)),
    removed: from.filter((one) => !to.includes(one)),
    changed: [],
  };
}

interface Said {
  readonly name: string;
  readonly said: string;
}

function keyedChanges(from: readonly Said[], to: readonly Said[]): Changes<string> {
  const before = new Map(from.map((one) => [one.name, one.said]));
  const after = new Map(to.map((one) => [one.name, one.said]));
  const changed: { from: string; to: string }[] = [];
  for (const [name, said] of before) {
    const now = after.get(name);
    if (now !== undefined && now !== said)
      changed.push({ from: `${name} (${said})`, to: `${name} (${now})` });
  }
  return {
    added: to.filter(({ name }) => !before.has(name)).map(({ name, said }) => `${name} (${said})`),
    removed: from.filter(({ name }) => !after.has(name)).map(({ name, said }) => `${name} (${said})`),
    changed,
  };
}

function namesOnly(
  from: readonly (readonly [string, string])[],
  to: readonly (readonly [string, string])[],
): Changes<string, string> {
  const [before, after] = [new Map(from), new Map(to)];
  return {
    added: [...after.keys()].filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !after.has(name)),
    changed: [...after]
      .filter(([name, digest]) => before.has(name) && before.get(name) !== digest)
      .map(([name]) => name),
  };
}

function parameterChanges(from: readonly Parameter[], to: readonly Parameter[]): Changes<Parameter> {
  const same = (a: Parameter, b: Parameter) =>
    JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
  return {
    added: to.filter(({ key }) => !from.some((one) => one.key === key)),
    removed: from.filter(({ key }) => !to.some((one) => one.key === key)),
    changed: from.flatMap((one) => {
      const now = to.find(({ key }) => key === one.key);
      return now && !same(one, now) ? [{ from: one, to: now }] : [];
    }),
  };
}

// Files that every build writes anew are left out, and so are links of services, which are compared as
// services.
const saidElsewhere = /^\/etc\/(tbuild-release$|rc\.d\/rc\d\.d\/|systemd\/system\/[^/]+\.wants\/)/;

function fileChanges(allBefore: readonly FileRecord[], allAfter: readonly FileRecord[]): Difference["files"] {
  const from = allBefore.filter(({ path }) => !saidElsewhere.test(path));
  const to = allAfter.filter(({ path }) => !saidElsewhere.test(path));
  const before = new Map(from.map((file) => [file.path, file]));
  const after = new Map(to.map((file) => [file.path, file]));
  const changed: FileChange[] = [];
  for (const [path, now] of after) {
    const was = before.get(path);
    if (!was) continue;
    const what = whatChanged(was, now);
    if (what.length === 0) continue;
    const patch = was.text !== undefined && now.text !== undefined ? patchOf(was.text, now.text) : [];
    changed.push({ path, from: was, to: now, what, ...(patch.length > 0 && { patch }) });
  }
  return {
    added: to.filter(({ path }) => !before.has(path)),
    removed: from.filter(({ path }) => !after.has(path)),
    changed,
  };
}

function whatChanged(was: FileRecord, now: FileRecord): string[] {
  const what: string[] = [];
  if (was.kind !== now.kind) what.push(`was a ${was.kind}, is a ${now.kind}`);
  if (was.mode !== now.mode) what.push(`mode ${was.mode} → ${now.mode}`);
  if (was.owner !== now.owner) what.push(`owner ${was.owner} → ${now.owner}`);
  if (was.target !== now.target && now.kind === "link")
    what.push(`points to ${now.target}, not ${was.target}`);
  // If a file was unreadable in one of them, it is unknown whether it changed.
  if (was.digest === now.digest || was.digest === undefined || now.digest === undefined) return what;
  if (was.package !== undefined && now.package !== undefined)
    what.push(`from another version of ${now.package}`);
  else if (was.package !== undefined) what.push(`no longer as in ${was.package}`);
  else if (now.package !== undefined) what.push(`again as in ${now.package}`);
  else what.push("other content");
  return what;
}
