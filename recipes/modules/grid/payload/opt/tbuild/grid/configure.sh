#!/bin/bash
# Run once by the first-boot module `grid`, with name=value arguments; every value may be empty.
# Writes what the Grid installer is given later, and prepares the ASM disks: by ASMLib where there is oracleasm, by udev
# elsewhere. Which Grid it is follows from its home, /u01/app/<version>/grid. Any bad value ends it before it changes anything.
set -eu

mode=none cluster= scan= nodes= disks=
for argument in "$@"; do
  value=${argument#*=}
  case $argument in
    mode=*) mode=${value:-none} ;;
    cluster-name=*) cluster=$value ;;
    scan-name=*) scan=$value ;;
    nodes=*) nodes=$value ;;
    asm-disks=*) disks=$value ;;
    *) echo "grid: unknown argument ${argument%%=*}" >&2; exit 2 ;;
  esac
done

fail() { echo "grid: $*" >&2; exit 2; }
case $mode in
  none) exit 0 ;;
  standalone) option=HA_CONFIG ;;
  cluster) option=CRS_CONFIG; [ -n "$scan" ] && [ -n "$nodes" ] || fail "cluster mode needs scan-name and nodes" ;;
  *) fail "mode is \"$mode\"; it can be standalone, cluster or none" ;;
esac
[[ -z $cluster || $cluster =~ ^[A-Za-z0-9][A-Za-z0-9-]{0,14}$ ]] || fail "bad cluster-name \"$cluster\""
[[ -z $scan || $scan =~ ^[A-Za-z0-9.-]+$ ]] || fail "bad scan-name \"$scan\""
[[ -z $nodes || $nodes =~ ^[A-Za-z0-9.:,-]+$ ]] || fail "bad nodes \"$nodes\""
for disk in ${disks//,/ }; do
  [[ $disk =~ ^/dev/[a-z0-9]+$ ]] || fail "bad device \"$disk\""
  [ -b "$disk" ] || fail "$disk: no such disk"
done
homes=(/u01/app/[0-9]*/grid)
[ -d "${homes[0]}" ] || fail "there is no /u01/app/<version>/grid"
home=${homes[0]}
version=${home%/grid} version=${version##*/}
case $version in
  11.2.*) schema=v11_2_0 ;;
  12.2.*) schema=v12.2.0 ;;
  18.*|19.*) schema=v${version%%.*}.0.0 ;;
  *) fail "Grid $version in $home is none that this module knows" ;;
esac

# What the Grid installer is told of the disks, and how it finds them.
number=0 names= discovery=
if [ -x /usr/sbin/oracleasm ]; then
  for disk in ${disks//,/ }; do
    number=$((number + 1))
    label=DATA$number
    # On the second node of a cluster the shared disks carry their label already.
    /usr/sbin/oracleasm querydisk "$label" >/dev/null 2>&1 ||
      /usr/sbin/oracleasm createdisk "$label" "$disk"
    names=${names:+$names,}ORCL:$label
  done
else
  rules=/etc/udev/rules.d/98-oracle-asm-named.rules
  : > "$rules.new"
  for disk in ${disks//,/ }; do
    number=$((number + 1))
    echo "KERNEL==\"${disk#/dev/}\", SUBSYSTEM==\"block\", OWNER=\"grid\", GROUP=\"asmadmin\", MODE=\"0660\"" >> "$rules.new"
    names=${names:+$names,}$disk
  done
  mv -f "$rules.new" "$rules"
  if [ "$number" -gt 0 ]; then
    udevadm control --reload-rules
    udevadm trigger --action=change --subsystem-match=block
    udevadm settle
  fi
  discovery=/dev/xvd*
  case $names in ""|/dev/xvd*) ;; *) discovery=$names ;; esac
fi

# NAME:SUBNET:TYPE of a nic; 1 is public, 2 private. One without an address is left out.
interfaces=
for nic in eth0:1 eth1:2; do
  subnet=$(ip -4 route show dev "${nic%:*}" scope link 2>/dev/null | sed -n 's|^\([0-9.]*\)/.*|\1|p' | head -n 1)
  [ -z "$subnet" ] || interfaces=${interfaces:+$interfaces,}${nic%:*}:$subnet:${nic#*:}
done

umask 027
mkdir -p /etc/oracle
response=/etc/oracle/grid.rsp
{
  echo "oracle.install.responseFileVersion=/oracle/install/rspfmt_crsinstall_response_schema_$schema"
  echo "INVENTORY_LOCATION=/u01/app/oraInventory"
  echo "oracle.install.option=$option"
  echo "ORACLE_BASE=/u01/app/grid"
  if [ "$schema" = v11_2_0 ]; then
    echo "ORACLE_HOSTNAME=$(hostname)"
    echo "SELECTED_LANGUAGES=en"
    echo "ORACLE_HOME=$home"
    echo "oracle.installer.autoupdates.option=SKIP_UPDATES"
  else
    # From 12.2 on the home is where gridSetup.sh lies.
    echo "oracle.install.crs.config.ClusterConfiguration=STANDALONE"
    echo "oracle.install.crs.config.scanType=LOCAL_SCAN"
    echo "oracle.install.asm.diskGroup.diskDiscoveryString=$discovery"
    echo "oracle.install.asm.configureGIMRDataDG=false"
  fi
  echo "oracle.install.asm.OSDBA=asmdba"
  echo "oracle.install.asm.OSOPER=asmoper"
  echo "oracle.install.asm.OSASM=asmadmin"
  echo "oracle.install.crs.config.clusterName=$cluster"
  echo "oracle.install.crs.config.gpnp.scanName=$scan"
  echo "oracle.install.crs.config.gpnp.scanPort=1521"
  echo "oracle.install.crs.config.clusterNodes=$nodes"
  echo "oracle.install.crs.config.networkInterfaceList=$interfaces"
  echo "oracle.install.asm.diskGroup.name=DATA"
  echo "oracle.install.asm.diskGroup.redundancy=EXTERNAL"
  echo "oracle.install.asm.diskGroup.disks=$names"
} > "$response.new"
chown grid:oinstall "$response.new"
mv -f "$response.new" "$response"
echo "grid: $mode prepared for $version, $number ASM disks"
