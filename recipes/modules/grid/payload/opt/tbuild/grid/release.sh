# Sourced. Finds the release of Grid, and writes its response file.
# The keys of the response files are those of published installations; docs/modules.md names them.

base=/u01/app/grid
inventory=/u01/app/oraInventory
response=/etc/oracle/grid.rsp
state=/var/lib/tbuild/grid

fail() { echo "grid: $*" >&2; exit 2; }

# Sets home, release (11.2.0 and so on) and schema, from the existing home or from VERSION.
find_release() {
  local homes=(/u01/app/[0-9]*/grid)
  if [ ! -d "${homes[0]}" ]; then
    [ -n "$VERSION" ] || fail "there is no /u01/app/VERSION/grid, and no version is given"
    homes=("/u01/app/$VERSION/grid")
  fi
  [ "${#homes[@]}" = 1 ] || fail "there are several homes of Grid: ${homes[*]}"
  home=${homes[0]}
  local found=${home%/grid}
  found=${found##*/}
  case $found in
    11.2|11.2.*) release=11.2.0 schema=v11_2_0 ;;
    12.1|12.1.*) release=12.1.0 schema=v12.1.0 ;;
    12.2|12.2.*) release=12.2.0 schema=v12.2.0 ;;
    18|18.*) release=18.0.0 schema=v18.0.0 ;;
    19|19.*) release=19.0.0 schema=v19.0.0 ;;
    *) fail "$home: this module does not support Grid $found" ;;
  esac
  [ -z "$VERSION" ] || [ "$VERSION" = "$release" ] || fail "version is $VERSION, and $home is Grid $release"
}

# Up to 12.1 the installer copies the software to the home; from 12.2 on the software is the home.
is_image() { case $release in 11.2.0|12.1.0) return 1 ;; *) return 0 ;; esac }

# The response file, without passwords. NAMES and DISCOVERY are ASM's disks, INTERFACES the networks.
write_response() {
  echo "oracle.install.responseFileVersion=/oracle/install/rspfmt_crsinstall_response_schema_$schema"
  echo "INVENTORY_LOCATION=$inventory"
  case $MODE in standalone) echo "oracle.install.option=HA_CONFIG" ;; *) echo "oracle.install.option=CRS_CONFIG" ;; esac
  echo "ORACLE_BASE=$base"
  if ! is_image; then
    echo "ORACLE_HOSTNAME=$(hostname)"
    echo "SELECTED_LANGUAGES=en"
    echo "ORACLE_HOME=$home"
  fi
  [ "$release" != 11.2.0 ] || echo "oracle.installer.autoupdates.option=SKIP_UPDATES"
  echo "oracle.install.asm.OSDBA=asmdba"
  echo "oracle.install.asm.OSOPER=asmoper"
  echo "oracle.install.asm.OSASM=asmadmin"
  [ "$MODE" != cluster ] || write_cluster
  ! is_image || [ "$release" = 19.0.0 ] || echo "oracle.install.asm.storageOption=ASM"
  echo "oracle.install.asm.diskGroup.name=$DISK_GROUP"
  echo "oracle.install.asm.diskGroup.redundancy=$REDUNDANCY"
  case $release in 11.2.0|12.1.0) echo "oracle.install.asm.diskGroup.AUSize=1" ;; *) echo "oracle.install.asm.diskGroup.AUSize=4" ;; esac
  echo "oracle.install.asm.diskGroup.disks=$1"
  echo "oracle.install.asm.diskGroup.diskDiscoveryString=$2"
  ! is_image || echo "oracle.install.asm.configureAFD=false"
  [ "$release" = 11.2.0 ] || echo "oracle.install.config.managementOption=NONE"
  ! is_image || echo "oracle.install.crs.rootconfig.executeRootScript=false"
}

write_cluster() {
  case $release in
    11.2.0) echo "oracle.install.crs.config.storageOption=ASM_STORAGE" ;;
    12.1.0)
      echo "oracle.install.crs.config.ClusterType=STANDARD"
      echo "oracle.install.crs.config.storageOption=LOCAL_ASM_STORAGE"
      ;;
    *)
      echo "oracle.install.crs.config.ClusterConfiguration=STANDALONE"
      echo "oracle.install.crs.config.configureAsExtendedCluster=false"
      echo "oracle.install.asm.configureGIMRDataDG=false"
      ;;
  esac
  case $release in
    18.0.0) echo "oracle.install.crs.config.scanType=LOCAL_SCAN"; echo "oracle.install.crs.configureGIMR=false" ;;
    19.0.0)
      echo "oracle.install.crs.config.scanType=LOCAL_SCAN"
      echo "oracle.install.crs.configureGIMR=false"
      echo "oracle.install.crs.config.storageOption=FLEX_ASM_STORAGE"
      ;;
  esac
  echo "oracle.install.crs.config.clusterName=$CLUSTER_NAME"
  echo "oracle.install.crs.config.gpnp.scanName=$SCAN_NAME"
  echo "oracle.install.crs.config.gpnp.scanPort=1521"
  echo "oracle.install.crs.config.gpnp.configureGNS=false"
  echo "oracle.install.crs.config.autoConfigureClusterNodeVIP=false"
  echo "oracle.install.crs.config.useIPMI=false"
  echo "oracle.install.crs.config.clusterNodes=$(cluster_nodes)"
  echo "oracle.install.crs.config.networkInterfaceList=$(interfaces)"
}

# 12.2 and 18 require the role of each node; 19 has only one role.
cluster_nodes() {
  case $release in 12.2.0|18.0.0) echo "${NODES//,/:HUB,}:HUB" ;; *) echo "$NODES" ;; esac
}

# NAME:SUBNET:TYPE of each interface. Types: 1 public, 2 private, 5 private and ASM (12.2 and later).
interfaces() {
  local private=2 found= nic subnet
  ! is_image || private=5
  for nic in eth0:1 "eth1:$private"; do
    subnet=$(ip -4 route show dev "${nic%:*}" scope link 2>/dev/null | sed -n 's|^\([0-9.]*\)/.*|\1|p' | head -n 1)
    [ -z "$subnet" ] || found=${found:+$found,}${nic%:*}:$subnet:${nic#*:}
  done
  echo "$found"
}
