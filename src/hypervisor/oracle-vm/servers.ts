import { TbuildError } from "../../errors.ts";
import { type FarHost, farHost } from "../../host/ssh.ts";
import type { OracleVmOptions } from "./options.ts";

/** The Oracle VM Servers that the site names. All of a pool see the same repositories. */
export interface Servers {
  /** The server that reads and writes disks. */
  readonly first: FarHost;
  /** Its address for ssh. */
  readonly firstAddress: string;
  /** Its name in the Manager. */
  readonly firstName: string;
  /** The one of this name. */
  named(name: string): FarHost;
  readonly all: ReadonlyMap<string, FarHost>;
}

export function serversOf({ servers, sshConfig, patience }: OracleVmOptions): Servers {
  const all = new Map(
    Object.entries(servers).map(([name, address]) => [name, farHost(address, sshConfig, patience)] as const),
  );
  const [[firstName, first] = []] = all;
  const [firstAddress] = Object.values(servers);
  if (first === undefined || firstName === undefined || firstAddress === undefined)
    throw new Error("the site must name at least one server");
  return {
    first,
    firstName,
    firstAddress,
    all,
    named(name) {
      const found = all.get(name);
      if (found) return found;
      throw new TbuildError("environment", `runs on the server ${name}, which the site does not name`, {
        hint: `Add it to hypervisor.servers: ${name}: root@${name}`,
      });
    },
  };
}

// Scripts for a server. They need sh, xenstore-read, xenstore-list, ip, setsid and GNU coreutils.

/** Prints the number of the domain whose name is the Manager's id of the machine, `$0`. */
export const domainScript = `
for id in $(xenstore-list /local/domain 2>/dev/null); do
  [ "$(xenstore-read "/local/domain/$id/name" 2>/dev/null)" = "$0" ] && echo "$id"
done
true`;

/**
 * Logs the console of a machine that has just been started, until it ends. After a reboot of the guest, the
 * console is another device. `$0`: a folder; `$1`: the Manager's id; `$2`: \`domainScript\`; `$3`:
 * \`deviceScript\`; `$4`: \`followingScript\`.
 */
export const watchScript = `
mkdir -p -- "$0" && cd "$0" || exit
# Of two that follow one console, each would get a part of it.
old=$(cat watcher 2>/dev/null)
[ -n "$old" ] && [ "$(readlink "/proc/$old/cwd")" = "$(pwd -P)" ] && kill -- "-$old"
rm -f console drained; : > console.log
until=$(($(date +%s) + 60))
until device=$(sh -c "$3" "$1" "$2") && [ -n "$device" ]; do
  [ "$(date +%s)" -lt $until ] || { echo "no console of the domain $1 appeared in xenstore" >&2; exit 1; }
  sleep 0.1
done
ln -sfn "$device" console
setsid sh -c "$4" "$1" "$2" "$3" </dev/null >watcher.log 2>&1 &
echo $! > watcher`;

/** Prints the device of a machine's console. `$0`: its id; `$1`: `domainScript`. */
export const deviceScript = `
id=$(sh -c "$1" "$0" | tail -n 1)
[ -n "$id" ] || exit 0
xenstore-read "/local/domain/$id/serial/0/tty" 2>/dev/null || xenstore-read "/local/domain/$id/console/tty" 2>/dev/null`;

/**
 * Appends the console's output to the log. `drained` exists while all output of an ended machine has been
 * read. `$0`: the machine's id; `$1`: `domainScript`; `$2`: `deviceScript`.
 */
export const followingScript = `
while :; do
  rm -f drained
  cat console >> console.log
  : > drained
  until=$(($(date +%s) + 4))
  until device=$(sh -c "$2" "$0" "$1") && [ -n "$device" ]; do
    [ "$(date +%s)" -lt $until ] || exit 0
    sleep 0.1
  done
  ln -sfn "$device" console
  sleep 0.1
done`;

/** Waits up to five seconds until the last output of a stopped machine is in its log. `$0`: a folder. */
export const drainedScript = `
cd -- "$0" || exit 0
n=0
until [ -e drained ] || [ $n -ge 50 ]; do sleep 0.1; n=$((n + 1)); done`;
