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
 * The addresses, names and ids in the kernel command lines of a guest and in the files that they are made from. They are
 * reported, not removed: a guest may boot from what they name.
 */
export async function bootIdentities(tree: GuestTree): Promise<Leftover[]> {
  const paths = new Set((await Promise.all(places.map((pattern) => tree.glob(pattern)))).flat());
  const links = new Set<string>();
  for (const path of paths) if ((await tree.stat(path))?.kind === "link") links.add(path);
  const texts = new Set<string>();
  const found = new Map<string, Leftover>();
  // A link to one of the others tells nothing new.
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

/** The identities in a text that holds kernel command lines: dracut.cmdline(7), systemd's kernel-command-line(7). */
export function commandLineIdentities(text: string): BootIdentity[] {
  const found: BootIdentity[] = [];
  for (const [, key = "", value = ""] of text.replaceAll(/^[ \t]*#.*$/gm, "").matchAll(keys)) {
    const [kind, of] = identityOf(key, value) ?? [];
    if (kind !== undefined && of !== undefined) found.push({ what: `${kind} (${key}=)`, of });
  }
  return found;
}

function identityOf(key: string, value: string): readonly [string, string] | undefined {
  switch (key) {
    case "ip":
      return inAddress(value);
    case "ifname":
    case "BOOTIF":
      return mac.test(value) && !nobodysMac.test(value) ? ["a link address", "network"] : undefined;
    case "rd.iscsi.initiator":
    case "iscsi_initiator":
      return /^iqn\.|^eui\.|^naa\./i.test(value) ? ["an iSCSI name", "storage ids"] : undefined;
    case "rd.nvmf.hostnqn":
    case "rd.nvmf.hostid":
      return /[\da-f]{8}-/i.test(value) ? ["an NVMe host id", "storage ids"] : undefined;
    case "systemd.hostname":
      return isHostName(value) ? ["a host name", "host name"] : undefined;
    case "systemd.machine_id":
      return /^[\da-f]{32}$/i.test(value) ? ["a machine id", "machine id"] : undefined;
    default:
      return undefined;
  }
}

/**
 * `ip=CLIENT:PEER:GATEWAY:NETMASK:HOSTNAME:INTERFACE:METHOD…` or `ip=INTERFACE:METHOD:MTU:MAC`; an IPv6 address stands in
 * square brackets. A gateway alone, or a method alone, is the same for all clones.
 */
function inAddress(value: string): readonly [string, string] | undefined {
  const fields = value.split(/:(?![^[\]]*\])/);
  const [client = "", , , , name = "", ...rest] = fields;
  if (isAddress(client) || isAddress(value)) return ["an address", "network"];
  if (mac.test(value) && !nobodysMac.test(value)) return ["a link address", "network"];
  return rest.length > 0 && isHostName(name) ? ["a host name", "host name"] : undefined;
}

const mac = /(?:^|[:-])[\da-f]{2}(?:[:-][\da-f]{2}){5}$/i;
const nobodysMac = /(?:00[:-]){5}00$/;

function isAddress(text: string): boolean {
  const bare = text.replace(/^\[(.*)\]$/, "$1").replace(/[/%].*$/, "");
  return isIP(bare) !== 0 && !/^(?:0\.|127\.|::1?$)/.test(bare);
}

// No variable of a shell or of tuned.
function isHostName(text: string): boolean {
  return /^[A-Za-z\d][\w.-]*$/.test(text) && !/^localhost(?:\.|$)/.test(text);
}
