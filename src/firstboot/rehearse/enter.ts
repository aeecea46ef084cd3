import { afterBootFolder } from "../after-boot.ts";

/**
 * Runs a first-boot module in a throw-away root, as root. Arguments: FOLDER BASE DEADLINE TIMES MODULE TARGET FILES.
 *
 * FOLDER holds the layers `module`, `library` and `skeleton`, and `params`, the module's input. BASE is the folder of a guest's
 * files; if it is empty, the root is `skeleton` with this machine's /usr. FILES, if not empty, is a folder of more files, over those.
 * All are layers of an overlay that is only read; what the module writes is in memory, at most 512 MiB, and ends with the namespace.
 *
 * The module runs in a user namespace of its own, without network: it is root over its own root, its host name and its interfaces,
 * and over nothing of this machine. It can neither set the clock or a parameter of the kernel, mount, make device nodes, nor see other
 * processes.
 *
 * For each run N, `FOLDER/out` gets `N.stdout` and `N.stderr` (1 MB of each), `N.end` (exit code, seconds, and `late` if the deadline
 * ended it), `N.left` (programs that still ran), and `N.changed.tar`, which has what the overlay holds. `before.tar` holds those files as
 * they were. With a skeleton, those below /usr are in `N.usr.tar` and `before.usr.tar`. `N.after` is the module's program for after the
 * boot, which runs if the module left values for it; `N.changed.tar` has what both changed.
 */
