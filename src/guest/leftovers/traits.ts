import { isIP } from "node:net";
import type { GuestTree } from "../../image/tree.ts";
import { keyfileEntries } from "../config/keyfile.ts";
import { shellAssignments } from "../config/shell.ts";
import { readIdentity } from "../identity.ts";
import { textIn } from "../operation.ts";
import { ownNames } from "../seal/hosts.ts";
import { connectionFiles, connectionsNamed, interfaceFiles } from "../seal/network.ts";

/** A value that distinguishes one guest from all others, and its form in a text. */
export interface Trait {
  /** "this host's name". */
  readonly what: string;
  /** In lower case. */
  readonly text: string;
  /** If one of these characters is next to the text, the text is part of a longer word and does not count. */
  readonly beside: RegExp;
  /** A pattern that must not precede it. */
  readonly notAfter?: string;
  /** A pattern that may precede it although `beside` contains its last character. */
  readonly alsoAfter?: RegExp;
}

/** The values that distinguish this guest. Read before a seal; the seal must leave none of them. */
export async function readTraits(tree: GuestTree): Promise<Trait[]> {
  const { hostname, addresses, machineId, macs, iscsiInitiator } = await readIdentity(tree);
  const traits = [
    ...ownNames(hostname).filter(isTelling).map(nameTrait),
    ...[...addresses, ...(await leasedAddresses(tree))].map(addressTrait),
    ...macs.flatMap(macTraits),
    ...[machineId, ...(await idsOfRescueKernels(tree))].flatMap((id) =>
      id === undefined ? [] : machineIdTraits(id),
    ),
    ...(await hostKeys(tree)),
    ...(await connectionIds(tree)),
    ...(await singleIds(tree)),
    ...(iscsiInitiator === undefined ? [] : [trait("its iSCSI name", iscsiInitiator, /[\w.:-]/)]),
  ];
  const seen = new Set<string>();
  return traits.filter(({ text }) => text.length >= 4 && !seen.has(text) && seen.add(text));
}

/** Returns a function that says whether a disk block contains any of the traits. */
export function showsTrait(block: Uint8Array, traits: readonly Trait[]): boolean {
  if (traits.length === 0) return false;
  const text = Buffer.from(block.buffer, block.byteOffset, block.length).toString("latin1").toLowerCase();
  return traits.some((trait) => hasTrait(text, trait));
}

/** Whether a lower-case text contains a trait. */
export function hasTrait(text: string, { text: wanted, beside, notAfter, alsoAfter }: Trait): boolean {
  for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + 1)) {
    const [before, after] = [text[at - 1] ?? "", text[at + wanted.length] ?? ""];
    if (
      (before !== "" && beside.test(before) && !alsoAfter?.test(text.slice(Math.max(0, at - 48), at))) ||
      (after !== "" && beside.test(after) && !isEndOf(text, at + wanted.length))
    )
      continue;
    if (notAfter !== undefined && text.startsWith(notAfter, at - notAfter.length)) continue;
    return true;
  }
  return false;
}

// A full stop or a colon that ends a word.
function isEndOf(text: string, at: number): boolean {
  return (
    (text[at] === "." && !/\w/.test(text[at + 1] ?? "")) ||
    (text[at] === ":" && !/[\da-f:]/.test(text[at + 1] ?? ""))
  );
}

function trait(what: string, text: string, beside: RegExp): Trait {
  return { what, text: text.toLowerCase(), beside };
}

/** A plain word such as `oracle` occurs everywhere; a name with a dot, a digit or a hyphen is specific. */
function isTelling(name: string): boolean {
  return name.includes(".") || (name.length >= 4 && /[\d-]/.test(name)) || name.length >= 12;
}

function addressTrait(text: string): Trait {
  return trait("this host's address", text, text.includes(":") ? /[\da-f:.]/ : /[\w.]/);
}

// dhclient.leases(5), and the leases of NetworkManager's own client.
async function leasedAddresses(tree: GuestTree): Promise<string[]> {
  const found: string[] = [];
  for (const pattern of ["/var/lib/dhclient/*", "/var/lib/dhcp/*", "/var/lib/NetworkManager/*.lease"])
    for (const path of await tree.glob(pattern))
      for (const [, address = ""] of ((await textIn(tree, path)) ?? "").matchAll(
        /^\s*(?:fixed-address |iaaddr |ADDRESS=)([\da-f.:]+)/gm,
      ))
        if (isIP(address) !== 0) found.push(address);
  return found;
}

// Host names contain no underscore, so it ends one: `vm17_db`.
function nameTrait(name: string): Trait {
  return trait("this host's name", name, /[\da-z-]/);
}

