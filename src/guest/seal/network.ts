import type { GuestTree } from "../../image/tree.ts";
import { readIdentity } from "../identity.ts";
import { edits, empties, type Operation, removes } from "../operation.ts";

/** Before the addresses and the host name are taken out, by which the lines are known. */
export const hostsFile: Operation = {
  name: "hosts-file",
  summary: "Take the guest's own name and addresses out of /etc/hosts",
  needs: "files",
  pending: async (tree) => ((await withoutOwn(tree)) === undefined ? [] : ["/etc/hosts"]),
  async apply(tree) {
    const text = await withoutOwn(tree);
    if (text !== undefined) await tree.write("/etc/hosts", text);
  },
};

// The text as it should be, where that is another.
async function withoutOwn(tree: GuestTree): Promise<string | undefined> {
  const text = await tree.text("/etc/hosts");
  if (text === undefined) return undefined;
  const { hostname = "localhost", addresses } = await readIdentity(tree);
  const isOwn = (line: string) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (/^(?:127\.|::1$|$)/.test(address)) return false;
    return addresses.includes(address) || (!hostname.startsWith("localhost") && names.includes(hostname));
  };
  const kept = text
    .split("\n")
    .filter((line) => !isOwn(line))
    .join("\n");
  return kept === text ? undefined : kept;
}

export const networkInterfaces = edits({
  name: "network-interfaces",
  summary: "Free the network interfaces of hardware addresses, ids and static addresses",
  paths: [
    "/etc/sysconfig/network-scripts/ifcfg-*",
    // Hard links to the same files on OL5 and OL6, where system-config-network was used.
    "/etc/sysconfig/networking/devices/ifcfg-*",
    "/etc/sysconfig/networking/profiles/*/ifcfg-*",
  ],
  change: (text, path) => (path.endsWith("/ifcfg-lo") ? text : freeInterface(text)),
});

export const networkConnections = edits({
  name: "network-connections",
  summary: "Free the connections of NetworkManager of hardware addresses, ids and static addresses",
  paths: ["/etc/NetworkManager/system-connections/*"],
  change: (text) =>
    text
      .replaceAll(/^(?:uuid|mac-address|timestamp|address\d*|route\d*|gateway|dns|addresses)=.*\n?/gm, "")
      .replaceAll(/^method=manual$/gm, "method=auto"),
});

export const networkRules = removes({
  name: "network-rules",
  summary: "Remove the udev rules that tie names to the hardware of the build",
  paths: ["/etc/udev/rules.d/70-persistent-*.rules", "/dev/.udev/rules.d/70-persistent-*.rules"],
});

export const networkState = removes({
  name: "network-state",
  summary: "Remove leases and what the network services remember",
  comesBack: true,
  paths: [
    "/var/lib/dhclient/*",
    "/var/lib/dhcp/*",
    "/var/lib/dhcpcd/*",
    "/var/lib/dhcpd/*.leases*",
    "/var/lib/NetworkManager/*",
    "/var/lib/wicked/*",
    "/var/lib/dhclient6/*",
    "/etc/sysconfig/network-scripts/ifcfg-*.bak",
    "/etc/sysconfig/network-scripts/route-eth*",
    "/etc/sysconfig/network-scripts/route6-eth*",
  ],
});

export const resolver = empties({
  name: "resolver",
  summary: "Empty the name servers of the network of the build",
  comesBack: true,
  paths: ["/etc/resolv.conf"],
});

const tied =
  /^[ \t]*(?:export[ \t]+)?(?:HWADDR|MACADDR|UUID|IPADDR\d*|NETMASK\d*|PREFIX\d*|GATEWAY\d*|BROADCAST|NETWORK|DNS\d|DOMAIN|DHCP_HOSTNAME|IPV6ADDR\w*|IPV6_DEFAULTGW)=.*\n?/gm;

// An interface without an address of its own, such as that of an interconnect, stays without one.
function freeInterface(text: string): string {
  const isStatic = /^BOOTPROTO="?static/im.test(text) || /^IPADDR\d*=/m.test(text);
  const freed = text.replaceAll(tied, "");
  return isStatic ? freed.replaceAll(/^BOOTPROTO=.*$/gm, "BOOTPROTO=dhcp") : freed;
}
