import { posix } from "node:path";
import type { OtherVolume } from "./account.ts";
import type { FstabEntry } from "./fstab.ts";

// Where a seal looks for identities, besides the home folders of /etc/passwd.
const sealedPlaces = ["/etc", "/var", "/root", "/home", "/usr", "/opt", "/srv", "/boot", "/tmp", "/nsr"];

// What lies there is made anew at each boot.
const runtimePlaces = ["/proc", "/sys", "/dev", "/run", "/var/run", "/var/lock"];

// Both are emptied, so one may show the other.
const emptiedPlaces = ["/tmp", "/var/tmp"];

const unions = /^(?:overlay|overlayfs|aufs|unionfs|unionfs-fuse|mergerfs|bindfs|fuse-overlayfs)$/;

/**
 * The folders that a guest covers with another folder, with a layer of one, or with a file system in a file, at places where
 * a seal looks. The image has the file there that is covered, not the one that the running guest reads.
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
      why: `is ${what.words} in the running guest (${entry.from}), and what it shows there was not looked into`,
    };
  });
}

/** Whether an entry mounts something of the guest's own files. */
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

// Of a path, too, but with nothing of the guest: swap has no place, and the others are media or on another machine.
const foreignTypes = /^(?:swap|iso9660|udf|squashfs|autofs|nfs4?|cifs|smb3|ignore)$/;

// The seal reads the source under its own name with the same result: a folder onto itself, as for `nodev`; a chroot, whose
// part has the path that it has outside; /tmp as /var/tmp. Of what is on no disk of the guest, nothing is in the image.
function isHarmless(source: string, at: string, entries: readonly FstabEntry[]): boolean {
  if (source === at || isIn(source, runtimePlaces)) return true;
  if (emptiedPlaces.includes(source) && emptiedPlaces.includes(at)) return true;
  if (isRemote(source, entries)) return true;
  const top = at.endsWith(source) ? at.slice(0, -source.length) : "";
  return top.slice(1).includes("/") && isIn(source, sealedPlaces);
}

// The deepest mount that holds the source counts.
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
