import { TbuildError } from "../../errors.ts";
import { hold } from "../../host/hold.ts";
import type { Host } from "../../host/host.ts";
import type { Watch } from "../../host/long-work.ts";
import type { Mount, Volume } from "../access.ts";
import { notWritten } from "../file/sync-image.ts";
import type { GuestTree } from "../tree.ts";
import { mountedTree } from "./mounted-tree.ts";

/** File systems that kernels support. */
export const kernelFileSystems: readonly Volume["fs"][] = ["ext2", "ext3", "ext4", "xfs", "btrfs", "vfat"];

/** Sorted so that folders come before the mounts inside them. */
export function byDepth(mounts: readonly Mount[]): Mount[] {
  return [...mounts].sort((one, other) => one.at.length - other.at.length);
}

/** The table with which device-mapper maps a volume of `disk`, whatever its place. In sectors of 512 bytes. */
export function linearTable({ offset, bytes, pieces = [{ offset, bytes }] }: Volume, disk: string): string {
  let start = 0;
  const lines = pieces.map((piece) => {
    const line = `${start} ${piece.bytes / 512} linear ${disk} ${piece.offset / 512}`;
    start += piece.bytes / 512;
    return line;
  });
  return lines.join("\n");
}

/** The guest whose volumes a script with `mountScript` in it mounts, until the tree is closed. */
export async function heldTree(
  host: Host,
  what: string,
  script: string,
  args: readonly string[],
  watch: Watch = {},
): Promise<GuestTree> {
  const held = await hold(host, what, script, args, watch).catch((error) => {
    throw guestsFault(error);
  });
  return mountedTree(host, held.said, {
    watch,
    async close() {
      try {
        await held[Symbol.asyncDispose]();
      } catch (error) {
        const isLost = error instanceof TbuildError && error.exitCode === unwritten;
        throw isLost ? notWritten(error.subject, { lines: error.said, cause: error }) : error;
      }
    },
  });
}

/** The exit code of such a script, if changes did not reach the disk. */
const unwritten = 67;

/** The exit code of a script that mounts a guest, if a mount point is missing in the guest. No access method can help then. */
export const noFolder = 66;

/** An error of such a script, as a `guest` fault if the guest caused it. */
export function guestsFault(error: unknown): unknown {
  const isGuests = error instanceof TbuildError && error.exitCode === noFolder;
  return isGuests ? error.with({ fault: "guest" }) : error;
}

/** How another kernel than the guest's mounts a volume of a guest. */
export function mountOptions({ fs, subvolume }: Volume, readOnly: boolean): string {
  // nouuid: the kernel refuses to mount two XFS with the same id, and tbuild often opens copies of one image.
  const own = fs === "xfs" ? ",nouuid" : "";
  const part = subvolume === undefined ? "" : `,subvol=${subvolume}`;
  const quiet = readOnly ? `,ro${withoutReplay[fs] ?? ""}` : "";
  return `nodev,nosuid,noatime${own}${part}${quiet}`;
}

// `ro` alone still replays a journal, and fails if it cannot.
const withoutReplay: Readonly<Partial<Record<Volume["fs"], string>>> = {
  ext3: ",noload",
  ext4: ",noload",
  xfs: ",norecovery",
  btrfs: ",rescue=nologreplay",
};

/**
 * Shell: `mounted` takes four arguments for each mount (device, type, options, place), each within the one before. It mounts
 * them below a folder that only its owner can enter, prints where, waits, and unmounts them. A place must not be a link, which
 * would lead mount(8) out of the guest. The caller defines `open_device`, which sets `device`, and `close_device`.
 *
 * A program ends before its data is on the disk, and umount(8) does not report what could not be written. syncfs(2) does. An
 * old sync (before 2015) ignores `-f`.
 */
export const mountScript = `
guest_mounted() {
  folder=$(own_folder mount) && mkdir "$folder/guest" || return 1
  root=$(readlink -f "$folder/guest") && mounted "$@"
  code=$?
  rmdir "$folder/guest" "$folder"
  return $code
}

mounted() {
  if [ $# = 0 ]; then
    echo "tbuild-ready $root"
    until_gone
    return 0
  fi
  open_device "$1" $# || return 1
  if [ "$(readlink -f "$root$4")" != "$root$4" ] || [ ! -d "$root$4" ]; then
    echo "$4: the guest mounts a volume there, and it is not a folder"
    code=${noFolder}
  elif mount -t "$2" -o "$3" "$device" "$root$4" || mount_of_old "$@"; then
    (shift 4; mounted "$@")
    code=$?
    case ,$3, in
      *,ro,*) ;;
      *) sync -f "$root$4" || code=${unwritten} ;;
    esac
    again umount "$root$4" || code=1
  else
    code=1
  fi
  close_device "$1" $# || code=1
  return $code
}

# Kernels before 5.9 do not know how to leave the log of a btrfs alone; reading only, they do.
mount_of_old() {
  [ "$3" != "\${3%,rescue=nologreplay}" ] && mount -t "$2" -o "\${3%,rescue=nologreplay}" "$device" "$root$4"
}`;
