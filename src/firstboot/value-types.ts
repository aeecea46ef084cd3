import type { ParameterType } from "../choices.ts";
import type { Parameter } from "../model/manifest.ts";
import { suggestion } from "../recipe/suggestion.ts";
import { isTimezone, timezones } from "../recipe/timezones.ts";
import { isIp, isIpv4, isNetmask, netmaskOf } from "./addresses.ts";
import { matchesWhole } from "./pattern.ts";
import { shippedKey, type ValueType } from "./shipped.ts";

// This file also runs in the browser, in the pages of the catalog.

// The types that module.yaml knows, as the types of values.
const declaredTypes = {
  text: "text",
  number: "integer",
  "yes-no": "yes-no",
  address: "ip",
  netmask: "netmask",
  "host-name": "hostname",
  device: "device",
  path: "path",
} as const satisfies Record<ParameterType, ValueType>;

/** The type of a parameter: from Oracle's documentation of its key, or from its module. */
export function typeOf({ key, type }: Pick<Parameter, "key" | "type">): ValueType {
  return shippedKey(key)?.type ?? (type === undefined ? "text" : declaredTypes[type]);
}

/** The only values that a parameter may have, if these can be listed. */
export function choicesOf(parameter: Parameter): readonly string[] | undefined {
  return parameter.choices ?? typeChoices[typeOf(parameter)];
}

const typeChoices: Partial<Record<ValueType, readonly string[]>> = {
  boolean: ["True", "False"],
  "yes-no": ["yes", "no"],
  bootproto: ["dhcp", "static", "none"],
  selinux: ["enforcing", "permissive", "disabled"],
};

const label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const hostname = new RegExp(`^${label}(?:\\.${label})*$`);

/** The expected form of an invalid value. */
export function faultOf(parameter: Parameter, value: string): string | undefined {
  const type = typeOf(parameter);
  const [is, what] = checks[type];
  if (!is(value)) {
    if (type === "timezone") return `${what}${suggestion(value, timezones)}`;
    return type === "netmask" ? `${what}${netmaskHint(value)}` : what;
  }
  const { choices, pattern } = parameter;
  if (choices !== undefined && !choices.includes(value)) return `one of ${choices.join(", ")}`;
  if (pattern !== undefined && matchesWhole(pattern, value) === false)
    return `in the form that its module requires: ${pattern}`;
  return undefined;
}

type Check = readonly [is: (value: string) => boolean, what: string];

const checks: Readonly<Record<ValueType, Check>> = {
  text: [() => true, "a text"],
  boolean: [(value) => /^(?:true|false)$/i.test(value), "True or False"],
  "yes-no": [(value) => /^(?:yes|no)$/i.test(value), "yes or no"],
  integer: [(value) => /^-?\d+$/.test(value), "a whole number"],
  ip: [isIp, "an IP address"],
  netmask: [isNetmask, "a netmask, such as 255.255.255.0"],
  "ip-list": [(value) => words(value).every(isIp), "a list of IP addresses, separated by commas"],
  hostname: [isHostName, "a host name"],
  "domain-list": [(value) => words(value).every(isName), "a list of domains, separated by commas"],
  "hosts-line": [isHostsLine, 'a line of /etc/hosts: "IP name alias"'],
  bootproto: [(value) => /^(?:dhcp|static|none)$/.test(value), "dhcp or static"],
  // The kernel's limit is 15 characters.
  device: [
    (value) => /^[A-Za-z][\w.:@-]{0,14}$/.test(value) && value !== "lo",
    "a network device, such as eth0",
  ],
  mac: [isCard, "the MAC address of one card"],
  path: [
    (value) => /^\//.test(value) && !/(?:^|\/)\.\.?(?:\/|$)/.test(value),
    "an absolute path without . and ..",
  ],
  timezone: [
    (value) => /^[A-Za-z][\w+-]*(?:\/[\w+-]+)*$/.test(value) && isTimezone(value),
    "a time zone, such as Europe/Zurich",
  ],
  datetime: [isTime, "a time, such as 2011-4-7-9-2-42"],
  selinux: [
    (value) => /^(?:enforcing|permissive|disabled)$/.test(value),
    "enforcing, permissive or disabled",
  ],
};

// Not that of a group (an odd first byte), and not all zeros.
function isCard(value: string): boolean {
  return (
    /^(?:[\da-f]{2}:){5}[\da-f]{2}$/i.test(value) &&
    Number.parseInt(value.slice(0, 2), 16) % 2 === 0 &&
    !/^[0:]+$/.test(value)
  );
}

function words(value: string): string[] {
  return value.split(",").map((word) => word.trim());
}

function isName(value: string): boolean {
  return value.length <= 253 && hostname.test(value);
}

// A resolver reads a name whose last part is a number as an address.
function isHostName(value: string): boolean {
  return isName(value) && !/(?:^|\.)\d+$/.test(value);
}

function isHostsLine(value: string): boolean {
  const [address = "", ...names] = value.trim().split(/\s+/);
  return isIp(address) && names.length > 0 && names.every(isName);
}

function netmaskHint(value: string): string {
  const bits = /^\/?(\d{1,2})$/.exec(value)?.[1];
  if (bits !== undefined && Number(bits) <= 32) return `; /${bits} is ${netmaskOf(Number(bits))}`;
  return isIpv4(value) ? "" : "; the guest's network scripts know no other form";
}

function isTime(value: string): boolean {
  if (!/^\d{4}(?:-\d{1,2}){5}$/.test(value)) return false;
  // The kernel's clock begins with 1970.
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = value.split("-").map(Number);
  // Date overflows: the 31st of February becomes the 3rd of March.
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  return (
    year >= 1970 &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second
  );
}
