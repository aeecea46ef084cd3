import { keyfileEntries } from "../config/keyfile.ts";
import { shellAssignments } from "../config/shell.ts";
import { type TextEdit, withEdits } from "../config/text-edits.ts";
import { isReference, judgeIfcfgKey, judgeKeyfileKey, type Verdict } from "./network-keys.ts";

/** A key that looks like an identity but matches no rule, or is a secret. */
export interface UnclearKey {
  readonly key: string;
  readonly class: string;
}

/** The result for a network configuration: the new text, and the keys that a person must check. */
export interface Freed {
  readonly text: string;
  readonly unclear: readonly UnclearKey[];
}

/** Removes the settings of a NetworkManager connection that tie it to its machine. */
export function freeKeyfile(text: string, named: ReadonlySet<string>): Freed {
  const edits: TextEdit[] = [];
  const unclear: UnclearKey[] = [];
  for (const { group, key, value, start, end, valueStart, valueEnd } of keyfileEntries(text)) {
    const verdict: Verdict =
      group === "vpn-secrets" && value !== ""
        ? { fate: "unclear", class: "secret" }
        : judgeKeyfileKey(key, value.trim(), named);
    if (verdict.fate === "goes") edits.push({ start, end, text: "" });
    // NetworkManager refuses a manual connection without addresses.
    else if (key === "method" && value.trim() === "manual" && /^ipv[46]$/.test(group))
      edits.push({ start: valueStart, end: valueEnd, text: "auto" });
    else if (verdict.fate === "unclear") unclear.push({ key: `${group}.${key}`, class: verdict.class });
  }
  return { text: withEdits(text, edits), unclear };
}

/** Removes the settings of an ifcfg file that tie it to its machine. */
export function freeIfcfg(text: string, named: ReadonlySet<string>): Freed {
  const assignments = shellAssignments(text);
  const values = new Map(assignments.map(({ name, value }) => [name, value.trim()]));
  const has = (pattern: RegExp) => [...values].some(([name, value]) => pattern.test(name) && value !== "");
  const hadAddress = has(/^IPADDR\d*$/);
  const isStatic = hadAddress || /^static$/i.test(values.get("BOOTPROTO") ?? "");
  const edits: TextEdit[] = [];
  const unclear: UnclearKey[] = [];
  for (const assignment of assignments) {
    const { name, value, valueStart, valueEnd, lines } = assignment;
    const verdict = judgeIfcfgKey(name, value.trim(), named);
    if (name === "BOOTPROTO") {
      if (isStatic && value.trim() !== "dhcp") edits.push({ start: valueStart, end: valueEnd, text: "dhcp" });
    } else if (verdict.fate === "goes" || isDoubled(name, value, values))
      edits.push(lines ? { ...lines, text: "" } : { start: valueStart, end: valueEnd, text: "" });
    else if (verdict.fate === "unclear") unclear.push({ key: name, class: verdict.class });
  }
  const freed = withEdits(text, edits);
  // An interface without an address, such as a cluster interconnect's, stays without one.
  return {
    text: hadAddress && !values.has("BOOTPROTO") ? withLine(freed, "BOOTPROTO=dhcp") : freed,
    unclear,
  };
}

/** The ids by which connections in these files refer to each other. */
export function namedConnections(
  files: Iterable<{ readonly path: string; readonly text: string }>,
): Set<string> {
  const named = new Set<string>();
  for (const { path, text } of files) {
    const pairs = /\/(?:ifcfg|keys)-[^/]*$/.test(path)
      ? withoutDoubled(shellAssignments(text).map(({ name, value }) => [name, value] as const))
      : keyfileEntries(text).map(({ key, value }) => [key, value] as const);
    for (const [key, value] of pairs)
      if (isReference(key))
        for (const id of value.toLowerCase().split(/[;,\s]+/)) if (id !== "") named.add(id);
  }
  return named;
}

// MASTER_UUID beside MASTER: the name is enough, and it is the same in every clone.
function isDoubled(name: string, value: string, values: ReadonlyMap<string, string>): boolean {
  const [, twin] = /^(MASTER|BRIDGE|TEAM_MASTER|VRF|OVS_PORT)_UUID$/.exec(name) ?? [];
  return twin !== undefined && value.trim() !== "" && isName(values.get(twin));
}

function withoutDoubled(pairs: readonly (readonly [string, string])[]): (readonly [string, string])[] {
  const values = new Map(pairs);
  return pairs.filter(([name, value]) => !isDoubled(name, value, values));
}

// NetworkManager also writes ids of connections where a device is meant.
function isName(value: string | undefined): boolean {
  return value !== undefined && value.trim() !== "" && !/^[\da-f]{8}-(?:[\da-f]{4}-){3}/i.test(value.trim());
}

function withLine(text: string, line: string): string {
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  return `${text}${text === "" || text.endsWith("\n") ? "" : newline}${line}${newline}`;
}
