import { shutdownReasons } from "./domains.ts";

// Shell scripts that run on the Xen host. They need sh, xl, xenstore-read, xenstore-watch, setsid and GNU coreutils.

/**
 * Creates a domain, logs its console, and leaves a watcher behind: when the domain has shut down, it notes
 * Xen's reason and destroys it. `$0`: the machine's folder; `$1`: its name; `$2`: the xenstore key of its
 * console's device, below the domain's folder; `$3`: `watcherScript`; `$4`: this script, if the watcher is to
 * start a domain that reboots again; `$5`: not empty if the watcher starts it.
 */
export const startScript = `
cd "$0" || exit
rm -f reason console
[ -n "$5" ] || { rm -f restarting; : > console.log; }
# -e: no watcher of xl's. -p: nothing is said before somebody listens.
xl create -e -p vm.cfg </dev/null >create.log 2>&1 || { code=$?; rm -f restarting; cat create.log >&2; exit $code; }
id=$(xl domid "$1") || exit
[ -e vm.cfg ] && { [ -z "$5" ] || [ -e restarting ]; } || {
  xl destroy "$id"
  echo "the machine was stopped or removed while it started" >&2
  exit 1
}
left=100
until device=$(xenstore-read "/local/domain/$id/$2" 2>/dev/null) && [ -n "$device" ]; do
  left=$((left - 1))
  [ $left -gt 0 ] || { echo "no console appeared in xenstore ($2)" >&2; rm -f restarting; xl destroy "$id"; exit 1; }
  sleep 0.1
done
ln -sfn "$device" console
setsid sh -c "$3" "$0" "$id" "$1" "$2" "$3" "$4" </dev/null >watcher.log 2>&1 &
echo $! > watcher
xl unpause "$id"
rm -f restarting`;

/**
 * The ends of Xen's newest logs about a machine that did not start, without the control sequences of pygrub's menu. `$0`: its
 * folder; `$1`: its name.
 */
export const logsScript = `
logs=/var/log/xen
escape=$(printf '\\033')
newer() { [ -s "$1" ] && [ -n "$(find "$1" -newer "$2" 2>/dev/null)" ]; }
for log in "$logs"/bootloader.*.log "$logs/qemu-dm-$1.log" "$logs/xen-hotplug.log"; do
  newer "$log" "$0/vm.cfg" || continue
  echo "$log:"
  tail -n 6 -- "$log" | sed "s/$escape[[(][0-9;?]*[A-Za-z]//g" | cut -c 1-200 | tr -d '\\000-\\010\\013-\\037'
done
true`;

/**
 * Runs in the machine's folder `$0`. `$1`: the domain's ID, which no other domain gets until the host restarts; `$2` to `$5`:
 * the first four arguments of `startScript`.
 */
export const watcherScript = `
id=$1 name=$2 node=$3 watcher=$4 start=$5
cat console >> console.log &
xenstore-watch @releaseDomain | {
  again=
  while read -r line; do
    set -- $(xl list -v "$id" 2>/dev/null | tail -n +2)
    case $5 in
      "") break ;;
      *s*|*c*)
        if [ "$8" = ${shutdownReasons.reboot} ] && [ -n "$start" ]; then
          again=again
          : > restarting
        else
          echo "$8" > reason.new && mv reason.new reason
        fi
        # The end of what it wrote is still on its way.
        sleep 0.5
        xl destroy "$id"
        break ;;
    esac
  done
  # xenstore-watch would end at its next line only.
  trap '' TERM
  kill -TERM 0
  [ -n "$again" ] || exit 0
  trap - TERM
  exec setsid sh -c "$start" "$0" "$name" "$node" "$watcher" "$start" again </dev/null >restart.log 2>&1
}`;

/**
 * Whether a machine without a domain is about to get one again. An old file is left over from a crash of the
 * host.
 */
export const restartingScript = `[ -n "$(find "$0/restarting" -mmin -15 2>/dev/null)" ]`;

/** Whether the watcher runs. */
export const watchedScript = `pid=$(cat "$0/watcher" 2>/dev/null) && kill -0 "$pid" 2>/dev/null`;

/** Waits until the watcher has ended, at most `$1` seconds; then prints how many KiB are free in `$0`. */
export const waitScript = `
pid=$(cat "$0/watcher" 2>/dev/null)
[ -z "$pid" ] || timeout "$1" tail --pid="$pid" -s 0.3 -f /dev/null
df -Pk "$0" | tail -1`;

/** Ends a domain that is ours, and its restart: `$0` is the machine's folder, `$1` the domain's ID, if there is one. */
export const destroyScript = `
rm -f -- "$0/restarting"
[ -z "$1" ] || xl destroy "$1" 2>/dev/null
pid=$(cat "$0/watcher" 2>/dev/null)
[ -z "$pid" ] || timeout 10 tail --pid="$pid" -s 0.1 -f /dev/null
true`;

/** Follows the console from the last start on, until the machine has stopped. `$0`: the machine's folder. */
export const followScript = `
pid=$(cat "$0/watcher" 2>/dev/null)
if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then
  exec tail -c +1 -s 0.2 --pid="$pid" -f "$0/console.log"
fi
exec cat "$0/console.log"`;

/** The same, and writes its input to the console. Ends when either side ends. */
export const joinScript = `
exec 3<&0
pid=$(cat "$0/watcher" 2>/dev/null)
tail -c +1 -s 0.2 --pid="$pid" -f "$0/console.log" &
tail=$!
{ cat <&3 > "$0/console"; kill $tail; } 2>/dev/null &
wait $tail
kill 0`;
