import type { Given, Say } from "./check-words.ts";
import type { KickstartPart } from "./part.ts";
import { shellWords } from "./shell-words.ts";

type Check = (part: KickstartPart, given: Given, major: number) => string | undefined;

/** What the table has no words for: how a value is built, as the parsers of pykickstart ask it. */
export function checkSpecial(part: KickstartPart, given: Given | undefined, major: number, say: Say): void {
  if (part.name === "realm") {
    const wrong = wrongRealm(part.text);
    if (wrong !== undefined) say(part.line, "error", `realm ${wrong}`);
  }
  if (given === undefined) return;
  for (const check of checks) {
    const wrong = check(part, given, major);
    if (wrong !== undefined) say(part.line, "error", wrong);
  }
}

const checks: readonly Check[] = [
  // EL8 and EL9 leave btrfs to others.
  ({ name }, { options }, major) =>
    major >= 8 && options.get("fstype") === "btrfs" && name !== "autopart"
      ? `OL${major} has no btrfs`
      : undefined,
  ({ name }, { options }, major) => {
    const device = name === "raid" && major <= 6 ? options.get("device") : undefined;
    return device === undefined || /^(md)?\s*[+-]?\d+\s*$/.test(device)
      ? undefined
      : `raid of OL${major} wants a device such as md0, not "${device}"`;
  },
  ({ name }, { options }) => {
    const said = name === "network" ? options.get("bridgeopts") : undefined;
    const wrong = said?.split(",").find((one) => !/^[^=]*=[^=]+$/.test(one));
    return wrong === undefined || said === ""
      ? undefined
      : `network: "${wrong}" of --bridgeopts is no key=value`;
  },
  ({ name }, { options }, major) =>
    name === "network" &&
    major >= 7 &&
    options.get("bindto") === "mac" &&
    options.has("vlanid") &&
    !options.get("bondopts")
      ? "network takes --bindto=mac not for a VLAN"
      : undefined,
  ({ name }, { options }, major) =>
    name === "network" && major >= 7 ? wrongInterface(options.get("interfacename") ?? "") : undefined,
  ({ name }, { options }, major) =>
    name === "vnc" && major === 7 && (options.get("password")?.length ?? 6) < 6
      ? "vnc of OL7 wants a password of 6 characters or more"
      : undefined,
];

/** A name with a dot, or one that begins with `vlan`, has the number of its VLAN behind that. */
function wrongInterface(name: string): string | undefined {
  const [, id] = /^[^.]*\.(.*)$/s.exec(name) ?? /^vlan(.*)$/s.exec(name) ?? [];
  if (id === undefined) return undefined;
  if (name.startsWith("vlan.") || !/^\s*\d+\s*$/.test(id) || Number(id) > 4094)
    return `network: --interfacename "${name}" has no number of a VLAN, 0 to 4094, behind its name`;
  return undefined;
}

const joinOptions = new Map([
  ["client-software", true],
  ["server-software", true],
  ["membership-software", true],
  ["one-time-password", true],
  ["no-password", false],
  ["computer-ou", true],
]);

/** `realm join [options] one.realm`: the options come first. */
function wrongRealm(text: string): string | undefined {
  let words: string[];
  try {
    words = shellWords(text, false).slice(1);
  } catch {
    return undefined; // told already
  }
  const [command, ...rest] = words;
  if (command !== "join") return `has only "join", not "${command ?? ""}"`;
  let at = 0;
  for (; rest[at]?.startsWith("--"); at++) {
    const [, name = "", value] = /^--([^=]*)(=.*)?$/s.exec(rest[at] ?? "") ?? [];
    const meant = joinOptions.has(name)
      ? [name]
      : [...joinOptions.keys()].filter((one) => one.startsWith(name));
    const takes = meant.length === 1 ? joinOptions.get(meant[0] ?? "") : undefined;
    if (takes === undefined) return `join has no --${name}`;
    if (!takes && value !== undefined) return `join: --${name} takes no value`;
    if (takes && value === undefined) at++;
  }
  return rest.length - at === 1 ? undefined : "join wants one realm, behind its options";
}
