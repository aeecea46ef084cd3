import { fileSystems } from "../../recipe/file-systems.ts";
import { Recipe } from "../../recipe/recipe.ts";
import type { Findings } from "./findings.ts";
import type { ReadLine } from "./read-line.ts";
import { useMembers } from "./storage-members.ts";

/** `part` and `logvol`: an entry of the recipe's layout, on the system disk. */
export function takePartition(read: ReadLine, found: Findings): void {
  const mount = read.words[0] ?? "";
  const { mib, grow } = sizeOf(read, found);
  const disk = read.option("ondisk", "ondrive");
  found.asAnyway(read.part("asprimary"));
  // Members have no file system of their own, and swap has only one type.
  if (mount === "swap" || !mount.startsWith("/")) found.asAnyway(read.part("fstype", "type"));
  const further = disk !== undefined && isFurther(disk, found);
  if (disk !== undefined && !further) found.asAnyway(read.part("ondisk", "ondrive"));
  if (/^(pv|raid|btrfs)\./.test(mount)) {
    if (found.members.has(mount))
      found.leave(found.members.get(mount)?.from ?? read, `line ${read.line} repeats it, and wins`);
    found.members.set(mount, { mib, grow, from: read });
    if (further) found.leave(read, `a recipe has volumes on the system disk only, not on ${disk}`);
    return;
  }
  if (["biosboot", "prepboot", "/boot/efi"].includes(mount)) {
    found.leave(read, "tbuild makes the partition that the firmware starts from; see machine.firmware");
    return;
  }
  if (read.has("thinpool")) {
    found.leave(read, "a recipe has no thin pools; its volumes become plain ones");
    return;
  }
  if (further) {
    if (takeFurtherDisk(read, mount, found)) return;
    found.leave(read, "further disks need ext3 or ext4 and a size; this goes to the system disk");
  }
  const inGroup = read.name === "logvol";
  const volume = inGroup ? volumeOf(read, found) : undefined;
  if (inGroup && read.has("thin")) found.leave(read, "a recipe has no thin pools; it becomes a plain volume");
  const fs = mount === "swap" ? "swap" : fileSystemOf(read, mount, found);
  const part = {
    mount: mount === "/" ? mount : mount.replace(/\/+$/, ""),
    fs,
    size: `${mib}M`,
    ...(grow && { grow }),
    ...optionsOf(read, fs, found),
    ...(volume !== undefined && { volume }),
  };
  found.addPart(part, read);
  if (inGroup) found.groupOf.set(part, read.option("vgname"));
}

/** `volgroup`: the first one becomes the recipe's. */
export function takeVolumeGroup(read: ReadLine, found: Findings): void {
  const said = read.words[0];
  if (said === undefined) {
    found.leave(read, "it has no name");
    return;
  }
  const members = read.words.slice(1);
  useMembers(members, read, found);
  if (found.groups.has(said)) found.leave(read, "a volume group of this name already exists");
  found.groups.set(said, members);
  const name = asName(said);
  const extents = read.option("pesize");
  if (extents !== undefined && !/^(4096|4)K?$/.test(extents))
    found.leave(read, "the volume group of a recipe has extents of 4 MiB");
  if (extents !== undefined && /^(4096|4)K?$/.test(extents)) found.asAnyway(read.part("pesize"));
  if (found.scalars.volumeGroup === undefined) found.say("volumeGroup", name, read);
  else if (found.scalars.volumeGroup !== name)
    found.leave(
      read,
      `a recipe has one volume group, ${found.scalars.volumeGroup}; these volumes go into it`,
    );
  if (name !== said) found.leave(read, `is called ${name}`);
}

/** `raid`: a template has one disk, so an array becomes a plain partition of the size of one member. */
export function takeRaid(read: ReadLine, found: Findings): void {
  const [mount = "", ...names] = read.words;
  const members = useMembers(names, read, found);
  for (const option of ["device", "level", "spares", "chunksize"]) read.option(option);
  if (/^pv\./.test(mount)) {
    const mib = members.length === 0 ? 0 : Math.max(...members.map((member) => member.mib));
    found.members.set(mount, { mib, grow: members.some((member) => member.grow), from: read });
    found.leave(read, "a template has one disk; the volume group is put on a plain partition");
    return;
  }
  if (members.length === 0) {
    found.leave(read, "it has no members");
    return;
  }
  found.leave(read, "a template has one disk; this becomes a plain partition");
  const grow = members.some((member) => member.grow);
  if (mount === "swap") found.asAnyway(read.part("fstype"));
  const fs = mount === "swap" ? "swap" : fileSystemOf(read, mount, found);
  found.addPart(
    {
      mount,
      fs,
      size: `${Math.max(...members.map((member) => member.mib))}M`,
      ...(grow && { grow }),
      ...optionsOf(read, fs, found),
    },
    read,
  );
}

/**
 * `btrfs`: a mounted volume is an entry of the layout. If a volume is not mounted itself, its subvolume `/`
 * represents it, and the others become folders in it.
 */
