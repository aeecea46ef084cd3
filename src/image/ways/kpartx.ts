import { randomBytes } from "node:crypto";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Watch } from "../../host/long-work.ts";
import type { ImageAccess, Mount, Volume } from "../access.ts";
import type { GuestTree } from "../tree.ts";
import { byDepth, heldTree, kernelFileSystems, linearTable, mountOptions, mountScript } from "./mounting.ts";
import { snapshotBytes, snapshotSectors } from "./snapshot.ts";

/**
 * kpartx and the kernel's own file systems, on a host that has device-mapper: here, or on an Oracle VM Server over
 * ssh, where `pathOn` says what an image is called. Needs root there. A change can go into a snapshot beside the
 * image: nothing is copied, and what it holds afterwards is the change. Volume groups of the guest are not used: two
 * copies of one image have the same; logical volumes are mapped by arithmetic.
 */
export function kpartxAccess(host: Host, pathOn = (image: string) => image): ImageAccess {
  const open = (image: string, mounts: readonly Mount[], how: How) =>
    openByKpartx(host, pathOn(image), mounts, how.work ? { ...how, work: pathOn(how.work) } : how);
  return {
    name: "kpartx",
    findsByTable: true,
    joinsPieces: true,
    filesystems: kernelFileSystems,
    async check() {
      const { exitCode } = await host.run(["sh", "-c", checkScript], {
        allow: Object.keys(lacks).map(Number),
      });
      const lack = lacks[exitCode];
      if (lack) throw new TbuildError("environment", `${lack} (${host.name})`, { subject: "kpartx" });
    },
    open: (image, mounts, { readOnly = false, watch } = {}) =>
      open(image, mounts, { readOnly, ...(watch && { watch }) }),
    openBeside: (image, mounts, work, bytes, watch) =>
      open(image, mounts, { readOnly: false, work, bytes, ...(watch && { watch }) }),
  };
}

interface How {
  readonly readOnly: boolean;
  /** A snapshot's file, and the size of its disk. */
  readonly work?: string;
  readonly bytes?: number;
  readonly watch?: Watch;
}

async function openByKpartx(
  host: Host,
  image: string,
  mounts: readonly Mount[],
  { readOnly, work, bytes = 0, watch }: How,
): Promise<GuestTree> {
  const name = `tbuild-${randomBytes(6).toString("hex")}`;
  const how = work ? "beside" : readOnly ? "ro" : "rw";
  const room = work ? [work, String(snapshotBytes(bytes))] : ["", "0"];
  const places = byDepth(mounts).flatMap(({ at, volume }) => [
    ...[deviceOf(volume), volume.fs, mountOptions(volume, readOnly), at === "/" ? "" : at],
  ]);
  return heldTree(host, `${image}: kpartx`, script, [name, how, image, ...room, ...places], watch);
}

// A partition made by kpartx, the whole disk, or a table for dmsetup, in which `@` means the disk.
function deviceOf(volume: Volume): string {
  return volume.name === "disk" || /^p\d+$/.test(volume.name) ? volume.name : linearTable(volume, "@");
}

const lacks: Readonly<Record<number, string>> = {
  41: "only root can map and mount an image",
  42: "the kernel has no device-mapper",
  43: "the program kpartx is not installed",
  44: "the program dmsetup is not installed",
};

const checkScript = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
test "$(id -u)" = 0 || exit 41
command -v dmsetup > /dev/null || exit 44
command -v kpartx > /dev/null || exit 43
dmsetup targets 2> /dev/null | grep -q '^linear ' || exit 42`;

// Each function sets something up, runs the next one, and takes it down again, whatever the outcome. It uses only what an
// Oracle VM Server has, whose losetup may be from 2005. If kpartx cannot map a partition, mounting it reports that.
const script = `
umask 077
name=$1 how=$2 image=$3 work=$4 room=$5
shift 5

attach() {
  loop=$(losetup $1 -f --show "$2" 2> /dev/null) && return 0
  loop=$(losetup -f) && losetup $1 "$loop" "$2"
}

attached() {
  flag=-r
  [ "$how" != rw ] || flag=
  attach "$flag" "$image" || return 1
  base=$loop
  case $how in
    beside) snapshot "$@" ;;
    *) disk=$base; partitions "$@" ;;
  esac
  code=$?
  again losetup -d "$base" && return $code
}

snapshot() {
  dd if=/dev/zero of="$work" bs=4096 count=8 conv=fsync || return 1
  dd if=/dev/null of="$work" bs=1 count=0 seek="$room" || return 1
  attach "" "$work" || return 1
  top=$loop
  modprobe -q dm-snapshot
  sectors=$(blockdev --getsize "$base")
  if echo "0 $sectors snapshot $base $top P ${snapshotSectors}" | dmsetup create "$name"; then
    disk=/dev/mapper/$name
    partitions "$@"
    code=$?
    dmsetup status "$name" | grep -q Invalid && { echo "$work: its disk is full"; code=1; }
    again dmsetup remove "$name" || code=1
  else
    code=1
  fi
  again losetup -d "$top" && dd if=/dev/null of="$work" bs=1 count=0 conv=notrunc,fsync && return $code
}

partitions() {
  said=$(kpartx -a -p p "$disk" 2>&1) || echo "$said"
  guest_mounted "$@"
  code=$?
  again kpartx -d -p p "$disk" && return $code
}

open_device() {
  case $1 in
    disk) device=$disk ;;
    p*) device=/dev/mapper/\${disk##*/}$1 ;;
    *)
      device=/dev/mapper/$name-$2
      echo "$1" | sed "s|@|$disk|" | dmsetup create "$name-$2" || return 1 ;;
  esac
  again test -b "$device"
}

close_device() {
  case $1 in
    disk | p*) ;;
    *) again dmsetup remove "$name-$2" ;;
  esac
}
${mountScript}

attached "$@"`;
