import { createHash } from "node:crypto";
import { isIP } from "node:net";
import type { GuestTree } from "../image/tree.ts";
import { digestOf } from "../model/digest.ts";
import { keyfileEntries } from "./config/keyfile.ts";
import { shellAssignments } from "./config/shell.ts";
import { textIn } from "./operation.ts";

/** Everything that distinguishes guests. Two clones must not share any entry of the lists. */
export interface Identity {
  readonly hostname: string | undefined;
  readonly addresses: readonly string[];
  /** In the form of `ssh-keygen -l`. */
  readonly hostKeys: readonly string[];
  readonly machineId: string | undefined;
  readonly macs: readonly string[];
  readonly randomSeed: string | undefined;
  readonly iscsiInitiator: string | undefined;
}

export async function readIdentity(tree: GuestTree): Promise<Identity> {
  const pairs = await networkPairs(tree);
  const rules = (await filesAt(tree, ["/etc/udev/rules.d/*.rules"])).map(({ text }) => withoutComments(text));
  const values = (keys: RegExp) => pairs.filter(({ key }) => keys.test(key)).map(({ value }) => value);
  return {
    hostname: await readHostname(tree),
    addresses: unique(
      values(/^(?:IPADDR\d*|IPADDR_START|IPV6ADDR\w*|address(?:es)?\d*)$/).flatMap(addressesIn),
    ),
    hostKeys: (await filesAt(tree, ["/etc/ssh/ssh_host_*.pub"]))
      .flatMap(({ text }) => fingerprint(text))
      .sort(),
    machineId: (await idIn(tree, "/etc/machine-id")) ?? (await idIn(tree, "/var/lib/dbus/machine-id")),
    macs: unique([...pairs.map(({ value }) => value), ...rules].flatMap(macsIn)),
    randomSeed: await digestOfFirst(tree, [
      "/var/lib/systemd/random-seed",
      "/var/lib/random-seed",
      "/var/lib/urandom/random-seed",
    ]),
    iscsiInitiator: /^\s*InitiatorName\s*=\s*(\S+)/m.exec(
      (await tree.text("/etc/iscsi/initiatorname.iscsi")) ?? "",
    )?.[1],
  };
}

/** Describes what two guests share but must not. */
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

async function readHostname(tree: GuestTree): Promise<string | undefined> {
  const file = ((await textIn(tree, "/etc/hostname")) ?? "").split("\n");
  // hostname(5): lines that start with `#` are ignored.
  const named = nonEmpty(file.find((line) => line.trim() !== "" && !line.startsWith("#")));
  if (named !== undefined) return named;
  const network = shellAssignments((await textIn(tree, "/etc/sysconfig/network")) ?? "");
  return nonEmpty(network.findLast(({ name }) => name === "HOSTNAME")?.value);
}

// Of every interface but the loopback, by the rules of the format that it is written in.
async function networkPairs(tree: GuestTree): Promise<{ readonly key: string; readonly value: string }[]> {
  const interfaces = (await filesAt(tree, ["/etc/sysconfig/network-scripts/ifcfg-*"])).map(({ text }) =>
    shellAssignments(text).map(({ name, value }) => ({ key: name, value: value.trim() })),
  );
  const connections = (await filesAt(tree, ["/etc/NetworkManager/system-connections/*"])).map(({ text }) =>
    keyfileEntries(text),
  );
  return [
    ...interfaces.filter((pairs) => !pairs.some(({ key, value }) => key === "DEVICE" && /^lo\b/.test(value))),
    ...connections,
  ].flat();
}

async function filesAt(
  tree: GuestTree,
  patterns: readonly string[],
): Promise<{ readonly path: string; readonly text: string }[]> {
  const found: { path: string; text: string }[] = [];
  for (const pattern of patterns)
    for (const path of await tree.glob(pattern)) {
      const text = await textIn(tree, path);
      if (text !== undefined) found.push({ path, text });
    }
  return found;
}

async function idIn(tree: GuestTree, path: string): Promise<string | undefined> {
  const text = nonEmpty(await textIn(tree, path));
  // machine-id(5): the value in an image that has never booted.
  return text === "uninitialized" ? undefined : text;
}

function addressesIn(value: string): string[] {
  const all = value.split(/[\s,;]+/).map((one) => one.replace(/\/.*/, ""));
  return all.filter((one) => isIP(one) !== 0 && !/^(?:127\.|0\.0\.0\.0$|::1?$)/.test(one));
}

function macsIn(text: string): string[] {
  const found = text.toLowerCase().match(/(?<![\da-f:-])[\da-f]{2}(?:[:-][\da-f]{2}){5}(?![\da-f:-])/g) ?? [];
  return found.map((one) => one.replaceAll("-", ":"));
}

function withoutComments(text: string): string {
  return text.replaceAll(/^\s*#.*$/gm, "");
}

function fingerprint(key: string): string[] {
  const [type, data] = key.trim().split(/\s+/);
  if (!type || !data) return [];
  const digest = createHash("sha256").update(Buffer.from(data, "base64")).digest("base64").replace(/=+$/, "");
  return [`SHA256:${digest} ${type}`];
}

async function digestOfFirst(tree: GuestTree, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const data = await tree.read(path);
    if (data && data.length > 0) return digestOf(data);
  }
  return undefined;
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}

function nonEmpty(text: string | undefined): string | undefined {
  return text?.trim() === "" ? undefined : text?.trim();
}
