import { suggestion } from "../recipe/findings.ts";
import { checkSpecial } from "./check-special.ts";
import { checkWords, type Given, type Installer, type Say } from "./check-words.ts";
import type { KickstartFault, KickstartPart } from "./part.ts";
import { shellWords } from "./shell-words.ts";
import { apart, cameBefore, commands, once, sections } from "./table.ts";

/**
 * Puts a kickstart to the table of its release, line by line, as that release's own parser would read it. Where updates
 * of a release differ, it is the given one, else the last.
 */
export function checkKickstart(text: string, major: number, update?: number): KickstartFault[] {
  const installer = { major, update };
  const faults: KickstartFault[] = [];
  const say = (line: number, severity: KickstartFault["severity"], what: string) =>
    faults.push({ line, severity, text: what });
  const together = new Together(major, say);
  for (const part of partsOf(text, major, say)) {
    if (part.kind === "command") together.add(part, checkCommand(part, installer, say));
    else checkSection(part, installer, say);
  }
  return faults.sort((a, b) => a.line - b.line);
}

/** What a kickstart must answer so that nothing is asked in `cmdline` mode. */
export function checkAnswers(text: string, major: number): KickstartFault[] {
  const parts = partsOf(text, major, () => {});
  const names = new Set(parts.map((part) => part.name));
  const needed = [
    ["lang"],
    ["keyboard"],
    ["timezone"],
    ["rootpw"],
    ["part", "partition", "autopart", "mount"],
    ["%packages"],
    ...(major <= 6 ? [["poweroff", "reboot", "halt", "shutdown"]] : []),
  ];
  return needed
    .filter((choice) => !choice.some((name) => names.has(name)))
    .map((choice) => ({
      line: 1,
      severity: "error" as const,
      text: `${choice.join(" or ")} is missing: the installer would ask for it, and wait for ever`,
    }));
}

/** The parts of a kickstart, in order. Says what is wrong with how they are put together. */
export function partsOf(text: string, major: number, say: Say): KickstartPart[] {
  const parts: KickstartPart[] = [];
  let open: { part: KickstartPart; body: string[] } | undefined;
  const unclosed = () => {
    if (!open || major === 5) return;
    const what = `${open.part.name} does not end with %end`;
    say(open.part.line, major === 6 ? "warning" : "error", what);
  };
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    const word = /^\s*(\S*)/.exec(raw)?.[1] ?? "";
    if (word === "%end") {
      if (!open) say(line, "error", "%end closes nothing");
      else if (major === 5 && open.part.name === "%packages")
        say(line, "error", "OL5 knows no %end: a section ends where the next one begins");
      open = undefined;
    } else if (open && !(word in sections)) open.body.push(raw);
    else if (word.startsWith("%") && word !== "%include" && word !== "%ksappend") {
      unclosed();
      const part = { kind: "section" as const, name: word, line, text: raw, body: [] as string[] };
      open = { part, body: part.body };
      parts.push(part);
    } else if (word !== "" && !word.startsWith("#"))
      parts.push({ kind: "command", name: word, line, text: raw, body: [] });
  }
  unclosed();
  return parts;
}

function checkSection(part: KickstartPart, installer: Installer, say: Say): void {
  const { major } = installer;
  const rule = sections[part.name];
  if (!rule?.in.includes(String(major))) {
    const there = Object.keys(sections).filter((name) => sections[name]?.in.includes(String(major)));
    say(part.line, "error", `OL${major} has no section ${part.name}${suggestion(part.name, there)}`);
    return;
  }
  if (!cameBefore(rule.since, major, installer.update))
    say(part.line, "error", `${part.name} came with OL${rule.since}`);
  checkWords(part, rule, installer, say);
  if (part.name !== "%packages") return;
  for (const [index, line] of part.body.entries()) {
    const at = part.line + 1 + index;
    if (/^\s*%include\b/.test(line)) checkInclude(line, at, say);
    else if (/^\s*%/.test(line)) say(at, "error", `${line.trim()} cannot stand in %packages`);
    else if (major === 5) checkPackageOfOl5(line, at, say);
    else if (/^\s*@/.test(line)) checkGroup(line.replace(/#.*/, ""), at, say);
  }
}

function checkPackageOfOl5(line: string, at: number, say: Say): void {
  if (/\S\s*#/.test(line)) say(at, "warning", "OL5 takes a comment behind a package for part of its name");
  try {
    if (!/^\s*#/.test(line)) shellWords(line);
  } catch (error) {
    say(at, "error", `OL5 reads it like a command: ${(error as Error).message}`);
  }
}

// From `Packages.add` of pykickstart: a group may have options, and these two exclude each other.
function checkGroup(line: string, at: number, say: Say): void {
  if (/\s--nodefaults\b/.test(line) && /\s--optional\b/.test(line))
    say(at, "error", "a group takes --nodefaults or --optional, not both");
}

function checkInclude(text: string, line: number, say: Say): void {
  if (text.trim().split(/\s+/).length !== 2) say(line, "error", "%include wants one file");
}

function checkCommand(part: KickstartPart, installer: Installer, say: Say): Given | undefined {
  const { major } = installer;
  if (part.name === "%include") {
    checkInclude(part.text, part.line, say);
    return undefined;
  }
  if (part.name === "%ksappend") {
    if (major === 5) say(part.line, "error", "OL5 has no %ksappend");
    else if (part.text.trim().split(/\s+/).length !== 2) say(part.line, "error", "%ksappend wants one file");
    return undefined;
  }
  const rule = commands[part.name];
  if (!rule?.in.includes(String(major))) {
    const there = Object.keys(commands).filter((name) => commands[name]?.in.includes(String(major)));
    say(part.line, "error", `OL${major} has no command ${part.name}${suggestion(part.name, there)}`);
    return undefined;
  }
  if (!cameBefore(rule.since, major, installer.update))
    say(part.line, "error", `${part.name} came with OL${rule.since}`);
  const given = checkWords(part, rule, installer, say);
  checkSpecial(part, given, major, say);
  return given;
}

/** What each line may say, and all of them may not. */
class Together {
  private readonly seen = new Set<string>();
  private readonly named = new Set<string>();
  private readonly major: number;
  private readonly say: Say;

  constructor(major: number, say: Say) {
    this.major = major;
    this.say = say;
  }

  add({ name, line }: KickstartPart, given: Given | undefined): void {
    for (const [releases, one, others] of apart) {
      if (!releases.includes(String(this.major))) continue;
      const against = name === one ? others : others.includes(name) ? [one] : [];
      const met = against.find((other) => this.seen.has(other));
      if (met !== undefined) this.say(line, "error", `${name} cannot stand beside ${met}`);
    }
    this.seen.add(name);
    if (given !== undefined && this.major > 5) this.addName(name, line, given);
  }

  private addName(name: string, line: number, given: Given): void {
    const by = once[name];
    if (by === undefined) return;
    const words = by.length === 0 ? given.words.slice(0, 1) : by.map((option) => given.options.get(option));
    const key = words.join(" ");
    if (key === "" || key === "swap") return;
    const command = name === "partition" ? "part" : name;
    if (this.named.has(`${command} ${key}`))
      this.say(line, "warning", `OL${this.major} warns of a second ${command} of ${key}`);
    this.named.add(`${command} ${key}`);
  }
}
