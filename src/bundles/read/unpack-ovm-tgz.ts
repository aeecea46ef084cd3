import { stat } from "node:fs/promises";
import { posix } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Runner } from "../../host/host.ts";
import { type DiskEntry, lostOptions } from "../../vm-cfg/devices.ts";
import { readVmCfg } from "../../vm-cfg/document.ts";
import { qcow2AsRaw } from "../../vm-cfg/format-note.ts";
import { machineOf, type VmCfgMachine } from "../../vm-cfg/machine.ts";
import { type Contents, type Described, diskName, type UnpackedDisk } from "./contents.ts";
import { imageKind, rawDisk } from "./disk-image.ts";
import { type Member, memberBytes, type UnpackOptions } from "./members.ts";
import { shown } from "./tar-entries.ts";

const mostConfigBytes = 256 * 1024;

/** An Oracle VM template: a vm.cfg and the images that it names, found by file name. */
export async function unpackOvmTgz(
  host: Runner,
  members: readonly Member[],
  work: string,
  options: UnpackOptions,
): Promise<Contents> {
  const [config, second] = members.filter((member) => posix.basename(member.name) === "vm.cfg");
  if (!config || second) throw new TbuildError("integrity", "the archive contains more than one vm.cfg");
  const machine = machineOf(readVmCfg(await memberBytes(config, mostConfigBytes)));
  const { found, notes } = membersOfDisks(machine, members);
  const disks: UnpackedDisk[] = [];
  let { mostBytes } = options;
  const formats: string[] = [];
  for (const { entry, member } of found) {
    if (entry.format === "raw" && (await imageKind(member)) === "qcow2")
      formats.push(qcow2AsRaw(shown(posix.basename(member.name))));
    const file = await rawDisk(host, member, work, undefined, { ...options, mostBytes });
    mostBytes -= (await stat(file)).size;
    disks.push({
      name: diskName(member.name, disks),
      file,
      ...(entry.slot !== undefined && isSlot(entry.slot) && { slot: entry.slot }),
      ...(entry.mode !== "w" && { mode: entry.mode }),
    });
  }
  const lost = found.flatMap(({ entry }) => lostOptions(entry));
  return { said: describe(machine), disks, notes: [...machine.notes, ...lost, ...formats, ...notes] };
}

interface Found {
  readonly entry: DiskEntry;
  readonly member: Member;
}

/** Finds the file of each disk. Reports all problems at once. */
function membersOfDisks(
  { disks }: VmCfgMachine,
  members: readonly Member[],
): { readonly found: readonly Found[]; readonly notes: readonly string[] } {
  const [found, notes, problems]: [Found[], string[], string[]] = [[], [], []];
  const taken = new Set<Member>();
  for (const entry of disks) {
    if (entry.isCdrom) {
      if (entry.target !== undefined)
        notes.push(
          `the disc ${shown(posix.basename(entry.target))} in its drive is left out; the drive is empty`,
        );
      continue;
    }
    const { target, slot } = entry;
    if (target === undefined) {
      notes.push(`its disk ${shown(entry.text)} names no image, and is left out`);
      continue;
    }
    if (entry.isDevice) {
      notes.push(`its disk ${shown(entry.text)} is a device of another machine, and is left out`);
      continue;
    }
    const name = posix.basename(target);
    const named = members.filter((member) => posix.basename(member.name) === name);
    // Of several files with this name, the one whose folders match the path.
    const exact = named.filter((member) => `/${target}`.endsWith(`/${member.name}`));
    const [member, other] = named.length > 1 && exact.length === 1 ? exact : named;
    if (!member) problems.push(`names the disk ${shown(name)}, which is not in the archive`);
    else if (other) problems.push(`names the disk ${shown(name)}, which it contains ${named.length} times`);
    else if (taken.has(member)) problems.push(`names the disk ${shown(name)} twice`);
    else if (slot !== undefined && found.some(({ entry: one }) => one.slot === slot))
      problems.push(`has two disks at ${shown(slot)}`);
    if (member) taken.add(member);
    if (member && !other) found.push({ entry, member });
  }
  if (problems.length === 0 && found.length === 0) problems.push("names no disk of the archive");
  if (problems.length > 0)
    throw new TbuildError("integrity", `vm.cfg: ${problems[0]}`, {
      lines: problems.slice(1).map((problem) => `vm.cfg: ${problem}`),
    });
  for (const member of members)
    if (/\.img$/i.test(member.name) && !taken.has(member))
      notes.push(`no vm.cfg names ${shown(member.name)}, so it is left out`);
  return { found, notes };
}

function isSlot(text: string): boolean {
  return /^[a-z][a-z0-9]{0,31}$/.test(text);
}

function describe({ disks, notes: _, nics, vifs, ...said }: VmCfgMachine): Described {
  const drives = disks.flatMap(({ isCdrom, slot }) =>
    isCdrom && slot !== undefined && isSlot(slot) ? slot : [],
  );
  return { ...said, nics, ...(vifs.length > 0 && { vifs }), ...(drives.length > 0 && { drives }) };
}
