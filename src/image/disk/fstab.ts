import type { Mount, Volume } from "../access.ts";
import { stringOf } from "../names.ts";

/** One mount of a guest, from its fstab or a systemd mount unit. */
export interface FstabEntry {
  /** What is mounted: `/dev/sda1`, `UUID=…`, `server:/export`. */
  readonly device: string;
  /** Where: `/var`; `none` or `swap` for swap. */
  readonly at: string;
  readonly type: string;
  readonly options: readonly string[];
  /** The place of the entry: `/etc/fstab:4`. */
  readonly from: string;
}

/** The mounts of a guest, and those whose volume was not found on this disk. */
export interface GuestMounts {
  readonly mounts: readonly Mount[];
  /** One line for each, with its place and the reason: a second disk, a name that no volume has. */
  readonly unresolved: readonly Unresolved[];
  /** The swap files, as paths in the guest. */
  readonly swapFiles: readonly string[];
}

export interface Unresolved {
  readonly entry: FstabEntry;
  /** The reason, worded to follow the device's name and "which". */
  readonly why: string;
}

/**
 * The entries of an fstab by the rules of fstab(5) and libmount: lines that start with `#` are comments, blanks separate
 * words, octal escapes stand for special characters, tags may be quoted, and words after the sixth are ignored.
 */
export function fstabEntries(text: string, file = "/etc/fstab"): FstabEntry[] {
  return text.split("\n").flatMap((line, index) => {
    const words = line.trim().split(/[ \t\r]+/);
    const [device = "", at = "", type = "auto", options = "defaults"] = words.map(unescaped);
    if (device === "" || device.startsWith("#") || at === "") return [];
    return [
      { device: unquoted(device), at, type, options: options.split(","), from: `${file}:${index + 1}` },
    ];
  });
}

/** The entry of a mount or swap unit. The last value of a key counts. `undefined` if it names no device. */
export function mountUnitEntry(text: string, file: string): FstabEntry | undefined {
  const said = new Map<string, string>();
  let section = "";
  for (const line of text.replaceAll(/\\\r?\n/g, " ").split("\n")) {
    const words = line.trim();
    if (words === "" || words.startsWith("#") || words.startsWith(";")) continue;
    section = /^\[(.*)\]$/.exec(words)?.[1] ?? section;
    const [, key, value] = /^(\w+)\s*=\s*(.*)$/.exec(words) ?? [];
    if ((section === "Mount" || section === "Swap") && key !== undefined && value !== undefined)
      said.set(key, value);
  }
  const isSwap = file.endsWith(".swap");
  const [device, at] = [said.get("What"), isSwap ? "none" : said.get("Where")];
  if (!device || !at) return undefined;
  const options = (said.get("Options") ?? "defaults").split(",");
  return {
    device: unquoted(device),
    at,
    type: isSwap ? "swap" : (said.get("Type") ?? "auto"),
    options,
    from: file,
  };
}

/** The mounts in the entries. Of two with the same mount point, the later one wins, as for mount(8). */
export function resolveMounts(
  entries: readonly FstabEntry[],
  volumes: readonly Volume[],
  root: Volume,
  missing: readonly string[] = [],
): GuestMounts {
  const mounts = new Map([["/", root]]);
  const unresolved: Unresolved[] = [];
  for (const entry of entries) {
    if (isNoDisk(entry)) continue;
    const found = volumeOf(entry, volumes);
    if (typeof found === "string") {
      unresolved.push({ entry, why: found });
      continue;
    }
    const at = entry.at.replace(/\/+$/, "");
    if (found.fs === "swap" || entry.type === "swap" || at === "") continue;
    if (!isPlace(at)) {
      unresolved.push({
        entry,
        why: `has ${entry.at} as its mount point, which is not an absolute path in the guest`,
      });
      continue;
    }
    if (found.fs === "unknown" || found.refused !== undefined) {
      unresolved.push({
        entry,
        why: `is ${found.name}, which ${found.refused ?? "contains no file system that tbuild knows"}`,
      });
      continue;
    }
    const volume = partOf(found, subvolumeOption(entry.options));
    if (volume.name === root.name && volume.subvolume !== undefined && missing.includes(volume.subvolume)) {
      unresolved.push({ entry, why: `has no subvolume ${volume.subvolume}` });
      continue;
    }
    if (volume.name !== root.name || volume.subvolume !== root.subvolume) mounts.set(at, volume);
  }
  return {
    mounts: [...mounts].map(([at, volume]) => ({ at, volume })),
    unresolved,
    swapFiles: swapFilesIn(entries),
  };
}

