import { createHash } from "node:crypto";
import type { GuestTree } from "../image/tree.ts";

/** All by which one guest is told from another. Two clones share none of the lists' entries. */
export interface Identity {
  readonly hostname: string | undefined;
  readonly addresses: readonly string[];
  /** As `ssh-keygen -l` writes them. */
  readonly hostKeys: readonly string[];
  readonly machineId: string | undefined;
  readonly macs: readonly string[];
  readonly randomSeed: string | undefined;
  readonly iscsiInitiator: string | undefined;
}

export async function readIdentity(tree: GuestTree): Promise<Identity> {
  const interfaces = await texts(tree, ["/etc/sysconfig/network-scripts/ifcfg-*", connections]);
  const rules = await texts(tree, ["/etc/udev/rules.d/70-persistent-net.rules"]);
  const own = interfaces.filter((text) => !/^DEVICE="?lo"?$/m.test(text)).join("\n");
  return {
    hostname: await readHostname(tree),
    addresses: unique(own, /^(?:IPADDR\d*|address\d*)="?([\d.]+)/gm),
    hostKeys: (await texts(tree, ["/etc/ssh/ssh_host_*.pub"])).flatMap(fingerprint).sort(),
    machineId:
      nonEmpty(await tree.text("/etc/machine-id")) ?? nonEmpty(await tree.text("/var/lib/dbus/machine-id")),
    macs: unique(`${own}\n${rules.join("\n")}`.toLowerCase(), /\b((?:[\da-f]{2}:){5}[\da-f]{2})\b/g),
    randomSeed: await digestOf(tree, [
      "/var/lib/systemd/random-seed",
      "/var/lib/random-seed",
      "/var/lib/urandom/random-seed",
    ]),
    iscsiInitiator: /^InitiatorName=(.+)$/m.exec(
      (await tree.text("/etc/iscsi/initiatorname.iscsi")) ?? "",
    )?.[1],
  };
}

/** What two guests have in common and must not, in words. */
export function sharedIdentity(one: Identity, other: Identity): string[] {
  const shared: string[] = [];
  for (const key of ["hostname", "machineId", "randomSeed", "iscsiInitiator"] as const) {
    const value = one[key];
    if (value !== undefined && value === other[key] && !value.startsWith("localhost"))
      shared.push(`${key} ${value}`);
  }
  for (const key of ["addresses", "hostKeys", "macs"] as const)
    for (const value of one[key]) if (other[key].includes(value)) shared.push(`${key} ${value}`);
  return shared;
}

const connections = "/etc/NetworkManager/system-connections/*";

async function readHostname(tree: GuestTree): Promise<string | undefined> {
  const named = nonEmpty(await tree.text("/etc/hostname"));
  return named ?? /^HOSTNAME="?([^"\n]+)"?$/m.exec((await tree.text("/etc/sysconfig/network")) ?? "")?.[1];
}

async function texts(tree: GuestTree, patterns: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const pattern of patterns)
    for (const path of await tree.glob(pattern)) {
      const text = (await tree.stat(path))?.kind === "file" ? await tree.text(path) : undefined;
      if (text !== undefined) found.push(text);
    }
  return found;
}

function fingerprint(key: string): string[] {
  const [type, data] = key.trim().split(/\s+/);
  if (!type || !data) return [];
  const digest = createHash("sha256").update(Buffer.from(data, "base64")).digest("base64").replace(/=+$/, "");
  return [`SHA256:${digest} ${type}`];
}

async function digestOf(tree: GuestTree, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const data = await tree.read(path);
    if (data && data.length > 0) return `sha256:${createHash("sha256").update(data).digest("hex")}`;
  }
  return undefined;
}

function unique(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, value = ""]) => value))].sort();
}

function nonEmpty(text: string | undefined): string | undefined {
  return text?.trim() === "" ? undefined : text?.trim();
}
