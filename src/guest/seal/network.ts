import type { GuestTree } from "../../image/tree.ts";
import { keyfileEntries } from "../config/keyfile.ts";
import { readIdentity } from "../identity.ts";
import { edits, empties, removes, textIn } from "../operation.ts";
import { freeDhclient } from "./dhclient.ts";
import { withoutOwnNames } from "./hosts.ts";
import { freeIfcfg, freeKeyfile, namedConnections } from "./network-files.ts";

/** Before the addresses and the host name are taken out, by which the lines are known. */
export const hostsFile = edits({
  name: "hosts-file",
  summary: "Take the guest's own name and addresses out of /etc/hosts",
  // The second is a hard link to the first on OL5 and OL6, where system-config-network was used.
  paths: ["/etc/hosts", "/etc/sysconfig/networking/profiles/*/hosts"],
  prepare: readIdentity,
  change: (text, _path, identity) => withoutOwnNames(text, identity),
});

/** Every folder that an interface of initscripts is configured in. */
export const interfaceFiles = [
  "/etc/sysconfig/network-scripts/ifcfg-*",
  // Hard links to the same files on OL5 and OL6, where system-config-network was used.
  "/etc/sysconfig/networking/devices/ifcfg-*",
  "/etc/sysconfig/networking/profiles/*/ifcfg-*",
];

export const connectionFiles = [
  "/etc/NetworkManager/system-connections/*",
  "/usr/lib/NetworkManager/system-connections/*",
];

export const networkInterfaces = edits({
  name: "network-interfaces",
  summary: "Free the network interfaces of hardware addresses, ids and static addresses",
  paths: interfaceFiles,
  prepare: connectionsNamed,
  change(text, path, named) {
    if (path.endsWith("/ifcfg-lo")) return text;
    const freed = freeIfcfg(text, named).text;
    // An alias is nothing but an address (ifup-aliases of initscripts); without one it would be an error at boot.
    return freed !== text && /\/ifcfg-[^/]+(?::[^/]*|-range\d*)$/.test(path) ? undefined : freed;
  },
});

export const networkConnections = edits({
  name: "network-connections",
  summary: "Free the connections of NetworkManager of hardware addresses, ids and static addresses",
  paths: connectionFiles,
  prepare: connectionsNamed,
  change: (text, _path, named) => freeKeyfile(text, named).text,
});

/** The ids by which the guest's connections name each other: a bond's ports name the bond by its id. */
export async function connectionsNamed(tree: GuestTree): Promise<ReadonlySet<string>> {
  const files: { path: string; text: string }[] = [];
  for (const pattern of [...interfaceFiles, ...connectionFiles])
    for (const path of await tree.glob(pattern)) {
      const text = await textIn(tree, path);
      if (text !== undefined) files.push({ path, text });
    }
  return namedConnections(files);
}

export const dhcpClient = edits({
  name: "dhcp-client",
  summary: "Take client ids, host names and hardware addresses out of dhclient's configuration",
  paths: ["/etc/dhclient*.conf", "/etc/dhcp/dhclient*.conf"],
  change: (text) => freeDhclient(text),
});

/** The whole file where nothing else is meant to stand in it; of others the rules that match a hardware address. */
export const networkRules = edits({
  name: "network-rules",
  summary: "Remove the udev rules that tie names to the hardware of the build",
  paths: [
    "/etc/udev/rules.d/*.rules",
    "/dev/.udev/rules.d/70-persistent-*.rules",
    // systemd.link(5); on EL8 and EL9 prefixdevname writes such files.
    "/etc/systemd/network/*.link",
  ],
  change(text, path) {
    if (/\/70-persistent-[^/]*$/.test(path)) return undefined;
    if (!path.endsWith(".link")) return withoutHardware(text);
    const isTied = keyfileEntries(text).some(
      ({ group, key, value }) =>
        group === "Match" && /^(?:Permanent)?MACAddress$/.test(key) && mac.test(value),
    );
    return isTied ? undefined : text;
  },
});

const mac = /(?<![\da-f:])[\da-f]{2}(?:[:-][\da-f]{2}){5}(?![\da-f:])/i;

// udev(7): a rule ends with its line, unless a backslash stands there.
function withoutHardware(text: string): string {
  const rules = text.split(/(?<=(?<!\\)\r?\n)/);
  const isTied = (rule: string) =>
    !/^\s*#/.test(rule) && /\{(?:address|MACADDR|MACADDRESS|HWADDR)\}\s*==/i.test(rule) && mac.test(rule);
  return rules.filter((rule) => !isTied(rule)).join("");
}

export const networkState = removes({
  name: "network-state",
  summary: "Remove leases, routes, and what the network services remember",
  comesBack: true,
  paths: [
    "/var/lib/dhclient/*",
    "/var/lib/dhcp/*",
    "/var/lib/dhcpcd/*",
    "/var/lib/dhcpv6/*",
    "/etc/dhcpcd.duid",
    "/var/lib/dhcpd/*",
    "/var/lib/NetworkManager/*",
    "/var/lib/wicked/*",
    "/var/lib/dhclient6/*",
    "/var/lib/systemd/network/*",
    "/etc/sysconfig/network-scripts/ifcfg-*.bak",
    ...["route", "route6", "rule", "rule6"].map((kind) => `/etc/sysconfig/network-scripts/${kind}-*`),
    // The second network cards of a cloud instance, by their ids.
    "/etc/sysconfig/oci-network",
  ],
});

export const resolver = empties({
  name: "resolver",
  summary: "Empty the name servers of the network of the build",
  comesBack: true,
  paths: ["/etc/resolv.conf", "/etc/sysconfig/networking/profiles/*/resolv.conf"],
});