function swapFilesIn(entries: readonly FstabEntry[]): string[] {
  const paths = entries
    .filter(({ type, device }) => type === "swap" && device.startsWith("/") && !device.startsWith("/dev/"))
    .map(({ device }) => device.replaceAll(/\/+/g, "/"));
  return [...new Set(paths)];
}

/** The subvolume in a mount's options. */
export function subvolumeOption(options: readonly string[]): string | undefined {
  return options.find((option) => option.startsWith("subvol="))?.slice(7);
}

/** The volume with the mounted btrfs subvolume. The name becomes a mount option, so a name with special characters is refused. */
export function partOf(volume: Volume, subvolume: string | undefined): Volume {
  if (volume.fs !== "btrfs" || !subvolume || !/^[\w@./-]+$/.test(subvolume)) return volume;
  return { ...volume, subvolume: subvolume.replace(/^\/+/, "") };
}

// File systems that are not on a disk of this machine: the kernel's own, network, bind and removable ones.
function isNoDisk({ device, type, options, at }: FstabEntry): boolean {
  return (
    noDiskTypes.has(type) ||
    type.startsWith("fuse") ||
    type.startsWith("nfs") ||
    options.some(
      (option) => ["bind", "rbind", "_netdev", "loop"].includes(option) || option.startsWith("loop="),
    ) ||
    /^(?:none|proc|sysfs|tmpfs|devpts|devtmpfs|shm|cgroup|overlay)$/.test(device) ||
    /^\/dev\/(?:cdrom|dvd|cdrw|dvdrw|sr\d|scd\d|fd\d|floppy)/.test(device) ||
    device.startsWith("//") ||
    /^[^/=]+:/.test(device) ||
    // A file: swap, or an image of a file system. It is part of a volume, and is sealed with it.
    (device.startsWith("/") && !device.startsWith("/dev/")) ||
    at === "ignore"
  );
}

const noDiskTypes = new Set(
  (
    "proc sysfs tmpfs ramfs devpts devtmpfs securityfs debugfs tracefs configfs hugetlbfs mqueue cgroup cgroup2 pstore bpf " +
    "binfmt_misc rpc_pipefs nfsd selinuxfs efivarfs usbfs usbdevfs autofs cifs smbfs smb3 ncpfs afs ceph glusterfs lustre " +
    "9p virtiofs vboxsf vmhgfs overlay aufs iso9660 udf sshfs davfs ignore"
  ).split(" "),
);

/** The volume, or the reason why there is none, worded to follow the device's name. */
function volumeOf({ device }: FstabEntry, volumes: readonly Volume[]): Volume | string {
  const by = (what: string, test: (volume: Volume) => boolean) => {
    const [first, ...others] = volumes.filter(test);
    if (!first) return `is missing: no volume of this disk has ${what}`;
    // Choosing one of two would be a guess.
    const isOne = others.length === 0 || (first.fs === "btrfs" && others.every(({ fs }) => fs === "btrfs"));
    return isOne
      ? first
      : `is ambiguous: ${[first, ...others].map(({ name }) => name).join(" and ")} have ${what}`;
  };
  const same = (one: string | undefined, other: string) => one?.toLowerCase() === other.toLowerCase();
  const [, tag, value = ""] = /^([A-Z]+)=(.*)$/.exec(device) ?? [];
  const [, folder, name = ""] = /^\/dev\/disk\/(by-[a-z]+)\/(.+)$/.exec(device) ?? [];
  const said = tag === undefined ? udevDecoded(name) : unquoted(value);
  const key =
    tag ??
    { "by-uuid": "UUID", "by-label": "LABEL", "by-partuuid": "PARTUUID", "by-partlabel": "PARTLABEL" }[
      folder ?? ""
    ];
  if (key === "UUID") return by(`the UUID ${said}`, ({ uuid }) => same(uuid, said));
  if (key === "LABEL") return by(`the label ${said}`, ({ label }) => label === said);
  if (key === "PARTUUID") return by(`the PARTUUID ${said}`, ({ partUuid }) => same(partUuid, said));
  if (key === "PARTLABEL") return by(`the PARTLABEL ${said}`, ({ partLabel }) => partLabel === said);
  if (key !== undefined && key !== "ID") return `${key}= is not a known tag`;
  if (key === "ID" || folder !== undefined) return byHardware(key === "ID" ? said : name, by);
  return byNode(device, by);
}

