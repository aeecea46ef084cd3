#!/bin/bash
# Run once by the first-boot module `grid`, with name=value arguments; every value may be empty.
# Writes what the Grid installer is given later, and labels the ASM disks. Any bad value ends it before it changes anything.
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

number=0
for disk in ${disks//,/ }; do
  number=$((number + 1))
  label=DATA$number
  # On the second node of a cluster the shared disks carry their label already.
  /usr/sbin/oracleasm querydisk "$label" >/dev/null 2>&1 || /usr/sbin/oracleasm createdisk "$label" "$disk"
done

umask 027
mkdir -p /etc/oracle
cat > /etc/oracle/grid.rsp.new <<RESPONSE
oracle.install.responseFileVersion=/oracle/install/rspfmt_crsinstall_response_schema_v11_2_0
ORACLE_HOSTNAME=$(hostname)
INVENTORY_LOCATION=/u01/app/oraInventory
SELECTED_LANGUAGES=en
oracle.install.option=$option
ORACLE_BASE=/u01/app/grid
ORACLE_HOME=/u01/app/11.2.0/grid
oracle.install.asm.OSDBA=asmdba
oracle.install.asm.OSOPER=asmoper
oracle.install.asm.OSASM=asmadmin
oracle.install.crs.config.clusterName=$cluster
oracle.install.crs.config.gpnp.scanName=$scan
oracle.install.crs.config.gpnp.scanPort=1521
oracle.install.crs.config.clusterNodes=$nodes
oracle.install.crs.config.networkInterfaceList=eth0:public,eth1:private
oracle.install.asm.diskGroup.name=DATA
oracle.install.asm.diskGroup.redundancy=EXTERNAL
oracle.install.asm.diskGroup.disks=$(for i in $(seq 1 $number); do printf '%sORCL:DATA%s' "$([ "$i" = 1 ] || echo ,)" "$i"; done)
oracle.installer.autoupdates.option=SKIP_UPDATES
RESPONSE
chown grid:oinstall /etc/oracle/grid.rsp.new
mv -f /etc/oracle/grid.rsp.new /etc/oracle/grid.rsp
echo "grid: $mode prepared, $number ASM disks"
