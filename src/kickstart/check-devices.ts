import { partsOf } from "./check.ts";
import { checkWords, type Given } from "./check-words.ts";
import type { KickstartFault, KickstartPart } from "./part.ts";
import { commands } from "./table.ts";

interface Line {
  readonly part: KickstartPart;
  readonly given: Given;
}

/**
 * What the lines of storage name and no line makes. The installer's parser accepts that; Anaconda of OL7 to OL9 stops when it
 * makes the devices, in the order partitions, RAID, volume groups, volumes, wherever the lines stand.
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
      text: `${part.name} uses ${word}, which no line makes: OL${major} stops there`,
    }));
    const group = part.name === "logvol" ? given.options.get("vgname") : undefined;
    if (group === undefined || group === "" || groups.has(group) || takesExisting(given)) return faults;
    // A group may be on the disk already, unless every disk is emptied.
    const otherwise = emptied ? "" : ", unless the disk has this group already";
    const text = `no volgroup makes ${group}: OL${major} stops there${otherwise}`;
    return [...faults, { line: part.line, severity: emptied ? "error" : "warning", text }];
  });
}

/** Whether it includes further files, where what is missing may be. */
export function includesMore(text: string): boolean {
  return /^\s*%(include|ksappend)\b/m.test(text);
}

// Other names may be those of devices that exist.
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
  return partsOf(text, major, silent).flatMap((part) => {
    const rule = part.kind === "command" && storage.has(part.name) ? commands[part.name] : undefined;
    const given = rule && checkWords(part, rule, { major }, silent);
    return given ? [{ part, given }] : [];
  });
}

const storage = new Set(["part", "partition", "raid", "volgroup", "logvol", "btrfs", "clearpart"]);
