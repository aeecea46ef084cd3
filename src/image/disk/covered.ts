import { posix } from "node:path";
import type { FstabEntry } from "./fstab.ts";
import type { OtherVolume } from "./other-volumes.ts";

// The folders in which a seal looks for identities, besides the home folders of /etc/passwd.
const sealedPlaces = ["/etc", "/var", "/root", "/home", "/usr", "/opt", "/srv", "/boot", "/tmp", "/nsr"];

// Its contents are made again at each boot.
const runtimePlaces = ["/proc", "/sys", "/dev", "/run", "/var/run", "/var/lock"];

// A seal empties both, so one may be mounted over the other.
const emptiedPlaces = ["/tmp", "/var/tmp"];

const unions = /^(?:overlay|overlayfs|aufs|unionfs|unionfs-fuse|mergerfs|bindfs|fuse-overlayfs)$/;

/**
 * The folders in which a seal looks, but that the guest covers with another folder, an overlay, or a file
 * system in a file. There, the image shows the covered files, not those that the running guest reads.
 */
export function coveredPlaces(
  entries: readonly FstabEntry[],
  homes: readonly string[] = [],
): readonly OtherVolume[] {
  const places = [...sealedPlaces, ...homes.map(normal).filter((home) => home !== "/")];
  return entries.flatMap((entry) => {
    const what = coverOf(entry);
    const at = normal(entry.at);
    if (what === undefined || !entry.at.startsWith("/") || isIn(at, runtimePlaces)) return [];
    if (!isIn(at, places) && !places.some((place) => isBelow(place, at))) return [];
    if (what.isFolder && isHarmless(normal(entry.device), at, entries)) return [];
    return {
      name: at,
      fs: "unknown" as const,
      bytes: 0,
      state: "unknown" as const,
      why: `is ${what.words} in the running guest (${entry.from}), whose contents were not inspected`,
    };
  });
}

/** Whether an entry mounts a part of the guest's own files. */
export function isCover(entry: FstabEntry): boolean {
  return coverOf(entry) !== undefined;
}

function coverOf({
  device,
  type,
  options,
}: FstabEntry): { readonly words: string; readonly isFolder?: true } | undefined {
  if (options.some((option) => /^r?bind$/.test(option)))
    return { words: `a bind mount of ${device}`, isFolder: true };
  const program = type === "fuse" ? (device.split("#")[0] ?? "") : type.replace(/^fuse\./, "");
  if (unions.test(program)) return { words: `a mount of type ${program}` };
  const isOwn = /^\/(?!\/|(?:dev|proc|sys)\/)/.test(device) && !device.endsWith(".iso");
  return isOwn && !foreignTypes.test(type) ? { words: `a mount of ${device}` } : undefined;
}

// These also start with a path, but contain no files of the guest: swap has no mount point, and the others
// are media or on another machine.
const foreignTypes = /^(?:swap|iso9660|udf|squashfs|autofs|nfs4?|cifs|smb3|ignore)$/;

// The seal reads the source under its own name, with the same result: a folder mounted onto itself, as for
// `nodev`; a chroot, with the same path as outside; /tmp as /var/tmp. Sources that are not on a disk of the
// guest are not in the image.
function isHarmless(source: string, at: string, entries: readonly FstabEntry[]): boolean {
  if (source === at || isIn(source, runtimePlaces)) return true;
  if (emptiedPlaces.includes(source) && emptiedPlaces.includes(at)) return true;
  if (isRemote(source, entries)) return true;
  const top = at.endsWith(source) ? at.slice(0, -source.length) : "";
  return top.slice(1).includes("/") && isIn(source, sealedPlaces);
}

// The deepest mount that contains the source is used.
function isRemote(source: string, entries: readonly FstabEntry[]): boolean {
  const holder = entries
    .filter(({ at }) => at.startsWith("/") && at !== "/" && isIn(source, [normal(at)]))
    .sort((one, other) => normal(other.at).length - normal(one.at).length)[0];
  return holder !== undefined && /^(?:nfs4?|cifs|smbfs|smb3|tmpfs|ramfs)$/.test(holder.type);
}

function isIn(path: string, places: readonly string[]): boolean {
  return places.some((place) => path === place || isBelow(path, place));
}

function isBelow(path: string, above: string): boolean {
  return above === "/" ? path !== "/" : path.startsWith(`${above}/`);
}

function normal(path: string): string {
  return posix.normalize(path).replace(/(.)\/+$/, "$1");
}
