// Shell scripts that run on the Xen host. They need sh, xl, xenstore-read, xenstore-watch, setsid and GNU coreutils.

/**
 * Creates a domain, logs its console, and leaves a watcher behind: when the domain has shut down, it notes Xen's reason and
 * destroys it. `$0`: the machine's folder; `$1`: its name; `$2`: where in the domain's folder of xenstore its console's
 * device is named; `$3`: `watcherScript`.
 */
export const startScript = `
cd "$0" || exit
rm -f reason console
: > console.log
# -e: no watcher of xl's. -p: nothing is said before somebody listens.
xl create -e -p vm.cfg </dev/null >create.log 2>&1 || { code=$?; cat create.log >&2; exit $code; }
id=$(xl domid "$1") || exit
left=100
until device=$(xenstore-read "/local/domain/$id/$2" 2>/dev/null) && [ -n "$device" ]; do
  left=$((left - 1))
  [ $left -gt 0 ] || { echo "no console appeared in xenstore ($2)" >&2; xl destroy "$id"; exit 1; }
  sleep 0.1
done
ln -sfn "$device" console
setsid sh -c "$3" watcher "$id" </dev/null >watcher.log 2>&1 &
echo $! > watcher
xl unpause "$id"`;

/** Runs in the machine's folder; `$1`: the domain's ID, which no other domain gets until the host restarts. */
export const watcherScript = `
cat console > console.log &
xenstore-watch @releaseDomain | {
  while read -r line; do
    set -- "$1" $(xl list -v "$1" 2>/dev/null | tail -n +2)
    case $6 in
      "") break ;;
      *s*|*c*)
        echo "$9" > reason.new && mv reason.new reason
        # The end of what it wrote is still on its way.
        sleep 0.5
        xl destroy "$1"
        break ;;
    esac
  done
  # xenstore-watch would end at its next line only.
  trap '' TERM
  kill -TERM 0
}`;

/** Waits until the watcher has ended, at most `$1` seconds; then says how many KiB are free in `$0`. */
export const waitScript = `
pid=$(cat "$0/watcher" 2>/dev/null)
[ -z "$pid" ] || timeout "$1" tail --pid="$pid" -s 0.3 -f /dev/null
df -Pk "$0" | tail -1`;

/** Ends a domain that is ours: `$0` is the machine's folder, `$1` its ID. */
export const destroyScript = `
xl destroy "$1" 2>/dev/null
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

/** The same, with what comes in written to the console. Ends with either. */
export const joinScript = `
exec 3<&0
pid=$(cat "$0/watcher" 2>/dev/null)
tail -c +1 -s 0.2 --pid="$pid" -f "$0/console.log" &
tail=$!
{ cat <&3 > "$0/console"; kill $tail; } 2>/dev/null &
wait $tail
kill 0`;
