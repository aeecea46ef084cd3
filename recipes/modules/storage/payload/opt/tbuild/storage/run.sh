#!/bin/bash
# Prepares the disks DISK_0, DISK_1 ...: a partition over the whole disk, with VG a volume group and a logical volume of that disk, a
# file system, and a line in /etc/fstab. It never changes a disk that contains anything, unless fstab shows that it is already prepared.
# It checks all values before it changes the first disk. It copies the files below a mount point to the new disk.
set -eu

fail() { echo "storage: $*" >&2; exit 2; }

# The disk in a slot: slot 1 is xvdb, vdb or sdb, by what the machine has. A device may also be named.
device_of() {
  case $1 in
    /dev/*) echo "$1"; return ;;
  esac
  local letters=abcdefghijklmnopqrstuvwxyz
  local letter=${letters:$1:1} name
  for name in xvd vd sd; do
    if [ -b "/dev/$name$letter" ]; then echo "/dev/$name$letter"; return; fi
  done
  return 1
}

# p1 after a digit: /dev/nvme0n1p1, /dev/loop0p1.
partition_of() {
  case $1 in *[0-9]) echo "${1}p1" ;; *) echo "${1}1" ;; esac
}

disks=()
for name in $(compgen -v | grep -E '^DISK_[0-9]+$' | sort -t_ -k2n); do disks+=("${!name}"); done

# Refuses a disk, a mount point or a volume group that is given twice.
given=" "
once() {
  case $given in *" $2 "*) fail "\"$one\": $1 $2 is given twice" ;; esac
  given="$given$2 "
}

for one in ${disks[@]+"${disks[@]}"}; do
  IFS=: read -r slot mount fs group rest <<< "$one"
  pattern='^([1-9]|1[0-9]|2[0-5]|/dev/[a-z0-9]+)$'
  [[ $slot =~ $pattern ]] || fail "\"$one\": the slot is a number from 1 to 25"
  pattern='^/[A-Za-z0-9._/-]+$'
  [[ $mount =~ $pattern && $mount != */../* && $mount != */.. ]] || fail "\"$one\": \"$mount\" is not a mount point"
  case $fs in ext3|ext4|xfs) ;; *) fail "\"$one\": the file system is ext3, ext4 or xfs" ;; esac
  pattern='^[A-Za-z][A-Za-z0-9_]*$'
  [[ -z $group || $group =~ $pattern ]] || fail "\"$one\": \"$group\" is not a name of a volume group"
  [ -z "$rest" ] || fail "\"$one\" has too many parts"
  command -v "mkfs.$fs" > /dev/null || fail "mkfs.$fs is not installed"
  [ -z "$group" ] || command -v vgcreate > /dev/null || fail "lvm2 is not installed"
  disk=$(device_of "$slot") || fail "there is no disk in slot $slot"
  [ -b "$disk" ] || fail "$disk is not a disk"
  while [[ $mount == */ ]]; do mount=${mount%/}; done
  [ -n "$mount" ] || fail "\"$one\": / cannot be a mount point"
  once "the disk" "$disk"
  once "the mount point" "$mount"
  [ -z "$group" ] || once "the volume group" "$group"
  awk -v at="$mount" '$1 !~ /^#/ && $2 == at { found = 1 } END { exit !found }' /etc/fstab && continue
  ! grep -q "^$disk" /proc/mounts || fail "$disk is mounted"
  [ -z "$group" ] || ! vgs "$group" > /dev/null 2>&1 || fail "there is a volume group $group already: nothing was changed"
  [ -z "$(blkid -p -o value -s TYPE -s PTTYPE "$disk" 2> /dev/null)" ] || fail "$disk is not empty: nothing was changed"
done

for one in ${disks[@]+"${disks[@]}"}; do
  IFS=: read -r slot mount fs group <<< "$one"
  while [[ $mount == */ ]]; do mount=${mount%/}; done
  if awk -v at="$mount" '$1 !~ /^#/ && $2 == at { found = 1 } END { exit !found }' /etc/fstab; then
    echo "storage: $mount is in /etc/fstab already; no disk was changed for it"
    continue
  fi
  disk=$(device_of "$slot")
  type=83
  [ -z "$group" ] || type=8e
  echo "2048,,$type" | sfdisk -q -uS "$disk" > /dev/null
  partition=$(partition_of "$disk")
  if command -v udevadm > /dev/null; then udevadm settle || :; fi
  for _ in 1 2 3 4 5 6 7 8 9 10; do [ -b "$partition" ] && break; blockdev --rereadpt "$disk" 2> /dev/null || :; sleep 1; done
  [ -b "$partition" ] || fail "$partition did not appear"
  volume=$partition
  if [ -n "$group" ]; then
    pvcreate -q "$partition" > /dev/null
    vgcreate -q "$group" "$partition" > /dev/null
    lvcreate -q -n data -l 100%FREE "$group" > /dev/null
    volume=/dev/$group/data
  fi
  case $fs in xfs) mkfs.xfs -q "$volume" ;; *) "mkfs.$fs" -q "$volume" ;; esac
  uuid=$(blkid -p -o value -s UUID "$volume")
  mkdir -p "$mount"
  if [ -n "$(ls -A "$mount")" ]; then
    copy=$(mktemp -d)
    mount -t "$fs" "$volume" "$copy"
    cp -a "$mount/." "$copy/" || { umount "$copy"; fail "$mount could not be copied to $disk"; }
    umount "$copy"
    rmdir "$copy"
    echo "storage: what was in $mount was copied to $disk"
  fi
  echo "UUID=$uuid $mount $fs defaults 0 0" >> /etc/fstab
  mount -t "$fs" "$volume" "$mount"
  echo "storage: $disk is $mount ($fs${group:+, volume group $group})"
done
