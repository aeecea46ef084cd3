import { basename, dirname, join } from "node:path";
import { TbuildError } from "../errors.ts";
import { type Held, hold } from "../host/hold.ts";
import type { Host } from "../host/host.ts";
import type { Lock } from "../host/lock.ts";
import { farHost } from "../host/ssh.ts";
import { seeFolder } from "../host/sshfs.ts";
import type { FilesInUse } from "./in-use.ts";

/**
 * A folder with images on another machine, which is seen here. Its files are read and written as any; who uses them,
 * and who may change them, is said there.
 */
export interface FarFolder extends AsyncDisposable {
  readonly host: Host;
  /** Where it is seen. */
  readonly at: string;
  /** The files that were open there before they were seen here. */
  readonly users: FilesInUse;
  /** What a file that is seen here is called there. */
  pathOn(seen: string): string;
  /** Takes an image for us, as a tbuild on that machine would. */
  lock(seen: string): Promise<Lock>;
}

/** A file or folder on another machine: `[user@]host` (IPv6 in brackets), and an absolute path. */
export interface FarPath {
  readonly address: string;
  readonly path: string;
}

/** Opens the folder that `path` lies in, or that it is; links are followed there. `seen` is what `path` is called here. */
export async function openFar(
  { address, path }: FarPath,
  { config }: { readonly config?: string } = {},
): Promise<{ far: FarFolder; seen: string }> {
  const host = farHost(address, config);
  const { stdout } = await host.run(["sh", "-c", lookScript, "sh", path], { allow: [44] });
  const [kind = "", real = ""] = stdout.split("\0");
  if (real === "")
    throw new TbuildError("usage", `${address}:${path}: there is no such file`, {
      hint: `See what is there: ssh ${address} ls ${dirname(path)}`,
    });
  const folder = kind === "dir" ? real : dirname(real);
  const users = await usersOn(host);
  const seenFolder = await seeFolder(host, folder);
  const pathOn = (seen: string) => join(folder, seen.slice(seenFolder.at.length));
  const far: FarFolder = {
    host,
    at: seenFolder.at,
    users: { by: (seen) => users(pathOn(seen)) },
    pathOn,
    lock: (seen) => lockOn(host, pathOn(seen)),
    [Symbol.asyncDispose]: () => seenFolder[Symbol.asyncDispose](),
  };
  return { far, seen: kind === "dir" ? seenFolder.at : join(seenFolder.at, basename(real)) };
}

const lookScript = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin
real=$(readlink -f -- "$1") && test -e "$real" || exit 44
if test -d "$real"; then printf 'dir\\0%s\\0' "$real"; else printf 'file\\0%s\\0' "$real"; fi`;

// Loop devices, and what any process has open for writing. Kernels before 2.6.22 do not say how it is open: then it counts.
const usersScript = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL
for file in /sys/block/loop*/loop/backing_file; do
  test -e "$file" && printf '%s\\0%s\\0' "$file" "$(cat "$file")"
done
losetup -a 2> /dev/null | sed -n 's/^\\([^:]*\\): .*(\\(.*\\))$/\\1 \\2/p' | while read -r device file; do
  printf '%s\\0%s\\0' "$device" "$file"
done
find /proc/[0-9]*/fd -lname '/*' ! -lname '/dev/*' ! -lname '/proc/*' -printf '%p\\0%l\\0' 2> /dev/null
printf '\\0'
cd /proc && grep -H '^flags:.*[04]$' [0-9]*/fdinfo/* 2> /dev/null
:`;

async function usersOn(host: Host): Promise<(file: string) => string[]> {
  const { stdout } = await host.run(["sh", "-c", usersScript]);
  const [list = "", flags = ""] = stdout.split("\0\0");
  const onlyRead = new Set(
    flags
      .split("\n")
      .flatMap(
        (line) => /^(\d+)\/fdinfo\/(\d+):flags:\s*[0-7]*[04]$/.exec(line)?.slice(1, 3).join("/") ?? [],
      ),
  );
  const uses = new Map<string, Set<string>>();
  const fields = list.split("\0");
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [who = "", file = ""] = [fields[at], fields[at + 1]];
    const what = whoUses(who, onlyRead, host.name);
    if (what !== undefined) uses.set(file, (uses.get(file) ?? new Set()).add(what));
  }
  return (file) => [...(uses.get(file) ?? [])];
}

function whoUses(who: string, onlyRead: ReadonlySet<string>, host: string): string | undefined {
  const device = /^(?:\/sys\/block|\/dev)\/(loop\d+)/.exec(who)?.[1];
  if (device !== undefined) return `the loop device /dev/${device} on ${host}`;
  const [, pid = "", fd = ""] = /^\/proc\/(\d+)\/fd\/(\d+)$/.exec(who) ?? [];
  if (onlyRead.has(`${pid}/${fd}`)) return undefined;
  return `process ${pid} on ${host}, which has it open for writing`;
}

async function lockOn(host: Host, image: string): Promise<Lock> {
  const held = await hold(host, `${host.name}:${image}`, lockScript, [image, `${image}.tbuild-lock`]);
  if (held.said !== "") {
    await held[Symbol.asyncDispose]();
    throw new TbuildError(
      "environment",
      `${host.name}:${image}: is being changed by another tbuild (process ${held.said} there)`,
    );
  }
  return { release: () => release(held), [Symbol.asyncDispose]: () => release(held) };
}

async function release(held: Held): Promise<void> {
  await held[Symbol.asyncDispose]();
}

// The lock of host/lock.ts, held by this shell. The kernel's lock on the image keeps two shells from both removing one that a
// dead process left.
const lockScript = `
image=$1 lock=$2
exec 9< "$image"
flock -n 9 || { echo "tbuild-ready another"; until_gone; exit 0; }
begin() { sed 's/.*) //' "/proc/$1/stat" 2> /dev/null | cut -d' ' -f20; }
own="$$ $(begin $$)"
until ln -s "$own" "$lock" 2> /dev/null; do
  holder=$(readlink "$lock") || { echo "$lock: cannot be made"; exit 1; }
  if [ "$(begin "\${holder%% *}")" = "\${holder#* }" ]; then
    echo "tbuild-ready \${holder%% *}"
    until_gone
    exit 0
  fi
  rm -f "$lock"
done
echo tbuild-ready
until_gone
rm -f "$lock"`;
