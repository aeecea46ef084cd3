import { stringify } from "yaml";
import { TbuildError } from "../errors.ts";
import { rootPasswordKey } from "../model/root-password.ts";
import { readDeployment } from "./load.ts";
import { readSettings, type Setting } from "./shell-settings.ts";

/** A file for deploycluster, with its name for messages. */
export interface SettingsFile {
  readonly name: string;
  readonly text: string;
}

export interface ImportedDeployment {
  /** A deployment file. */
  readonly text: string;
  /** Settings that were not converted, with their positions: one line each, no secrets. */
  readonly notes: readonly string[];
}

interface Node {
  readonly number: number;
  readonly name: string;
  readonly ip: string;
  readonly privateName: string | undefined;
  readonly privateIp: string | undefined;
  readonly vipName: string | undefined;
  readonly vip: string | undefined;
}

/**
 * Converts deploycluster's `netconfig.ini` and `params.ini` to a deployment. Both are shell scripts that the
 * original sources. Here they are only read. The names NODEn, NODEnIP, NODEnPRIV, NODEnPRIVIP, NODEnVIP,
 * NODEnVIPIP, SCANIP and RACCLUSTERNAME are known from scripts that call deploycluster. PUBMASK, PRIVMASK,
 * PUBGW, DOMAINNAME, DNSIP and SCANNAME are read as their names suggest; no document was found that describes
 * them.
 */
export async function importNetconfig(
  netconfig: SettingsFile,
  params: SettingsFile | undefined,
  options: { readonly template: string; readonly netmask?: string; readonly privateNetmask?: string },
): Promise<ImportedDeployment> {
  const notes: string[] = [];
  const values = new Map<string, Setting & { readonly file: string }>();
  for (const file of [netconfig, ...(params ? [params] : [])]) {
    const { settings, notRead } = await readSettings(file.text);
    // A line may contain a secret, so the message has only its number and the reason.
    for (const { line, why } of notRead) notes.push(`${file.name}:${line}: not read: ${why}`);
    for (const one of settings) values.set(one.name, { ...one, file: file.name });
  }
  const used = new Set<string>();
  const get = (name: string) => {
    used.add(name);
    const value = values.get(name)?.value.trim();
    return value === "" ? undefined : value;
  };
  const nodes = nodesOf(values, get, netconfig.name, notes);
  const masks = masksOf(nodes, get, options, netconfig.name);

  const [domain, gateway, dns, cluster] = [
    get("DOMAINNAME"),
    get("PUBGW"),
    get("DNSIP"),
    get("RACCLUSTERNAME"),
  ];
  const full = (name: string) => (domain === undefined || name.includes(".") ? name : `${name}.${domain}`);
  const hosts = hostsOf(nodes, full, get("SCANNAME"), get("SCANIP"));
  for (const [name, ours] of [
    ["PUBADAP", "eth0"],
    ["PRIVADAP", "eth1"],
  ] as const) {
    const theirs = get(name);
    if (theirs !== undefined && theirs !== ours)
      notes.push(
        `${at(values, name)}: ${name} is ${theirs}, but the file below makes it ${ours}: change the order of the vnics`,
      );
  }
  if (get("SCANIP") !== undefined && get("SCANNAME") === undefined)
    notes.push(`${at(values, "SCANIP")}: SCANIP was not converted, because there is no SCANNAME`);
  for (const [name, { value }] of values) {
    if (used.has(name) || value === "") continue;
    const isSecret = /PASSW|PWD|SECRET/i.test(name);
    notes.push(
      `${at(values, name)}: ${name} was not converted${isSecret ? `: it is a secret; use a reference such as { env: ${name} }` : ""}`,
    );
  }
  const machines = nodes.map((node) => ({
    name: (node.name.split(".")[0] ?? "").toLowerCase(),
    nics: [
      {
        network: "public",
        address: `${node.ip}/${masks.public}`,
        ...(gateway !== undefined && { gateway }),
        ...(dns !== undefined && { dns: dns.split(/[ ,]+/) }),
        ...(domain !== undefined && { search: [domain] }),
      },
      ...(node.privateIp === undefined
        ? []
        : [{ network: "interconnect", address: `${node.privateIp}/${masks.private}` }]),
    ],
    shared: [] as string[],
    values: { "com.oracle.linux.network.hostname": full(node.name) },
  }));
  const deployment = {
    name:
      (cluster ?? "rac")
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, "-")
        .replace(/^-+|-+$/g, "") || "rac",
    template: options.template,
    machines,
    ...(machines.length > 1 && { apart: [machines.map(({ name }) => name)] }),
    values: {
      ...Object.fromEntries(hosts.map((line, index) => [`com.oracle.linux.network.host.${index}`, line])),
      [rootPasswordKey]: { env: "ROOT_PASSWORD" },
    },
  };
  notes.push(...faultsOf(deployment));
  notes.push("shared disks are not in these files: add them under `shared`, and to each machine's `shared`");
  const head = [
    `# Converted from ${[netconfig, ...(params ? [params] : [])].map(({ name }) => name).join(" and ")}.`,
    ...notes.map((note) => `# ${note}`),
  ];
  return { text: `${head.join("\n")}\n\n${stringify(deployment, { lineWidth: 0 })}`, notes };
}