export const enterScript = `
t=$1 base=$2 deadline=$3 times=$4 module=$5 target=$6 files=$7
mount --make-rprivate /
mkdir -p "$t/space" "$t/root" "$t/before" "$t/base" "$t/files" "$t/out"
mount -t tmpfs -o size=512m,mode=755 tmpfs "$t/space"
mkdir "$t/space/upper" "$t/space/work" "$t/space/usr" "$t/space/usr-work" "$t/space/said"
if [ -n "$base" ]; then mount --bind "$base" "$t/base"; below=$t/base; else below=$t/skeleton; fi
plain=index=off,metacopy=off,redirect_dir=nofollow
[ -z "$files" ] || mount --bind "$files" "$t/files"
layers=$t/module:$t/files:$t/library:$below
mount -t overlay overlay -o "$plain,lowerdir=$layers,upperdir=$t/space/upper,workdir=$t/space/work" "$t/root"
mount -t overlay overlay -o "lowerdir=$layers" "$t/before"
if [ -z "$base" ]; then
  layers=$t/module/usr:$t/library/usr:/usr
  [ ! -d "$t/files/usr" ] || layers=$t/module/usr:$t/files/usr:$t/library/usr:/usr
  mount -t overlay overlay -o "$plain,lowerdir=$layers,upperdir=$t/space/usr,workdir=$t/space/usr-work" "$t/root/usr"
  mount -t overlay overlay -o "lowerdir=$layers" "$t/before/usr"
fi
mount -t proc proc "$t/root/proc"
# Their owner is the real root, whom the module's root is mapped to: what is not read-only here could be written.
for part in sys sysrq-trigger irq bus fs acpi; do
  [ -e "$t/root/proc/$part" ] || continue
  mount --bind "$t/root/proc/$part" "$t/root/proc/$part"
  mount -o remount,bind,ro "$t/root/proc/$part"
done
mount -t sysfs -o ro sysfs "$t/root/sys"
# Nodes of FILES look like devices and open nothing: only those below are bound to real ones.
mount -t tmpfs -o size=16m,mode=755,nodev tmpfs "$t/root/dev"
[ ! -d "$t/files/dev" ] || cp -a "$t/files/dev/." "$t/root/dev/"
for node in null zero full random urandom tty; do
  : > "$t/root/dev/$node"
  mount --bind "/dev/$node" "$t/root/dev/$node"
done
ln -s /proc/self/fd "$t/root/dev/fd"
ln -s /proc/self/fd/0 "$t/root/dev/stdin"
ln -s /proc/self/fd/1 "$t/root/dev/stdout"
ln -s /proc/self/fd/2 "$t/root/dev/stderr"
mkdir -m 1777 "$t/root/dev/shm"
mount -t tmpfs -o size=16m,mode=755 tmpfs "$t/root/run"
# A guest's umount may be too old or missing, so this machine's goes along, with its libraries.
mkdir "$t/root/run/enter"
for file in $(command -v umount) $(ldd "$(command -v umount)"); do
  case $file in /*) cp -L "$file" "$t/root/run/enter/" ;; esac
  case $file in */ld-*) loader=/run/enter/\${file##*/} ;; esac
done

# In the user namespace, first with no identity, then as its root.
wait_for_identity='read -r go < "$1/go"; exec env -i HOME=/root LC_ALL=C.UTF-8 TERM=dumb \\
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \\
  PYTHONPATH=/usr/lib/python-templateconfig PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TEMPLATECONFIG_LOGS=stderr sh -c "$3" sh "$@"'
inside='
set -e
mkdir -p "$1/own"
mount --rbind "$1/root" "$1/own"
hostname clone.example
ip link set lo up 2> /dev/null || :
cd "$1/own"
loader=$2
shift 3
pivot_root . .
"$loader" --library-path /run/enter /run/enter/umount -l .
cd /
exec "$@"'

run_one() {
  one_run=$1 input=$2
  shift 2
  mkfifo "$t/go"
  began=$(date +%s.%N)
  unshare -U -m -u -n -i sh -c "$wait_for_identity" sh "$t" "$loader" "$inside" "$@" \\
    < "$input" > "$t/space/said/stdout" 2> "$t/space/said/stderr" &
  child=$!
  until [ "$(readlink "/proc/$child/ns/user")" != "$(readlink /proc/self/ns/user)" ]; do
    [ -e "/proc/$child/ns/user" ] || break
    sleep 0.02
  done
  echo 0 0 4294967295 > "/proc/$child/uid_map"
  echo 0 0 4294967295 > "/proc/$child/gid_map"
  echo go > "$t/go"
  (sleep "$deadline"; : > "$t/late"; kill -9 "$child") > /dev/null 2>&1 &
  code=0
  wait "$child" || code=$?
  ended=$(date +%s.%N)
  own=$(readlink /proc/self/ns/user)
  for process in /proc/[0-9]*; do
    theirs=$(readlink "$process/ns/user") || continue
    [ "$theirs" = "$own" ] || tr '\\0' ' ' < "$process/cmdline" 2> /dev/null | cut -c1-200 || :
  done > "$t/out/$one_run.left"
  # All but this shell, which is the first process of its namespace.
  kill -9 -1 2> /dev/null || :
  rm -f "$t/go"
  echo "$code $began $ended $([ ! -e "$t/late" ] || echo late)" > "$t/out/$one_run.end"
  rm -f "$t/late"
  for one in stdout stderr; do head -c 1000000 "$t/space/said/$one" > "$t/out/$one_run.$one"; done
}
packed() {
  (cd "$2" && find . -mindepth 1 -print0) > "$t/names"
  tar -C "$2" --numeric-owner --format=pax --xattrs --xattrs-include='trusted.overlay.*' --no-recursion --null -T "$t/names" -cf "$1.tar"
  [ -z "$3" ] || tar -C "$3" --numeric-owner --no-recursion --ignore-failed-read --null -T "$t/names" -cf "$4.tar" 2> /dev/null || :
}
: > "$t/empty"
run_one enumerate "$t/empty" "/etc/template.d/scripts/$module" --enumerate "$target"
n=1
while [ "$n" -le "$times" ]; do
  run_one "$n" "$t/params" "/etc/template.d/scripts/$module" "$target"
  after=0
  if [ -e "$t/space/upper${afterBootFolder}/$module" ]; then
    run_one "$n.after" "$t/empty" "/etc/template.d/scripts/$module" --after-boot
    after=$(cut -d' ' -f1 "$t/out/$n.after.end")
  fi
  packed "$t/out/$n.changed" "$t/space/upper" "$t/before" "$t/out/before"
  [ -n "$base" ] || packed "$t/out/$n.usr" "$t/space/usr" "$t/before/usr" "$t/out/before.usr"
  [ "$(cut -d' ' -f1 "$t/out/$n.end")" = 0 ] || break
  [ "$after" = 0 ] || break
  n=$((n + 1))
done
`;