/** A link address in its usual notations, and the IPv6 address derived from it (RFC 4291, appendix A). */
function macTraits(mac: string): Trait[] {
  const digits = mac.replaceAll(":", "");
  const dotted = digits.replaceAll(/(.{4})(?=.)/g, "$1.");
  const bytes = mac.split(":").map((byte) => Number.parseInt(byte, 16));
  const eui = [(bytes[0] ?? 0) ^ 2, ...bytes.slice(1, 3), 0xff, 0xfe, ...bytes.slice(3)];
  const groups = [0, 2, 4, 6].map((at) => ((eui[at] ?? 0) << 8) | (eui[at + 1] ?? 0));
  const short = groups.map((group) => group.toString(16)).join(":");
  const full = groups.map((group) => group.toString(16).padStart(4, "0")).join(":");
  return [
    ...[mac, mac.replaceAll(":", "-"), digits, dotted].map((text) => ({
      ...trait("its link address", text, /[\da-f:-]/),
      alsoAfter: identifier,
    })),
    ...[short, full].map((text) => ({
      ...trait("an address made of its link address", text, /[\da-f:]/),
      alsoAfter: /:$/,
    })),
  ];
}

// A client id of DHCP is the type 1 and the address; a DUID has its kind, the type and maybe a time before (RFC 8415, 11).
const identifier =
  /(?<![\da-f:-])(?:01|(?:00[:-]?03[:-]?00[:-]?01|00[:-]?01[:-]?00[:-]?01(?:[:-]?[\da-f]{2}){4})|0:1:0:1(?::[\da-f]{1,2}){4}|0:3:0:1)[:-]?$/;

function machineIdTraits(id: string): Trait[] {
  if (!/^[\da-f]{32}$/i.test(id) || /^(.)\1*$/.test(id)) return [];
  const uuid = id.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  // A rescue kernel is named after the id, and dracut makes a new one for the clone's id.
  return [id, uuid].map((text) => ({ ...trait("its machine id", text, /[\da-f]/), notAfter: "0-rescue-" }));
}

// After a seal, the id is still known from here.
async function idsOfRescueKernels(tree: GuestTree): Promise<string[]> {
  return (await tree.list("/boot")).flatMap(
    (name) => /^vmlinuz-0-rescue-([\da-f]{32})$/.exec(name)?.[1] ?? [],
  );
}

async function hostKeys(tree: GuestTree): Promise<Trait[]> {
  const traits: Trait[] = [];
  for (const path of await tree.glob("/etc/ssh/ssh_host_*.pub")) {
    const data = (await textIn(tree, path))?.trim().split(/\s+/)[1];
    if (data !== undefined && data.length >= 64)
      traits.push(trait("its SSH host key", data.slice(-60), /\0/));
  }
  return traits;
}

async function connectionIds(tree: GuestTree): Promise<Trait[]> {
  const named = await connectionsNamed(tree);
  const ids: string[] = [];
  for (const pattern of [...interfaceFiles, ...connectionFiles])
    for (const path of await tree.glob(pattern)) {
      const text = (await textIn(tree, path)) ?? "";
      for (const { name, value } of shellAssignments(text)) if (name === "UUID") ids.push(value.trim());
      for (const { key, value } of keyfileEntries(text)) if (key === "uuid") ids.push(value.trim());
    }
  return ids
    .map((id) => id.toLowerCase())
    .filter((id) => isUuid(id) && !named.has(id))
    .map((id) => trait("the id of one of its connections", id, /[\da-f]/));
}

const idFiles = [
  ["its NVMe host id", "/etc/nvme/hostid"],
  ["its NVMe host name", "/etc/nvme/hostnqn"],
  ["its id at Oracle's or Red Hat's network", "/etc/sysconfig/rhn/up2date-uuid"],
  ["its id at Ksplice", "/var/lib/uptrack/uuid"],
  ["its id at Red Hat Insights", "/etc/insights-client/machine-id"],
  ["its id in the counts of dnf or yum", "/var/lib/yum/uuid"],
  ["the hardware's id", "/etc/smolt/hw-uuid"],
  ["the hardware's id", "/etc/sysconfig/hw-uuid"],
  ["its id at Open vSwitch", "/etc/openvswitch/system-id.conf"],
  ["its id at GlusterFS", "/var/lib/glusterd/glusterd.info"],
  ["its id at MySQL", "/var/lib/mysql/auto.cnf"],
  ["its id at Salt", "/etc/salt/minion_id"],
] as const;

async function singleIds(tree: GuestTree): Promise<Trait[]> {
  const traits: Trait[] = [];
  for (const [what, path] of idFiles) {
    const text = ((await textIn(tree, path)) ?? "").toLowerCase();
    const id = /(?<![\da-f])[\da-f]{8}-?(?:[\da-f]{4}-?){3}[\da-f]{12}(?![\da-f])/.exec(text)?.[0];
    if (id !== undefined) traits.push(trait(what, id, /[\da-f]/));
  }
  return traits;
}

function isUuid(text: string): boolean {
  return /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/.test(text);
}
