/** Files of other network managers. No operation resets them, so identities in them are reported. */
export interface OtherNetwork {
  readonly name: string;
  readonly form: "yaml" | "keyfile" | "words";
  readonly paths: readonly string[];
  /** The only key of a YAML file below which a network is configured. */
  readonly below?: string;
}

export const otherNetworks: readonly OtherNetwork[] = [
  {
    name: "systemd-networkd",
    form: "keyfile",
    paths: [
      "/etc/systemd/network/*",
      "/etc/systemd/network/*.d/*.conf",
      "/etc/systemd/networkd.conf",
      "/etc/systemd/networkd.conf.d/*.conf",
    ],
  },
  { name: "nmstate", form: "yaml", paths: ["/etc/nmstate/*.yml", "/etc/nmstate/*.yaml"] },
  { name: "netplan", form: "yaml", paths: ["/etc/netplan/*.yaml", "/etc/netplan/*.yml"] },
  { name: "os-net-config", form: "yaml", paths: ["/etc/os-net-config/*"] },
  {
    name: "cloud-init",
    form: "yaml",
    paths: ["/etc/cloud/cloud.cfg", "/etc/cloud/cloud.cfg.d/*.cfg"],
    below: "network",
  },
  {
    name: "wicked",
    form: "words",
    paths: [
      "/etc/wicked/*.xml",
      "/etc/wicked/*/*.xml",
      "/etc/sysconfig/network/ifcfg-*",
      "/etc/sysconfig/network/ifroute-*",
      "/etc/sysconfig/network/routes",
    ],
  },
  {
    name: "connman",
    form: "keyfile",
    paths: ["/etc/connman/*.conf", "/var/lib/connman/*.config", "/var/lib/connman/*/settings"],
  },
  { name: "ifupdown", form: "words", paths: ["/etc/network/interfaces", "/etc/network/interfaces.d/*"] },
  { name: "dhcpcd", form: "words", paths: ["/etc/dhcpcd.conf"] },
  { name: "netctl", form: "words", paths: ["/etc/netctl/*"] },
];
