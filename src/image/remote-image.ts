import { basename, dirname, join } from "node:path";
import { TbuildError } from "../errors.ts";
import { hold } from "../host/hold.ts";
import type { Host } from "../host/host.ts";
import type { Lock } from "../host/lock.ts";
import { farHost } from "../host/ssh.ts";
import { seeFolder } from "../host/sshfs.ts";
import { type FilesInUse, qemuLocks } from "./in-use.ts";

/**
 * A folder with images on another machine, mounted here. Its files are read and written like local ones. That
 * machine decides who uses them and who may change them.
 */
export interface FarFolder extends AsyncDisposable {
  readonly host: Host;
  /** Its local path. */
  readonly at: string;
  /** The users of its files at the time of opening. */
  readonly users: FilesInUse;
  /** Reads the users of its files again. */
  look(): Promise<FilesInUse>;
  /** The remote path of a file with this local path. */
  pathOn(seen: string): string;
  /** Locks an image, as a tbuild on that machine would. */
  lock(seen: string): Promise<Lock>;
}

/** A file or folder on another machine: `[user@]host` (IPv6 in brackets), and an absolute path. */
export interface FarPath {
  readonly address: string;
  readonly path: string;
}

/** Opens the folder `path`, or the folder that contains it. Links are followed there. `seen` is the local name of `path`. */
export async function openFar(
  { address, path }: FarPath,
  { config }: { readonly config?: string } = {},
): Promise<{ far: FarFolder; seen: string }> {
  const host = farHost(address, config);
  const { stdout } = await host.run(["sh", "-c", lookScript, "sh", path], { allow: [44] });
  const [kind = "", real = ""] = stdout.split("\0");
  if (real === "")
    throw new TbuildError("usage", `${address}:${path}: no such file`, {
      hint: `List the folder: ssh ${address} ls ${dirname(path)}`,
    });
  const folder = kind === "dir" ? real : dirname(real);
  let pathOn = (seen: string) => seen;
  // The shells with tbuild's own locks have the images open.
  const own = new Set<string>();
  const look = async (): Promise<FilesInUse> => {
    const users = await usersOn(host, ["find", folder, ...(kind === "dir" ? [] : ["-maxdepth", "1"])], own);
    return { by: (seen) => users(pathOn(seen)) };
  };
  const users = await look();
  const seenFolder = await seeFolder(host, folder);
  pathOn = (seen) => join(folder, seen.slice(seenFolder.at.length));
  const far: FarFolder = {
    host,
    at: seenFolder.at,
    users,
    look,
    pathOn,
    lock: (seen) => lockOn(host, pathOn(seen), own),
    [Symbol.asyncDispose]: () => seenFolder[Symbol.asyncDispose](),
  };
  return { far, seen: kind === "dir" ? seenFolder.at : join(seenFolder.at, basename(real)) };
}

const lookScript = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin
real=$(readlink -f -- "$1") && test -e "$real" || exit 44
if test -d "$real"; then printf 'dir\\0%s\\0' "$real"; else printf 'file\\0%s\\0' "$real"; fi`;

// A file has many names; device and inode are its own. losetup of 2005 has only 64 bytes for a name, so a
// loop device is identified by the inode. Kernels before 2.6.22 do not show how a file is open, so it counts
// as open for writing.
const usersScript = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL
losetup -a 2> /dev/null | sed -n 's/^\\([^:]*\\): \\[[^]]*\\]:\\([0-9]*\\) .*/loop \\1 \\2/p'
find -L /proc/[0-9]*/fd -maxdepth 1 -type f -printf 'open %p %D:%i\\n' 2> /dev/null
cd /proc && grep -H '^flags:.*[04]$' [0-9]*/fdinfo/* 2> /dev/null
cat /proc/locks 2> /dev/null
:`;