export function takeBtrfs(read: ReadLine, found: Findings): void {
  const [mount = "", ...names] = read.words;
  const members = useMembers(
    names.map((name) => name.replace(/^LABEL=/, "")),
    read,
    found,
  );
  const volume = {
    mib: members.reduce((sum, member) => sum + member.mib, 0),
    grow: members.some((member) => member.grow),
  };
  const label = read.option("label");
  if (label !== undefined) {
    found.members.set(label, { ...volume, from: read, of: members });
    if (mount.startsWith("/")) found.leave(read, "a recipe has no labels");
    if (mount.startsWith("/")) found.used.add(label);
  }
  if (read.has("data") || read.has("metadata"))
    found.leave(read, "a template has one disk, so there are no RAID levels");
  // Reports the name of a subvolume, too.
  const nested = read.has("subvol");
  if (nested) read.has("name", "parent");
  if (nested && mount === "/") found.leave(read, "a recipe has no subvolumes; / is the volume itself");
  if (members.length === 0) found.leave(read, "it has no members");
  else if (!mount.startsWith("/")) return;
  else if (nested && mount !== "/") found.leave(read, "a recipe has no subvolumes; it becomes a folder in /");
  else {
    for (const member of members.flatMap((one) => [one, ...(one.of ?? [])])) found.mounted.add(member);
    found.addPart(
      {
        mount,
        fs: known("btrfs", mount, read, found),
        size: `${volume.mib}M`,
        ...(volume.grow && { grow: true }),
      },
      read,
    );
  }
}

// MiB for sizes that the installer computes or finds on the disk; a recipe must state them.
const usual: Readonly<Record<string, number>> = { "/boot": 500, swap: 2048, "/": 3072 };

function sizeOf(read: ReadLine, found: Findings): { mib: number; grow: boolean } {
  const mount = read.words[0] ?? "";
  const said = Number(read.option("size"));
  const percent = read.option("percent");
  const grows = read.has("grow");
  if (read.has("maxsize")) found.leave(read, "a recipe has a minimum size, and whether it grows");
  if (said > 9_999_999) found.leave(read, "the largest size of a recipe is 9999999 MiB");
  if (Number.isInteger(said) && said >= 1) {
    if (percent !== undefined) found.leave(read, "a recipe has sizes in MiB, no percentages; --size is used");
    return { mib: Math.min(said, 9_999_999), grow: grows };
  }
  const mib = usual[mount] ?? 1024;
  const grow = grows || mount === "/" || Number(percent) >= 100;
  read.has("recommended", "hibernation");
  if (!read.has("thinpool"))
    found.leave(read, `no size in MiB is given; it gets ${mib} MiB${grow ? " and grows" : ""}`);
  return { mib, grow };
}

function optionsOf(read: ReadLine, fs: string, found: Findings): { options?: string } {
  const options = read.option("fsoptions");
  if (options === undefined) return {};
  if (options === "defaults") {
    found.asAnyway(read.part("fsoptions"));
    return {};
  }
  if (fs === "swap") {
    found.leave(read, "swap has no mount options in a recipe");
    return {};
  }
  if (/^[\w.,=:/%+-]+$/.test(options)) return { options };
  found.leave(read, "a recipe cannot express its mount options");
  return {};
}

// The first disk that is named is the system disk.
function isFurther(disk: string, found: Findings): boolean {
  found.disks.add(disk.replace(/^\/dev\//, ""));
  return [...found.disks][0] !== disk.replace(/^\/dev\//, "");
}

/** A file system on another disk becomes a further disk. Returns whether it did. */
function takeFurtherDisk(read: ReadLine, mount: string, found: Findings): boolean {
  const [size, fs = "", options] = [
    Number(read.option("size")),
    read.option("fstype"),
    read.option("fsoptions"),
  ];
  const possible = ["ext3", "ext4"].filter((one) => fileSystems[found.release].includes(one));
  // Boot volumes stay on the system disk. Without a size, the size of the disk is unknown.
  if (!possible.includes(fs) || !(size >= 100) || !/^\/(?!$|boot|usr|etc|var$|root$)/.test(mount))
    return false;
  if (read.has("grow")) found.leave(read, "a further disk has a fixed size");
  const before = found.left.length;
  found.add(
    "disks",
    { size: `${size}M`, fs, mount, ...(options && options !== "defaults" && { options }) },
    read,
  );
  return found.left.length === before;
}

function volumeOf(read: ReadLine, found: Findings): string {
  const said = read.option("name") ?? (read.words[0] ?? "volume").replace(/^\/+/, "");
  const group = read.option("vgname");
  if (group === undefined) found.leave(read, "it names no volume group");
  else if (!found.groups.has(group)) found.leave(read, `no line before it defines volume group ${group}`);
  if (read.option("name") === undefined) found.leave(read, "no name is given");
  if (group !== undefined && found.scalars.volumeGroup === undefined)
    found.say("volumeGroup", asName(group), read);
  const name = asName(said === "" ? "root" : said);
  const taken = found.layout.some((part) => part.volume === name);
  const free = taken ? asName(`${group ?? ""}_${said}`) : name;
  if (free !== said) found.leave(read, `the volume is called ${free}`);
  return free;
}

function asName(text: string): string {
  if (Recipe.shape.volumeGroup.safeParse(text).success) return text;
  const name = text.replace(/\W+/g, "_").replace(/^[^A-Za-z]+/, "");
  return name === "" ? "volume" : name.slice(0, 31);
}

function fileSystemOf(read: ReadLine, mount: string, found: Findings): string {
  const said = read.option("fstype", "type");
  if (read.has("fstype") && read.has("type"))
    found.leave(read, "--type means the same as --fstype, which wins");
  if (said !== undefined && said !== "") return known(said, mount, read, found);
  found.leave(read, `no file system is given; it gets ${own(found.release)}`);
  return own(found.release);
}

function known(said: string, mount: string, read: ReadLine, found: Findings): string {
  const possible = fileSystems[found.release].filter((fs) => fs !== "swap");
  if (possible.includes(said) && !(said === "btrfs" && mount === "/boot")) return said;
  const instead = said === "ext2" ? "ext3" : own(found.release);
  found.leave(read, `${found.release} cannot be installed on ${said}; it gets ${instead}`);
  return instead;
}

function own(release: Recipe["release"]): string {
  return release === "ol5" ? "ext3" : release === "ol6" ? "ext4" : "xfs";
}
