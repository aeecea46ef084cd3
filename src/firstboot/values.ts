import { isIP, isIPv4 } from "node:net";
import type { Parameter } from "../model/manifest.ts";
import { type Finding, suggestion } from "../recipe/findings.ts";
import type { Located, Place } from "../recipe/located.ts";
import { rootPasswordKey, shippedKey, type ValueType } from "./shipped.ts";

/** Where a secret comes from, so that it stands in no file of values. */
export type Reference =
  | { readonly kind: "env"; readonly name: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "prompt" };

/** A value for one key of a contract, or where to get it. */
export interface GivenValue {
  readonly key: string;
  readonly value: string | Reference;
  readonly at: Place;
}

export interface CheckedValues {
  readonly values: readonly GivenValue[];
  readonly errors: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/**
 * Most bytes of a message that is not logged, and of one that is (Oracle VM Concepts Guide, "Virtual Machine
 * Messaging").
 */
export const mostBytes = { unlogged: 8192, logged: 1024 } as const;

/**
 * Checks a file of values against a template's contract: keys, types, what belongs together, what is missing. Where the
 * contract may lack parameters (`isWhole` is false), a key that it has not is a warning.
 */
export function checkValues(contract: readonly Parameter[], file: Located, isWhole = true): CheckedValues {
  const errors: Finding[] = [];
  const warnings: Finding[] = [];
  const values: GivenValue[] = [];
  if (file.kind !== "map")
    return { values, warnings, errors: [{ at: file.at, path: "", text: "is no list of KEY: VALUE" }] };
  const keys = contract.map(({ key }) => key);
  for (const [key, said] of file.entries) {
    const fail = (text: string) => errors.push({ at: said.at, path: key, text });
    const parameter = parameterOf(contract, key);
    if (!parameter && isWhole) {
      fail(`the template has no such parameter${suggestion(key, keys)}`);
      continue;
    }
    if (!parameter)
      warnings.push({
        at: said.at,
        path: key,
        text: `is not among the parameters that are known${suggestion(key, keys)}`,
      });
    const value = readValue(said, fail);
    if (value === undefined) continue;
    values.push({ key, value, at: said.at });
    if (typeof value !== "string") continue;
    if (parameter?.password)
      warnings.push({
        at: said.at,
        path: key,
        text: "is a secret in plain text; write {env: NAME}, {file: PATH} or {prompt: true}",
      });
    const fault = faultOf(shippedKey(key)?.type ?? "text", value);
    if (fault !== undefined) fail(parameter?.password ? `is not ${fault}` : `"${value}" is not ${fault}`);
    const bytes = Buffer.byteLength(value);
    if (bytes > mostBytes.unlogged) fail(`has ${bytes} bytes; a message takes ${mostBytes.unlogged}`);
  }
  const missing = contract.filter(({ key, required }) => required && !file.entries.has(key));
  for (const { key, description } of missing)
    errors.push({ at: file.at, path: key, text: `is required${description ? `: ${description}` : ""}` });
  if (
    keys.includes(rootPasswordKey) &&
    !file.entries.has(rootPasswordKey) &&
    !missing.some(({ key }) => key === rootPasswordKey)
  )
    warnings.push({
      at: file.at,
      path: rootPasswordKey,
      text: "is missing: the guest waits for it, and configures itself only when it comes",
    });
  errors.push(...interfaceFindings(values));
  return { values, errors, warnings };
}

/** The parameter that a key is of. Keys that end with a number repeat: `…device.1` is as `…device.0`. */
export function parameterOf(contract: readonly Parameter[], key: string): Parameter | undefined {
  const exact = contract.find((one) => one.key === key);
  if (exact || !/\.\d+$/.test(key)) return exact;
  const stem = key.replace(/\.\d+$/, "");
  return contract.find((one) => /\.\d+$/.test(one.key) && one.key.replace(/\.\d+$/, "") === stem);
}

function readValue(said: Located, fail: (text: string) => void): string | Reference | undefined {
  if (said.kind === "scalar") {
    const { value } = said;
    if (typeof value === "string") {
      if (/[\0\r\n]/.test(value)) {
        fail("has several lines or a zero byte, and a message has one line");
        return undefined;
      }
      return value;
    }
    if (typeof value === "number" || typeof value === "boolean") return pythonWord(value);
    fail("has no value");
    return undefined;
  }
  if (said.kind === "list") {
    const words = said.items.map((item) => (item.kind === "scalar" ? String(item.value) : undefined));
    if (words.every((word) => word !== undefined)) return words.join(",");
    fail("is a list of more than words");
    return undefined;
  }
  const entries = [...said.entries];
  const [name, where] = entries[0] ?? [];
  if (entries.length === 1 && where?.kind === "scalar") {
    if (name === "env" && typeof where.value === "string") {
      if (/^[A-Za-z_]\w*$/.test(where.value)) return { kind: "env", name: where.value };
      fail(`"${where.value}" is no name of an environment variable`);
      return undefined;
    }
    if (name === "file" && typeof where.value === "string" && where.value !== "")
      return { kind: "file", path: where.value };
    if (name === "prompt" && where.value === true) return { kind: "prompt" };
  }
  fail("is neither a value nor {env: NAME}, {file: PATH} or {prompt: true}");
  return undefined;
}

// The additions are Python, and document "True or False".
function pythonWord(value: number | boolean): string {
  return typeof value === "number" ? String(value) : value ? "True" : "False";
}

const label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const hostname = new RegExp(`^${label}(?:\\.${label})*$`);

/** What a value of a type should be, when it is not. */
function faultOf(type: ValueType, value: string): string | undefined {
  const all = (test: (word: string) => boolean) => value.split(",").every((word) => test(word.trim()));
  const is: Record<ValueType, () => [boolean, string]> = {
    text: () => [true, ""],
    boolean: () => [/^(?:true|false)$/i.test(value), "True or False"],
    "yes-no": () => [/^(?:yes|no)$/i.test(value), "yes or no"],
    integer: () => [/^-?\d+$/.test(value), "a whole number"],
    ip: () => [isIP(value) > 0, "an IP address"],
    netmask: () => [isNetmask(value), "a netmask, such as 255.255.255.0"],
    "ip-list": () => [all((word) => isIP(word) > 0), "a list of IP addresses, separated by commas"],
    hostname: () => [hostname.test(value) && value.length <= 253 && isIP(value) === 0, "a host name"],
    "domain-list": () => [all((word) => hostname.test(word)), "a list of domains, separated by commas"],
    "hosts-line": () => [isHostsLine(value), 'a line of /etc/hosts: "IP name alias"'],
    bootproto: () => [/^(?:dhcp|static|none)$/.test(value), "dhcp or static"],
    device: () => [/^[A-Za-z][\w.:@-]{0,14}$/.test(value), "a network device, such as eth0"],
    mac: () => [/^(?:[\da-f]{2}:){5}[\da-f]{2}$/i.test(value), "a MAC address"],
    timezone: () => [/^[A-Za-z][\w+-]*(?:\/[\w+-]+)*$/.test(value), "a time zone, such as Europe/Zurich"],
    datetime: () => [isTime(value), "a time, such as 2011-4-7-9-2-42"],
    selinux: () => [/^(?:enforcing|permissive|disabled)$/.test(value), "enforcing, permissive or disabled"],
  };
  const [good, wanted] = is[type]();
  return good ? undefined : wanted;
}

function isTime(value: string): boolean {
  if (!/^\d{4}(?:-\d{1,2}){5}$/.test(value)) return false;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = value.split("-").map(Number);
  // Date counts on: the 31st of February becomes the 3rd of March.
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  return (
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second
  );
}

function isHostsLine(value: string): boolean {
  const [address = "", ...names] = value.trim().split(/\s+/);
  return isIP(address) > 0 && names.length > 0 && names.every((name) => hostname.test(name));
}

function isNetmask(value: string): boolean {
  if (!isIPv4(value)) return /^\d{1,2}$/.test(value) && Number(value) <= 32;
  const bits = toNumber(value).toString(2).padStart(32, "0");
  return /^1+0*$/.test(bits);
}

function toNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** Why no interface can have this address. */
function addressFault(address: string, mask: string | undefined): string | undefined {
  if (!isIPv4(address)) return undefined;
  const [first = 0] = address.split(".").map(Number);
  if (first === 127) return "is an address of the loopback";
  if (first === 0 || first >= 224) return "is no address of a machine";
  if (mask === undefined || !isIPv4(mask) || !isNetmask(mask)) return undefined;
  const hosts = 2 ** 32 - 1 - toNumber(mask);
  // Networks of two addresses and of one have neither.
  if (hosts < 3) return undefined;
  const rest = toNumber(address) % (hosts + 1);
  if (rest === 0) return `is the network ${address}/${mask} itself`;
  return rest === hosts ? `is the broadcast address of its network` : undefined;
}

// What the values of one network interface say together. A reference is known later, and is not judged.
function interfaceFindings(values: readonly GivenValue[]): Finding[] {
  const prefix = "com.oracle.linux.network.";
  const byIndex = new Map<number, Map<string, GivenValue>>();
  for (const one of values) {
    const [, name, index] = /^com\.oracle\.linux\.network\.([a-z-]+)\.(\d+)$/.exec(one.key) ?? [];
    if (name === undefined || name === "host") continue;
    const own = byIndex.get(Number(index)) ?? new Map<string, GivenValue>();
    byIndex.set(Number(index), own.set(name, one));
  }
  const found: Finding[] = [];
  for (const [index, own] of byIndex) {
    const text = (name: string) => {
      const value = own.get(name)?.value;
      return typeof value === "string" ? value : undefined;
    };
    const add = (name: string, what: string) => {
      const at = (own.get(name) ?? [...own.values()][0])?.at;
      if (at) found.push({ at, path: `${prefix}${name}.${index}`, text: what });
    };
    if (!own.has("device"))
      add("device", `is missing: it says which interface the values with .${index} are for`);
    const isStatic = text("bootproto") === "static" || text("bootproto") === "none";
    if (isStatic)
      for (const name of ["ipaddr", "netmask"])
        if (!own.has(name)) add(name, "is missing: the interface is static");
    if (text("bootproto") === "dhcp")
      for (const name of ["ipaddr", "netmask", "gateway"])
        if (own.has(name)) add(name, "is not used: bootproto is dhcp");
    const [address, mask, gateway] = [text("ipaddr"), text("netmask"), text("gateway")];
    const fault = address === undefined ? undefined : addressFault(address, mask);
    if (fault !== undefined) add("ipaddr", `${address} ${fault}`);
    if (address && mask && gateway && isIPv4(address) && isIPv4(mask) && isNetmask(mask) && isIPv4(gateway)) {
      const net = (one: string) =>
        one.split(".").map((part, at) => Number(part) & Number(mask.split(".")[at]));
      if (net(address).join() !== net(gateway).join())
        add("gateway", `${gateway} is not in the network of ${address}/${mask}`);
      else if (gateway === address) add("gateway", "is the address of the interface itself");
    }
  }
  for (const name of ["device", "ipaddr"]) {
    const seen = new Map<string, string>();
    for (const one of values.filter(({ key }) => key.startsWith(`${prefix}${name}.`))) {
      if (typeof one.value !== "string") continue;
      const other = seen.get(one.value);
      if (other !== undefined)
        found.push({ at: one.at, path: one.key, text: `${one.value} is also ${other}` });
      seen.set(one.value, one.key);
    }
  }
  return found;
}