type By = (what: string, test: (volume: Volume) => boolean) => Volume | string;

// /dev/disk/by-id and by-path name a disk by its hardware, which an image does not show, and a partition by
// its number. With a single disk, the image is that disk.
function byHardware(name: string, by: By): Volume | string {
  const [, mapped] = /^dm-name-(.+)$/.exec(name) ?? [];
  if (mapped !== undefined) return byNode(`/dev/mapper/${udevDecoded(mapped)}`, by);
  if (/^(?:dm-uuid|lvm-pv|md-)/.test(name)) return "is a name that this disk cannot resolve";
  const [, number] = /-part(\d+)$/.exec(name) ?? [];
  return number === undefined
    ? "names a whole disk by its hardware"
    : by(`the number ${number}`, ({ name }) => name === `p${number}`);
}

// The hypervisor determines whether a disk is sda, vda, xvda, hda or nvme0n1, so only the letter and the
// number count.
function byNode(device: string, by: By): Volume | string {
  const partition =
    /^\/dev\/(?:[hsv]|xv)d([a-z]+)(\d*)$/.exec(device) ??
    /^\/dev\/(?:nvme|mmcblk)(\d+)(?:n\d+)?(?:p(\d+))?$/.exec(device) ??
    /^\/dev\/(?:cciss|ida|rd)\/c\d+d(\d+)(?:p(\d+))?$/.exec(device);
  if (partition) {
    const [, disk = "", number = ""] = partition;
    if (!["a", "0"].includes(disk)) return "is on another disk";
    return number === ""
      ? by("the disk has no partition table", ({ name }) => name === "disk")
      : by(`the number ${number}`, ({ name }) => name === `p${number}`);
  }
  const [, array] = /^\/dev\/(md\d+|md\/.+)$/.exec(device) ?? [];
  if (array !== undefined) {
    const found = by(`the name ${array}`, ({ name }) => name === array);
    return typeof found === "string" ? "is a software RAID (MD), but no complete one has this name" : found;
  }
  if (/^\/dev\/(?:drbd|bcache|zd|rbd|nbd|loop|mapper\/mpath|mapper\/luks|dm-)/.test(device))
    return "consists of parts that this disk does not describe";
  const logical = logicalName(device);
  if (logical === undefined) return "is an unknown name";
  return by(`the name ${logical}`, ({ name }) => name === logical);
}

// device-mapper doubles a dash that belongs to a name: vg--a-root is root in vg-a.
function logicalName(device: string): string | undefined {
  const isMapped = device.startsWith("/dev/mapper/");
  const [, group, logical] =
    /^\/dev\/mapper\/((?:[^-]|--)+)-((?:[^-]|--)+)$/.exec(device) ??
    (isMapped ? null : /^\/dev\/([^/]+)\/([^/]+)$/.exec(device)) ??
    [];
  if (group === undefined || logical === undefined) return undefined;
  const single = (name: string) => (isMapped ? name.replaceAll("--", "-") : name);
  return `${single(group)}/${single(logical)}`;
}

// A guest's mount point becomes a path on the host that mounts it, so `..` is refused.
function isPlace(at: string): boolean {
  const [start, ...names] = at.split("/");
  return start === "" && names.length > 0 && names.every((name) => name !== "" && !/^\.{1,2}$/.test(name));
}

function unescaped(word: string): string {
  return word.replaceAll(/(?:\\[0-3][0-7]{2})+/g, (run) =>
    stringOf(
      Buffer.from(
        run
          .split("\\")
          .slice(1)
          .map((octal) => Number.parseInt(octal, 8)),
      ),
    ),
  );
}

/** `UUID="x"`, `UUID='x'`, `"UUID=x"`. */
function unquoted(word: string): string {
  return word.replace(/^(["'])(.*)\1$/, "$2").replace(/^(\w+=)(["'])(.*)\2$/, "$1$3");
}

// udev escapes special characters in file names, as in \x20.
function udevDecoded(name: string): string {
  return name.replaceAll(/\\x([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