async function usersOn(
  host: Host,
  find: readonly string[],
  own: ReadonlySet<string>,
): Promise<(file: string) => string[]> {
  const listing = await host.run([...find, "-type", "f", "-printf", "%D:%i\\0%p\\0"], { allow: [1] });
  const ids = idsIn(listing.stdout);
  const { stdout } = await host.run(["sh", "-c", usersScript]);
  const onlyRead = new Set(
    [...stdout.matchAll(/^(\d+)\/fdinfo\/(\d+):flags:\s*[0-7]*[04]$/gm)].map(([, pid, fd]) => `${pid}/${fd}`),
  );
  const uses: { id: RegExp | string; what: string }[] = [];
  for (const [, device, inode] of stdout.matchAll(/^loop (\S+) (\d+)$/gm))
    uses.push({ id: new RegExp(`:${inode}$`), what: `the loop device ${device} on ${host.name}` });
  for (const [, pid = "", fd, id = ""] of stdout.matchAll(/^open \/proc\/(\d+)\/fd\/(\d+) (\S+)$/gm))
    if (!own.has(pid) && !onlyRead.has(`${pid}/${fd}`))
      uses.push({ id, what: `process ${pid} on ${host.name}, which has it open for writing` });
  for (const { id, what } of qemuLocks(stdout)) uses.push({ id, what: `${what}, on ${host.name}` });
  return (file) => {
    const id = ids.get(file);
    const found = uses.filter(
      (use) => id !== undefined && (typeof use.id === "string" ? use.id === id : use.id.test(id)),
    );
    return [...new Set(found.map(({ what }) => what))];
  };
}

function idsIn(listing: string): Map<string, string> {
  const fields = listing.split("\0");
  const ids = new Map<string, string>();
  for (let at = 0; at + 1 < fields.length; at += 2) ids.set(fields[at + 1] ?? "", fields[at] ?? "");
  return ids;
}

async function lockOn(host: Host, image: string, own: Set<string>): Promise<Lock> {
  const held = await hold(host, `${host.name}:${image}`, lockScript, [image, `${image}.tbuild-lock`]);
  const [, what, pid = ""] = /^(own|taken) ?(\d*)$/.exec(held.said) ?? [];
  if (what !== "own") {
    await held[Symbol.asyncDispose]();
    const who = pid === "" ? "" : ` (process ${pid} there)`;
    throw new TbuildError("environment", `${host.name}:${image}: is being changed by another tbuild${who}`);
  }
  own.add(pid);
  const release = async () => held[Symbol.asyncDispose]();
  return { release, isLost: () => held.isGone(), [Symbol.asyncDispose]: release };
}

// The lock of host/lock.ts, held by this shell. The kernel's lock on the image prevents two shells from both
// removing the lock of a dead process. Over NFS, it needs a file that is open for writing. A lock is renamed
// before it is removed, and put back if it turns out to belong to a live process.
const lockScript = `
image=$1 lock=$2
exec 9<> "$image" || exit 1
flock -n 9
case $? in
  0) ;;
  1) echo "tbuild-ready taken"; until_gone; exit 0 ;;
  *) exit 1 ;;
esac
begin() { sed 's/.*) //' "/proc/$1/stat" 2> /dev/null | cut -d' ' -f20; }
boot="$(cat /proc/sys/kernel/random/boot_id):$(readlink /proc/self/ns/pid | tr -dc 0-9)"
host="$(uname -n):$(cat /etc/machine-id 2> /dev/null)"
own="$$ $(begin $$) $boot $host"
# As in host/lock.ts: alive, unless this kernel says otherwise or this machine was booted anew.
lives() {
  if [ -z "$4" ] || [ "$3" = "$boot" ]; then [ "$(begin "$1")" = "$2" ]; return; fi
  [ "$4" != "$host" ] || [ "\${3%%:*}" = "\${boot%%:*}" ]
}
left=20
until ln -s "$own" "$lock" 2> /dev/null; do
  left=$((left - 1))
  [ $left -gt 0 ] || { echo "$lock: cannot be made"; exit 1; }
  holder=$(readlink "$lock") || continue
  if lives $holder; then
    echo "tbuild-ready taken \${holder%% *}"
    until_gone
    exit 0
  fi
  mv -f "$lock" "$lock.$$" 2> /dev/null || continue
  [ "$(readlink "$lock.$$")" = "$holder" ] || ln -s "$(readlink "$lock.$$")" "$lock"
  rm -f "$lock.$$"
done
echo "tbuild-ready own $$"
until_gone 9>&-
rm -f "$lock"`;
