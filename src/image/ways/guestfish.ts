import { hold } from "../../host/hold.ts";
import type { Host } from "../../host/host.ts";
import type { ImageAccess, Mount, Volume } from "../access.ts";
import { spareBytes } from "../file/sync-image.ts";
import { mountedTree } from "./mounted-tree.ts";
import { byDepth, kernelFileSystems } from "./mounting.ts";

/**
 * The last choice: libguestfs starts its own virtual machine, which takes ten seconds and more, and mounts the guest's
 * files here with FUSE. It opens whatever its kernel can, including logical volumes and qcow2.
 */
export function guestfishAccess(host: Host): ImageAccess {
  return {
    name: "guestfish",
    findsByTable: true,
    joinsPieces: true,
    formats: ["raw", "qcow2"],
    filesystems: kernelFileSystems,
    async check() {
      await host.run(["guestfish", "--version"]);
    },
    async open(image, mounts, { readOnly = false, watch = {} } = {}) {
      const held = await hold(
        host,
        `${image}: guestfish`,
        script,
        argumentsFor(image, mounts, readOnly),
        watch,
      );
      return mountedTree(host, held.said, { close: async () => held[Symbol.asyncDispose](), watch });
    },
  };
}

function argumentsFor(image: string, mounts: readonly Mount[], readOnly: boolean): string[] {
  const parts = byDepth(mounts).flatMap(({ at, volume }) => {
    const part = volume.subvolume === undefined ? "" : `:subvol=${volume.subvolume}`;
    return ["-m", `${deviceOf(volume)}:${at}${part}`];
  });
  return [readOnly ? "--ro" : "--rw", "-a", image, ...parts];
}

function deviceOf({ name }: Volume): string {
  if (name === "disk") return "/dev/sda";
  return name.includes("/") ? `/dev/${name}` : `/dev/sda${name.slice(1)}`;
}

// The machine takes long to start. If stdin ends meanwhile, nothing has been changed yet, and everything is killed. Later, the
// folder is unmounted; guestfish then writes the changes to the image and exits. By default it uses KVM if the device opens,
// which may hang for ever; TCG is slow, but does end. All of its files are in our folder: the path of a socket has at most
// 107 bytes.
const script = `
folder=$(own_folder guestfish) && mkdir "$folder/guest" && at=$(readlink -f "$folder/guest") || exit 1
LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg LIBGUESTFS_TMPDIR=$folder
# Where libguestfs keeps the machine that it once made.
LIBGUESTFS_CACHEDIR=\${LIBGUESTFS_CACHEDIR:-\${TMPDIR:-/var/tmp}} TMPDIR=$folder
[ \${#folder} -gt 75 ] || XDG_RUNTIME_DIR=$folder
export LIBGUESTFS_BACKEND LIBGUESTFS_BACKEND_SETTINGS LIBGUESTFS_TMPDIR LIBGUESTFS_CACHEDIR TMPDIR XDG_RUNTIME_DIR
PATH=$PATH:/usr/local/bin
unmount=$(command -v fusermount3 || command -v fusermount)

exec 3<&0
(trap - HUP INT TERM PIPE; exec guestfish "$@" mount-local "$at" : mount-local-run < /dev/null 3<&-) &
guestfish=$!
{ cat > /dev/null; : > "$folder/over"; } <&3 3<&- &
watch=$!
exec 3<&-

runs() { kill -0 $guestfish 2> /dev/null; }
is_mounted() { case $(stat -f -c %T "$at" 2> /dev/null) in fuse*) ;; *) return 1 ;; esac; }
# libguestfs has a process of its own that kills the machine; what is not ended by then ends with this process group.
abandon() {
  kill -KILL $guestfish 2> /dev/null
  "$unmount" -uz "$at" 2> /dev/null
  rm -rf --one-file-system "$folder"
  kill -KILL 0
}
# qemu stops the machine when the disk of the image is full, and then this would wait for ever.
{
  while sleep 1 && runs && [ ! -e "$folder/full" ]; do
    room=$(stat -f -c '%a %S' "$3") && [ $((\${room% *} * \${room#* })) -lt ${spareBytes} ] || continue
    : > "$folder/full"
    kill -KILL $guestfish
    "$unmount" -uz "$at"
  done
} < /dev/null 3<&- 2> /dev/null &

left=1200
until is_mounted; do
  left=$((left - 1))
  [ $left -gt 0 ] && runs && [ ! -e "$folder/over" ] || abandon
  sleep 0.25
done
echo "tbuild-ready $at"
wait $watch
! is_mounted || again "$unmount" -u "$at" || abandon
left=480
while runs; do
  left=$((left - 1))
  [ $left -gt 0 ] || { echo "guestfish does not end"; abandon; }
  sleep 0.25
done
wait $guestfish
code=$?
[ ! -e "$folder/full" ] || { echo "the disk of $3 is full"; code=1; }
rm -rf --one-file-system "$folder"
exit $code`;
