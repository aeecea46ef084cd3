#!/bin/bash
# Prepares a clone for Grid Infrastructure: groups, users, limits, folders, ASM disks (by ASMLib if there is oracleasm,
# otherwise by udev) and the installer's response file. It checks all values before it changes anything, and keeps what exists.
set -eu
export LC_ALL=C
. /opt/tbuild/grid/release.sh

if [ "$1" = cleanup ]; then
  rm -rf "$state" "$response"
  exit 0
fi
[ "$MODE" != none ] || exit 0

case $MODE in
  standalone) ;;
  cluster) [ -n "$CLUSTER_NAME" ] && [ -n "$SCAN_NAME" ] && [ -n "$NODES" ] || fail "cluster mode needs cluster-name, scan-name and nodes" ;;
  *) fail "mode is \"$MODE\"; it can be standalone, cluster or none" ;;
esac
matches() { [ -z "$2" ] || [[ $2 =~ $3 ]] || fail "bad $1 \"$2\""; }
matches cluster-name "$CLUSTER_NAME" '^[A-Za-z0-9][A-Za-z0-9-]{0,14}$'
matches scan-name "$SCAN_NAME" '^[A-Za-z0-9.-]+$'
matches nodes "$NODES" '^[A-Za-z0-9.-]+:[A-Za-z0-9.-]+(,[A-Za-z0-9.-]+:[A-Za-z0-9.-]+)*$'
matches disk-group "$DISK_GROUP" '^[A-Za-z][A-Za-z0-9_]*$'
matches redundancy "$REDUNDANCY" '^(EXTERNAL|NORMAL|HIGH)$'
count=0
for disk in ${ASM_DISKS//,/ }; do
  matches asm-disks "$disk" '^/dev/[a-z0-9]+$'
  [ -b "$disk" ] || fail "$disk: no such disk"
  count=$((count + 1))
done
# A cluster keeps its voting files in the disk group, so it needs one or two more disks for a majority.
case $MODE:$REDUNDANCY in
  cluster:NORMAL) least=3 ;;
  cluster:HIGH) least=5 ;;
  standalone:NORMAL) least=2 ;;
  standalone:HIGH) least=3 ;;
  *) least=0 ;;
esac
[ "$count" = 0 ] || [ "$count" -ge "$least" ] || fail "redundancy $REDUNDANCY in mode $MODE needs $least disks; asm-disks has $count"
matches software "$SOFTWARE" '^/[A-Za-z0-9._/+-]+$'
# A response file has lines KEY=VALUE, in which a backslash is special.
case $ASM_PASSWORD in *[![:graph:]]*|*\\*) fail "asm-password has a blank, a backslash or a letter that is not ASCII" ;; esac
find_release

# The numbers are those of Oracle's preinstall packages and of the recipes.
for group in oinstall:54321 dba:54322 asmadmin:54327 asmdba:54328 asmoper:54329; do
  getent group "${group%:*}" > /dev/null || groupadd -g "${group#*:}" "${group%:*}"
done
getent passwd grid > /dev/null || useradd -m -u 54322 -g oinstall -G dba,asmadmin,asmdba,asmoper grid
if ! grep -qsE '^grid[[:space:]]' /etc/security/limits.conf /etc/security/limits.d/*; then
  mkdir -p /etc/security/limits.d
  printf 'grid %s\n' 'soft nofile 1024' 'hard nofile 65536' 'soft nproc 2047' 'hard nproc 16384' 'soft stack 10240' \
    'hard stack 32768' > /etc/security/limits.d/90-grid.conf
fi
for folder in "$inventory" "$home" "$base"; do
  [ -d "$folder" ] || { mkdir -p "$folder"; chown grid:oinstall "$folder"; chmod 0775 "$folder"; }
done
if [ ! -f /etc/oraInst.loc ]; then
  printf 'inventory_loc=%s\ninst_group=oinstall\n' "$inventory" > /etc/oraInst.loc
  chmod 0664 /etc/oraInst.loc
  chgrp oinstall /etc/oraInst.loc
fi

# The disks and the discovery pattern for the installer.
number=0 names= discovery=
if [ -x /usr/sbin/oracleasm ]; then
  for disk in ${ASM_DISKS//,/ }; do
    number=$((number + 1))
    label=$DISK_GROUP$number
    # On the second node of a cluster, the shared disks already have their labels.
    /usr/sbin/oracleasm querydisk "$label" > /dev/null 2>&1 || /usr/sbin/oracleasm createdisk "$label" "$disk"
    # Not ORCL:LABEL, which needs Oracle's oracleasmlib as well.
    names=${names:+$names,}/dev/oracleasm/disks/$label
  done
  [ -z "$names" ] || discovery='/dev/oracleasm/disks/*'
else
  rules=/etc/udev/rules.d/98-oracle-asm-named.rules
  for disk in ${ASM_DISKS//,/ }; do
    echo "KERNEL==\"${disk#/dev/}\", SUBSYSTEM==\"block\", OWNER=\"grid\", GROUP=\"asmadmin\", MODE=\"0660\""
    number=$((number + 1))
    names=${names:+$names,}$disk
  done > "$rules.new"
  mv -f "$rules.new" "$rules"
  if [ "$number" -gt 0 ]; then
    if command -v udevadm > /dev/null; then
      udevadm control --reload-rules
      udevadm trigger --action=change --subsystem-match=block
      udevadm settle
    else
      # Oracle Linux 5
      udevcontrol reload_rules
      udevtrigger --subsystem-match=block
      udevsettle
    fi
  fi
  discovery=$names
fi

umask 027
mkdir -p /etc/oracle
write_response "$names" "$discovery" > "$response.new"
chown grid:oinstall "$response.new"
mv -f "$response.new" "$response"
echo "grid: $MODE prepared for Grid $release, $number ASM disks"