/** What `tbuild deploy` would refuse, such as a node's name with an underscore. */
function faultsOf(deployment: object): string[] {
  try {
    readDeployment("it", stringify(deployment));
    return [];
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    return error.lines.map((line) => `to correct: ${line.replace(/^it:\d+:\d+: /, "")}`);
  }
}

function nodesOf(
  values: ReadonlyMap<string, Setting>,
  get: (name: string) => string | undefined,
  file: string,
  notes: string[],
): Node[] {
  const numbers = [...values.keys()]
    .flatMap((name) => /^NODE(\d{1,3})$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  const nodes = numbers.flatMap((number): Node[] => {
    const of = (what: string) => get(`NODE${number}${what}`);
    const [name, ip] = [of(""), of("IP")];
    const [privateName, privateIp, vipName, vip] = [of("PRIV"), of("PRIVIP"), of("VIP"), of("VIPIP")];
    if (name !== undefined && ip !== undefined)
      return [{ number, name, ip, privateName, privateIp, vipName, vip }];
    notes.push(
      `${file}: node ${number} was left out: it has no NODE${number}${ip === undefined ? "IP" : ""}`,
    );
    return [];
  });
  if (nodes.length > 0) return nodes;
  throw new TbuildError("usage", "has no node", {
    subject: file,
    lines: notes,
    hint: "A node is NODE1=name and NODE1IP=address.",
  });
}

/** The bits of both netmasks. Throws one error with all faults of them and of the addresses. */
function masksOf(
  nodes: readonly Node[],
  get: (name: string) => string | undefined,
  options: { readonly netmask?: string; readonly privateNetmask?: string },
  subject: string,
): { readonly public: number; readonly private: number } {
  const problems: string[] = [];
  const bits = (mask: string | undefined, flag: string) => {
    const found = mask === undefined ? undefined : bitsOf(mask);
    if (found === undefined)
      problems.push(mask === undefined ? `the netmask is missing; use ${flag}` : `${mask} is not a netmask`);
    return found ?? 0;
  };
  const ofPublic = bits(options.netmask ?? get("PUBMASK"), "--netmask 255.255.255.0");
  const hasPrivate = nodes.some(({ privateIp }) => privateIp !== undefined);
  const ofPrivate = hasPrivate
    ? bits(options.privateNetmask ?? get("PRIVMASK"), "--private-netmask 255.255.255.0")
    : 0;
  for (const { number, ip, privateIp, vip } of nodes)
    for (const address of [ip, privateIp, vip])
      if (address !== undefined && !/^\d{1,3}(\.\d{1,3}){3}$/.test(address))
        problems.push(`node ${number}: ${address} is not an IPv4 address`);
  if (problems.length > 0)
    throw new TbuildError("usage", "cannot be converted", { subject, lines: problems });
  return { public: ofPublic, private: ofPrivate };
}

/** Lines of /etc/hosts. */
function hostsOf(
  nodes: readonly Node[],
  full: (name: string) => string,
  scanName: string | undefined,
  scanIp: string | undefined,
): string[] {
  const host = (address: string | undefined, name: string | undefined) =>
    address === undefined || name === undefined
      ? []
      : [`${address} ${[...new Set([full(name), name.split(".")[0]])].join(" ")}`];
  return [
    ...nodes.flatMap((node) => [
      ...host(node.ip, node.name),
      ...host(node.privateIp, node.privateName),
      ...host(node.vip, node.vipName),
    ]),
    ...(scanName === undefined
      ? []
      : (scanIp ?? "").split(/[ ,]+/).flatMap((one) => host(one || undefined, scanName))),
  ];
}

function at(values: ReadonlyMap<string, Setting & { readonly file: string }>, name: string): string {
  const { file = "", line = 0 } = values.get(name) ?? {};
  return `${file}:${line}`;
}

function bitsOf(mask: string): number | undefined {
  const parts = mask.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255))
    return undefined;
  const bits = parts.map((part) => part.toString(2).padStart(8, "0")).join("");
  return /^1+0*$/.test(bits) ? bits.lastIndexOf("1") + 1 : undefined;
}
