import { partsOf } from "./check.ts";
import { checkWords, type Given } from "./check-words.ts";
import { installerOf } from "./installer.ts";
import type { KickstartFault, KickstartPart } from "./part.ts";

interface Line {
  readonly part: KickstartPart;
  readonly given: Given;
}

/**
 * Devices that storage lines use but no line defines. The installer's parser accepts that, but Anaconda of
 * OL7 to OL9 stops when it creates the devices. It creates partitions, RAID, volume groups and volumes in
 * this order, whatever the order of the lines.
 */
export function checkDevices(text: string, major: number): KickstartFault[] {
  if (major < 7 || includesMore(text)) return [];
  const lines = linesOf(text, major);
  const made = new Set(
    lines.filter(({ part }) => part.name !== "volgroup").map(({ given }) => given.words[0]),
  );
  const groups = new Set(
    lines.flatMap(({ part, given }) => (part.name === "volgroup" ? given.words[0] : [])),
  );
  const emptied = lines.some(
    ({ part, given }) =>
      part.name === "clearpart" &&
      given.options.has("all") &&
      !["drives", "list"].some((option) => given.effective.has(option)),
  );
  return lines.flatMap(({ part, given }): KickstartFault[] => {
    const kind = kindOfMember[part.name];
    const missing = given.words.slice(1).filter((word) => kind?.test(word) && !made.has(word));
    const faults = missing.map((word) => ({
      line: part.line,
      severity: "error" as const,
      text: `${part.name} uses ${word}, which no line defines: OL${major} stops there`,
    }));
    const group = part.name === "logvol" ? given.options.get("vgname") : undefined;
    if (group === undefined || group === "" || groups.has(group) || takesExisting(given)) return faults;
    // A group may already be on the disk, unless every disk is cleared.
    const otherwise = emptied ? "" : ", unless the disk has this group already";
    const text = `no volgroup defines ${group}: OL${major} stops there${otherwise}`;
    return [...faults, { line: part.line, severity: emptied ? "error" : "warning", text }];
  });
}

/** True if it includes further files, which may define what is missing. */
export function includesMore(text: string): boolean {
  return /^\s*%(include|ksappend)\b/m.test(text);
}

// Other names may belong to existing devices.
const kindOfMember: Readonly<Record<string, RegExp>> = {
  volgroup: /^pv\./,
  raid: /^raid\./,
  btrfs: /^btrfs\./,
};

function takesExisting({ effective }: Given): boolean {
  return effective.has("useexisting") || effective.has("noformat");
}

function linesOf(text: string, major: number): Line[] {
  const silent = () => {};
  const installer = installerOf(major);
  return partsOf(text, major, silent).flatMap((part) => {
    const rule = part.kind === "command" && storage.has(part.name) ? installer.command(part.name) : undefined;
    const given = rule && checkWords(part, rule, installer, silent);
    return given ? [{ part, given }] : [];
  });
}

const storage = new Set(["part", "partition", "raid", "volgroup", "logvol", "btrfs", "clearpart"]);
