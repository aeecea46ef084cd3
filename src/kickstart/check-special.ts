import type { Given, Say } from "./check-words.ts";
import type { KickstartPart } from "./part.ts";
import { shellWords } from "./shell-words.ts";

type Check = (part: KickstartPart, given: Given, major: number) => string | undefined;

/** Checks that the table cannot express: the form of values, as pykickstart checks them. */
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

const isPart = (name: string) => name === "part" || name === "partition";

const checks: readonly Check[] = [
  // EL8 and EL9 have no btrfs.
  ({ name }, { words, options }, major) =>
    major >= 8 &&
    ((options.get("fstype") === "btrfs" && name !== "autopart") ||
      (isPart(name) && words[0]?.startsWith("btrfs.")))
      ? `OL${major} has no btrfs`
      : undefined,
  ({ name }, { options, effective }, major) => {
    if (name !== "autopart" || major < 7 || !effective.has("fstype")) return undefined;
    if (options.get("fstype") === "btrfs") return "autopart: use --type=btrfs instead of --fstype=btrfs";
    return options.get("type")?.toLowerCase() === "btrfs"
      ? "autopart: --type=btrfs and --fstype exclude each other"
      : undefined;
  },
  ({ name }, { options, effective }, major) =>
    isPart(name) &&
    major >= 7 &&
    options.get("fstype") === "tmpfs" &&
    (effective.has("grow") || effective.has("maxsize"))
      ? "part: --fstype=tmpfs excludes --grow and --maxsize"
      : undefined,
  ({ name }, { options }, major) =>
    name === "logvol" && major >= 7 && !inRange(options.get("percent"), 0, 100)
      ? `logvol: --percent=${options.get("percent")} is not between 0 and 100`
      : undefined,
  ({ name }, { options }, major) => {
    if (name !== "volgroup" || major < 6) return undefined;
    if (!inRange(options.get("reserved-space"), 0, Number.POSITIVE_INFINITY))
      return "volgroup: --reserved-space is negative";
    return inRange(options.get("reserved-percent"), 1, 99)
      ? undefined
      : `volgroup: --reserved-percent=${options.get("reserved-percent")} is not between 1 and 99`;
  },
  // An existing device already has its members.
  ({ name }, { words, effective }, major) =>
    (name === "volgroup" || name === "raid") &&
    major >= 7 &&
    words.length > 1 &&
    (effective.has("useexisting") || effective.has("noformat"))
      ? `${name}: an existing one takes no members, but the line has ${words.slice(1).join(" ")}`
      : undefined,
  ({ name }, { words, effective }, major) =>
    name === "driverdisk" &&
    major >= 6 &&
    words.length > 0 &&
    (effective.has("source") || effective.has("biospart"))
      ? "driverdisk takes exactly one of a partition, --source and --biospart"
      : undefined,
  ({ name }, { options }, major) =>
    name === "bootloader" && major >= 7 && options.get("boot-drive")?.includes(",")
      ? "bootloader: --boot-drive takes one disk"
      : undefined,
  ({ name }, { options }, major) => {
    const device = name === "raid" && major <= 6 ? options.get("device") : undefined;
    return device === undefined || /^(md)?\s*[+-]?\d+\s*$/.test(device)
      ? undefined
      : `raid of OL${major} needs a device such as md0, not "${device}"`;
  },
  ({ name }, { options }) => {
    const said = name === "network" ? options.get("bridgeopts") : undefined;
    const wrong = said?.split(",").find((one) => !/^[^=]*=[^=]+$/.test(one));
    return wrong === undefined || said === ""
      ? undefined
      : `network: "${wrong}" in --bridgeopts is not key=value`;
  },
  ({ name }, { options, effective }, major) =>
    name === "network" &&
    major >= 7 &&
    options.get("bindto") === "mac" &&
    effective.has("vlanid") &&
    !effective.has("bondopts")
      ? "network: a VLAN cannot be bound with --bindto=mac"
      : undefined,
  ({ name }, { options }, major) =>
    name === "network" && major >= 7 ? wrongInterface(options.get("interfacename") ?? "") : undefined,
  ({ name }, { options, effective }, major) =>
    name === "vnc" && major === 7 && effective.has("password") && (options.get("password")?.length ?? 0) < 6
      ? "vnc of OL7 needs a password of 6 characters or more"
      : undefined,
  ({ name }, { words }) =>
    name === "snapshot" && words.length === 1 && !/^[^/]+\/[^/]+$/.test(words[0] ?? "")
      ? `snapshot takes GROUP/VOLUME, not "${words[0]}"`
      : undefined,
  ({ name }, { words, effective }) => {
    if (name !== "nvdimm" || words.length !== 1) return undefined;
    const [action = ""] = words;
    if (effective.has("namespace") && effective.has("blockdevs"))
      return "nvdimm takes --namespace or --blockdevs, not both";
    if (action === "use")
      return effective.has("namespace") || effective.has("blockdevs")
        ? undefined
        : "nvdimm use needs --namespace or --blockdevs";
    if (action !== "reconfigure") return `nvdimm has reconfigure and use, not "${action}"`;
    const missing = ["namespace", "sectorsize"].find((option) => !effective.has(option));
    return missing === undefined ? undefined : `nvdimm reconfigure needs --${missing}`;
  },
];

/** True if a number is absent or within a range. A value that is not a number is reported elsewhere. */
function inRange(said: string | undefined, least: number, most: number): boolean {
  const number = Number(said ?? "x");
  return Number.isNaN(number) || said === "" || (number >= least && number <= most);
}

/** A name with a dot, or that begins with `vlan`, must continue with the VLAN's number. */
function wrongInterface(name: string): string | undefined {
  const [, id] = /^[^.]*\.(.*)$/s.exec(name) ?? /^vlan(.*)$/s.exec(name) ?? [];
  if (id === undefined) return undefined;
  if (name.startsWith("vlan.") || !/^\s*\d+\s*$/.test(id) || Number(id) > 4094)
    return `network: --interfacename "${name}" does not end with the number of a VLAN, 0 to 4094`;
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
    return undefined; // reported already
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
  return rest.length - at === 1 ? undefined : "join needs one realm, after its options";
}
