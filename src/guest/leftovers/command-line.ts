import { isIP } from "node:net";
import type { GuestTree } from "../../image/tree.ts";
import { bootMenus } from "../convert/edit.ts";
import { textIn } from "../operation.ts";
import type { Leftover } from "./search.ts";

/** An identity in a kernel command line, and the class of the report that it belongs to. */
interface BootIdentity {
  readonly what: string;
  readonly of: string;
}

const places = [
  ...bootMenus,
  "/boot/grub2/custom.cfg",
  "/boot/extlinux/extlinux.conf",
  "/boot/loader/entries/*.conf",
  "/boot/efi/loader/entries/*.conf",
  "/boot/grub2/grubenv",
  "/boot/efi/EFI/*/grubenv",
  "/etc/default/grub",
  "/etc/grub.d/4*_custom",
  "/etc/kernel/cmdline",
  "/etc/cmdline",
  "/etc/cmdline.d/*.conf",
  "/etc/dracut.conf",
  "/etc/dracut.conf.d/*.conf",
  "/etc/tuned/bootcmdline",
  "/etc/tuned/*/tuned.conf",
  "/etc/tuned/profiles/*/tuned.conf",
  "/etc/sysconfig/kdump",
];

/**
 * The addresses, names and ids in the kernel command lines of a guest and in the files that they are made
 * from. They are reported, not removed, because a guest may need them to boot.
 */
export async function bootIdentities(tree: GuestTree): Promise<Leftover[]> {
  const paths = new Set((await Promise.all(places.map((pattern) => tree.glob(pattern)))).flat());
  const links = new Set<string>();
  for (const path of paths) if ((await tree.stat(path))?.kind === "link") links.add(path);
  const texts = new Set<string>();
  const found = new Map<string, Leftover>();
  // A link to one of the others adds nothing.
  for (const path of [...paths].sort((one, other) => Number(links.has(one)) - Number(links.has(other)))) {
    const text = (await textIn(tree, path)) ?? "";
    if (links.has(path) && texts.has(text)) continue;
    texts.add(text);
    for (const one of commandLineIdentities(text)) found.set(`${path} ${one.what}`, { path, ...one });
  }
  return [...found.values()];
}

const keys =
  /(?<![\w.$-])(ip|ifname|BOOTIF|rd\.iscsi\.initiator|iscsi_initiator|rd\.nvmf\.host(?:nqn|id)|systemd\.(?:hostname|machine_id))=["']?([^\s"'#;\\]+)/g;

/**
 * The identities in a text with kernel command lines: dracut.cmdline(7), systemd's kernel-command-line(7).
 */
export function commandLineIdentities(text: string): BootIdentity[] {
  const found: BootIdentity[] = [];
  for (const [, key = "", value = ""] of text.replaceAll(/^[ \t]*#.*$/gm, "").matchAll(keys)) {
    for (const { what, of } of identitiesOf(key, value)) found.push({ what: `${what} (${key}=)`, of });
  }
  return found;
}

function identitiesOf(key: string, value: string): BootIdentity[] {
  const one = (is: boolean, what: string, of: string) => (is ? [{ what, of }] : []);
  switch (key) {
    case "ip":
      return inAddress(value);
    case "ifname":
    case "BOOTIF":
      return one(mac.test(value) && !nobodysMac.test(value), "a link address", "network");
    case "rd.iscsi.initiator":
    case "iscsi_initiator":
      return one(/^iqn\.|^eui\.|^naa\./i.test(value), "an iSCSI name", "storage ids");
    case "rd.nvmf.hostnqn":
    case "rd.nvmf.hostid":
      return one(/[\da-f]{8}-/i.test(value), "an NVMe host id", "storage ids");
    case "systemd.hostname":
      return one(isHostName(value), "a host name", "host name");
    case "systemd.machine_id":
      return one(/^[\da-f]{32}$/i.test(value), "a machine id", "machine id");
    default:
      return [];
  }
}

/**
 * `ip=CLIENT:PEER:GATEWAY:NETMASK:HOSTNAME:INTERFACE:METHOD…` or `ip=INTERFACE:METHOD:MTU:MAC`; an IPv6 address stands in
 * square brackets. A gateway alone, or a method alone, is the same for all clones.
 */
function inAddress(value: string): BootIdentity[] {
  const [client = "", , , , name = "", ...rest] = value.split(/:(?![^[\]]*\])/);
  const found: BootIdentity[] = [];
  const isBare = isAddress(value);
  if (isBare || isAddress(client)) found.push({ what: "an address", of: "network" });
  if (isBare) return found;
  const endsInMac = mac.test(value) && !nobodysMac.test(value);
  if (endsInMac) found.push({ what: "a link address", of: "network" });
  const isNamed = rest.length > 0 && isHostName(name);
  // The fifth field of `ip=INTERFACE:METHOD:MTU:MAC` is part of a link address.
  if (isNamed && !/^[\da-f]{2}$/i.test(name)) found.push({ what: "a host name", of: "host name" });
  return found;
}

const mac = /(?:^|[:-])[\da-f]{2}(?:[:-][\da-f]{2}){5}$/i;
const nobodysMac = /(?:00[:-]){5}00$/;

function isAddress(text: string): boolean {
  const bare = text.replace(/^\[(.*)\]$/, "$1").replace(/[/%].*$/, "");
  return isIP(bare) !== 0 && !/^(?:0\.|127\.|::1?$)/.test(bare);
}

// Not a variable of a shell or of tuned.
function isHostName(text: string): boolean {
  return /^[A-Za-z\d][\w.-]*$/.test(text) && !/^localhost(?:\.|$)/.test(text);
}
