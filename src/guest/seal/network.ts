import type { GuestTree } from "../../image/tree.ts";
import { keyfileEntries } from "../config/keyfile.ts";
import { readIdentity } from "../identity.ts";
import { edits, empties, removes, textIn } from "../operation.ts";
import { freeDhclient } from "./dhclient.ts";
import { withoutOwnNames } from "./hosts.ts";
import { freeIfcfg, freeKeyfile, namedConnections } from "./network-files.ts";

/** Runs before the addresses and host name are removed, because they identify the lines. */
export const hostsFile = edits({
  name: "hosts-file",
  summary: "Remove the guest's own name and addresses from /etc/hosts",
  // The second is a hard link to the first on OL5 and OL6, where system-config-network was used.
  paths: ["/etc/hosts", "/etc/sysconfig/networking/profiles/*/hosts"],
  prepare: readIdentity,
  change: (text, _path, identity) => withoutOwnNames(text, identity),
});

/** All folders with interface configurations of initscripts. */
export const interfaceFiles = [
  "/etc/sysconfig/network-scripts/ifcfg-*",
  // Hard links to the same files on OL5 and OL6, where system-config-network was used.
  "/etc/sysconfig/networking/devices/ifcfg-*",
  "/etc/sysconfig/networking/profiles/*/ifcfg-*",
];

/** Routes and rules of initscripts. */
export const routeFiles = ["route", "route6", "rule", "rule6"].map(
  (kind) => `/etc/sysconfig/network-scripts/${kind}-*`,
);

export const connectionFiles = [
  "/etc/NetworkManager/system-connections/*",
  "/usr/lib/NetworkManager/system-connections/*",
];

export const networkInterfaces = edits({
  name: "network-interfaces",
  summary: "Remove MAC addresses, IDs and static addresses from network interfaces",
  paths: interfaceFiles,
  prepare: connectionsNamed,
  change(text, path, named) {
    if (path.endsWith("/ifcfg-lo")) return text;
    const freed = freeIfcfg(text, named).text;
    // An alias consists only of an address (ifup-aliases of initscripts). Without one, it would be an error at boot.
    return freed !== text && /\/ifcfg-[^/]+(?::[^/]*|-range\d*)$/.test(path) ? undefined : freed;
  },
});

export const networkConnections = edits({
  name: "network-connections",
  summary: "Remove MAC addresses, IDs and static addresses from NetworkManager connections",
  paths: connectionFiles,
  prepare: connectionsNamed,
  change: (text, _path, named) => freeKeyfile(text, named).text,
});

/** The ids by which the guest's connections refer to each other: a bond's ports name the bond by its id. */
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
  summary: "Remove client IDs, host names and MAC addresses from dhclient's configuration",
  paths: ["/etc/dhclient*.conf", "/etc/dhcp/dhclient*.conf"],
  change: (text) => freeDhclient(text),
});

/** The whole file if it has no other purpose; in other files, the rules that match a hardware address. */
export const networkRules = edits({
  name: "network-rules",
  summary: "Remove udev rules that bind names to the build's hardware",
  paths: [
    "/etc/udev/rules.d/*.rules",
    "/dev/.udev/rules.d/70-persistent-*.rules",
    // systemd.link(5). On EL8 and EL9, prefixdevname writes such files.
    "/etc/systemd/network/*.link",
    // kudzu's hardware list on EL5. Its address makes kudzu treat a clone's card as a different one.
    "/etc/sysconfig/hwconf",
    // nameif(8) of net-tools: a name and an address in each line.
    "/etc/mactab",
  ],
  change(text, path) {
    if (path === "/etc/sysconfig/hwconf") return text.replaceAll(/^network\.hwaddr:.*\n?/gm, "");
    if (path === "/etc/mactab")
      return text.replaceAll(/^[ \t]*[^#\s].*\n?/gm, (line) => (mac.test(line) ? "" : line));
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

// udev(7): a rule ends with its line, unless the line ends with a backslash.
function withoutHardware(text: string): string {
  const rules = text.split(/(?<=(?<!\\)\r?\n)/);
  const isTied = (rule: string) =>
    !/^\s*#/.test(rule) && /\{(?:address|MACADDR|MACADDRESS|HWADDR)\}\s*==/i.test(rule) && mac.test(rule);
  return rules.filter((rule) => !isTied(rule)).join("");
}

export const networkState = removes({
  name: "network-state",
  summary: "Remove leases, routes and cached state of network services",
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
    ...routeFiles,
    // Routes beside those of an interface, in init.d/network of initscripts.
    "/etc/sysconfig/static-routes",
    "/etc/sysconfig/static-routes-ipv6",
    // Secondary network cards of a cloud instance, by id.
    "/etc/sysconfig/oci-network",
  ],
});

export const resolver = empties({
  name: "resolver",
  summary: "Remove the name servers of the build network",
  comesBack: true,
  paths: ["/etc/resolv.conf", "/etc/sysconfig/networking/profiles/*/resolv.conf"],
});
