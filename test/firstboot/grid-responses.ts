/**
 * What the installers of Grid are told, by release. The keys are those of published silent installations:
 * - oraclebase/vagrant, rac/ol7_121 … ol9_19, node1/scripts/oracle_grid_software_installation.sh (12.1 and 19)
 * - kalona/vagrant-projects, OracleRAC/scripts/11_gi_config.sh (19)
 * - enterprisemodules, resource asm_software, storage_option: ASM_STORAGE is of 11, LOCAL_ASM_STORAGE of 12.1,
 *   FLEX_ASM_STORAGE of 12.2 and later; types of interfaces: 1 public, 2 private, 5 ASM and private
 * - oravirt/ansible-oracle, roles/oraswgi_install
 * - installation scripts that write grid.rsp for 11.2.0.4, 12.2.0.1, 18 and 19, with and without a cluster
 * None was tried on Oracle's media.
 */
interface Expected {
  /** The software is unpacked in the home, where gridSetup.sh is. */
  readonly image: boolean;
  readonly standalone: readonly string[];
  readonly cluster: readonly string[];
}

const schema = (word: string) =>
  `oracle.install.responseFileVersion=/oracle/install/rspfmt_crsinstall_response_schema_${word}`;
const common = [
  "INVENTORY_LOCATION=/u01/app/oraInventory",
  "ORACLE_BASE=/u01/app/grid",
  "oracle.install.asm.OSDBA=asmdba",
  "oracle.install.asm.OSOPER=asmoper",
  "oracle.install.asm.OSASM=asmadmin",
  "oracle.install.asm.diskGroup.name=DATA",
  "oracle.install.asm.diskGroup.redundancy=EXTERNAL",
  "oracle.install.asm.diskGroup.disks=/dev/xvdd,/dev/xvde",
  "oracle.install.asm.diskGroup.diskDiscoveryString=/dev/xvdd,/dev/xvde",
];
const copied = (release: string) => [
  "ORACLE_HOSTNAME=clone.example",
  "SELECTED_LANGUAGES=en",
  `ORACLE_HOME=/u01/app/${release}/grid`,
  "oracle.install.asm.diskGroup.AUSize=1",
];
const inHome = [
  "oracle.install.asm.diskGroup.AUSize=4",
  "oracle.install.asm.configureAFD=false",
  "oracle.install.config.managementOption=NONE",
  "oracle.install.crs.rootconfig.executeRootScript=false",
];
const cluster = (nodes: string, type: number) => [
  "oracle.install.crs.config.clusterName=rac",
  "oracle.install.crs.config.gpnp.scanName=rac-scan.example.com",
  "oracle.install.crs.config.gpnp.scanPort=1521",
  "oracle.install.crs.config.gpnp.configureGNS=false",
  "oracle.install.crs.config.autoConfigureClusterNodeVIP=false",
  "oracle.install.crs.config.useIPMI=false",
  `oracle.install.crs.config.clusterNodes=${nodes}`,
  `oracle.install.crs.config.networkInterfaceList=eth0:10.0.0.0:1,eth1:192.168.7.0:${type}`,
];
const plain = "clone:clone-vip,n2:n2-vip";
const hub = "clone:clone-vip:HUB,n2:n2-vip:HUB";
const standaloneCluster = [
  "oracle.install.crs.config.ClusterConfiguration=STANDALONE",
  "oracle.install.crs.config.configureAsExtendedCluster=false",
  "oracle.install.asm.configureGIMRDataDG=false",
];
const ofScan = ["oracle.install.crs.config.scanType=LOCAL_SCAN", "oracle.install.crs.configureGIMR=false"];

function expected(image: boolean, always: readonly string[], inCluster: readonly string[]): Expected {
  return {
    image,
    standalone: [...common, ...always, "oracle.install.option=HA_CONFIG"],
    cluster: [...common, ...always, ...inCluster, "oracle.install.option=CRS_CONFIG"],
  };
}

export const gridResponses: Readonly<Record<string, Expected>> = {
  "11.2.0": expected(
    false,
    [schema("v11_2_0"), ...copied("11.2.0"), "oracle.installer.autoupdates.option=SKIP_UPDATES"],
    ["oracle.install.crs.config.storageOption=ASM_STORAGE", ...cluster(plain, 2)],
  ),
  "12.1.0": expected(
    false,
    [schema("v12.1.0"), ...copied("12.1.0"), "oracle.install.config.managementOption=NONE"],
    [
      "oracle.install.crs.config.ClusterType=STANDARD",
      "oracle.install.crs.config.storageOption=LOCAL_ASM_STORAGE",
      ...cluster(plain, 2),
    ],
  ),
  "12.2.0": expected(
    true,
    [schema("v12.2.0"), ...inHome, "oracle.install.asm.storageOption=ASM"],
    [...standaloneCluster, ...cluster(hub, 5)],
  ),
  "18.0.0": expected(
    true,
    [schema("v18.0.0"), ...inHome, "oracle.install.asm.storageOption=ASM"],
    [...standaloneCluster, ...ofScan, ...cluster(hub, 5)],
  ),
  "19.0.0": expected(
    true,
    [schema("v19.0.0"), ...inHome],
    [
      ...standaloneCluster,
      ...ofScan,
      "oracle.install.crs.config.storageOption=FLEX_ASM_STORAGE",
      ...cluster(plain, 5),
    ],
  ),
};
