import { suggestion } from "../recipe/findings.ts";
import { faultsOfNames } from "./check-names.ts";
import { checkSpecial } from "./check-special.ts";
import { checkWords, type Given, type Say } from "./check-words.ts";
import { type Installer, installerOf } from "./installer.ts";
import { parseOptions } from "./option-parser.ts";
import type { KickstartFault, KickstartPart } from "./part.ts";
import { shellWords } from "./shell-words.ts";
import { apart, isAmong, neverTwice, once, optionsOf, sections } from "./table.ts";

/**
 * Checks a kickstart against the table of its release, line by line, as that release's own parser would read
 * it. If updates differ, the given update decides, otherwise the last one.
 */
export function checkKickstart(text: string, major: number, update?: number): KickstartFault[] {
  const installer = installerOf(major, update);
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

/** What a kickstart must specify, because the installer cannot ask in `cmdline` mode. */
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
      text: `${choice.join(" or ")} is missing: the installer would ask for it and wait forever`,
    }));
}

/** Warnings of unknown languages, keyboards and time zones: the installer's parser accepts any name. */
export function checkNames(text: string, major: number): KickstartFault[] {
  const silent = () => {};
  const installer = installerOf(major);
  return partsOf(text, major, silent).flatMap((part) => {
    const rule = part.kind === "command" ? installer.command(part.name) : undefined;
    const given = rule && checkWords(part, rule, installer, silent);
    const faults = given ? faultsOfNames(part.name, given, major) : [];
    return faults.map((fault) => ({ line: part.line, severity: "warning" as const, text: fault }));
  });
}

/** The parts of a kickstart, in order. Reports faults of its structure. */
export function partsOf(text: string, major: number, say: Say): KickstartPart[] {
  const parts: KickstartPart[] = [];
  let open: { part: KickstartPart; body: string[] } | undefined;
  const begin = (name: string, line: number, raw: string) => {
    const part = { kind: "section" as const, name, line, text: raw, body: [] as string[] };
    open = { part, body: part.body };
    parts.push(part);
  };
  const unclosed = () => {
    if (!open || major === 5) return;
    say(open.part.line, major === 6 ? "warning" : "error", `${open.part.name} does not end with %end`);
  };
  for (const { line, raw } of linesOf(text, major)) {
    const word = firstWord(raw, major);
    if (open) {
      if (endsSection(word, open.part.name, major)) {
        if (major === 5) say(line, "error", "OL5 has no %end: a section ends where the next one begins");
        open = undefined;
      } else if (word in sections && isAmong(sections[word]?.in, major)) {
        unclosed();
        begin(word, line, raw);
      } else open.body.push(raw);
    } else if (word === "" || word.startsWith("#")) {
      // The line is empty.
    } else if (word === "%end") say(line, "error", "%end closes nothing");
    else if (word.startsWith("%") && word !== "%include" && word !== "%ksappend") begin(word, line, raw);
    else parts.push({ kind: "command", name: word, line, text: raw, body: [] });
  }
  unclosed();
  return parts;
}

// In OL5, %end is part of the script.
function endsSection(word: string, section: string, major: number): boolean {
  return word === "%end" && (major > 5 || section === "%packages");
}

/** The lines as Python reads them, each with its number in the file. */
function* linesOf(text: string, major: number): Generator<{ readonly line: number; readonly raw: string }> {
  for (const [index, whole] of text.split("\n").entries()) {
    const raw = whole.endsWith("\r") ? whole.slice(0, -1) : whole;
    const parts = major === 5 ? [raw] : raw.split(major <= 7 ? /\r/ : lineEnds);
    for (const part of parts) yield { line: index + 1, raw: part };
  }
}

// `str.splitlines` of Python 3 ends a line at each of these.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const lineEnds = /[\r\v\f\u001c-\u001e\u0085\u2028\u2029]/;

/** The first word without its quotes; "#" for a comment, nothing for a blank line. */
function firstWord(raw: string, major: number): string {
  const text = major <= 7 ? raw.replace(/^[ \t\r\v\f]+/, "") : raw.replace(/^[^\S\ufeff]+/, "");
  if (text === "" || text.startsWith("#")) return text.slice(0, 1);
  const [plain = ""] = /^[^ \t\r]*/.exec(raw.replace(/^[ \t\r]+/, "")) ?? [];
  if (!/["'\\#]/.test(plain)) return plain;
  try {
    return shellWords(raw, major > 5)[0] ?? plain;
  } catch {
    return plain;
  }
}

function checkSection(part: KickstartPart, installer: Installer, say: Say): void {
  const { major } = installer;
  const rule = installer.section(part.name);
  if (!rule) {
    const guess = suggestion(part.name, installer.sections);
    say(part.line, "error", `OL${major} has no section ${part.name}${guess}`);
    return;
  }
  if (rule.missing !== undefined) say(part.line, "error", rule.missing);
  checkWords(part, rule, installer, say);
  for (const [index, line] of part.body.entries()) {
    const at = part.line + 1 + index;
    if (/^\s*%include(\s|$)/.test(line)) checkInclude(line, at, major, say);
    else if (part.name === "%packages" && !/^\s*(#|$)/.test(line)) checkPackage(line, at, major, say);
  }
}

function checkPackage(line: string, at: number, major: number, say: Say): void {
  const entry = line.trim();
  if (major === 5) {
    if (entry.startsWith("%")) say(at, "error", `${entry} is not allowed in %packages`);
    else checkPackageOfOl5(line, at, say);
    return;
  }
  if (entry.startsWith("%")) say(at, "warning", `OL${major} reads ${entry} as the name of a package`);
  else if (/^-\s*(#|$)/.test(entry)) say(at, "error", "- excludes nothing: the name of a package is missing");
  else if (entry.startsWith("@") && !(major >= 8 && entry.startsWith("@^")))
    checkGroup(entry.slice(1).replace(/#.*/, ""), at, major, say);
}

function checkPackageOfOl5(line: string, at: number, say: Say): void {
  if (/\S\s*#/.test(line)) say(at, "warning", "OL5 reads a comment after a package as part of its name");
  try {
    shellWords(line, false);
  } catch (error) {
    say(at, "error", `OL5 reads it like a command: ${(error as Error).message}`);
  }
}

const groupOptions = optionsOf({ in: "6789", options: "nodefaults optional" });

// From `Packages.add` of pykickstart. argparse of OL8 and OL9 leaves unknown options in the name.
function checkGroup(words: string, at: number, major: number, say: Say): void {
  const { options, unknown } = parseOptions(words.trim().split(/\s+/), groupOptions, major);
  if (new Set(options.map(({ rule }) => rule.name)).size > 1)
    say(at, "error", "a group takes --nodefaults or --optional, not both");
  if (options.some(({ value }) => value !== undefined))
    say(at, "error", "--nodefaults and --optional take no value");
  if (major <= 7 && unknown.length > 0)
    say(at, "error", `a group takes --nodefaults and --optional only, not ${unknown.join(" ")}`);
}

// Further words are ignored.
function checkInclude(text: string, line: number, major: number, say: Say): void {
  try {
    const [, file = ""] = shellWords(text, major > 5);
    if (file === "") say(line, "error", "%include needs a file");
  } catch (error) {
    say(line, "error", `%include: ${(error as Error).message}`);
  }
}

function checkCommand(part: KickstartPart, installer: Installer, say: Say): Given | undefined {
  const { major } = installer;
  if (part.name === "%include") {
    checkInclude(part.text, part.line, major, say);
    return undefined;
  }
  if (part.name === "%ksappend") {
    if (major === 5) say(part.line, "error", "OL5 has no %ksappend");
    else if (part.text.trim().split(/\s+/).length < 2) say(part.line, "error", "%ksappend needs a URL");
    return undefined;
  }
  const rule = installer.command(part.name);
  if (!rule) {
    const guess = suggestion(part.name, installer.commands);
    say(part.line, "error", `OL${major} has no command ${part.name}${guess}`);
    return undefined;
  }
  if (rule.missing !== undefined) say(part.line, "error", rule.missing);
  const given = checkWords(part, rule, installer, say);
  checkSpecial(part, given, major, say);
  return given;
}

/** Lines that are allowed one by one, but not together. */
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
      if (met !== undefined) this.say(line, "error", `${name} and ${met} exclude each other`);
    }
    this.seen.add(name);
    if (given !== undefined && this.major > 5) this.addName(name, line, given);
  }

  private addName(name: string, line: number, given: Given): void {
    const by = once[name] ?? neverTwice[name];
    if (by === undefined) return;
    const words = by.length === 0 ? given.words.slice(0, 1) : by.map((option) => given.options.get(option));
    const key = words.join(" ");
    if (key === "" || key === "swap") return;
    const command = name === "partition" ? "part" : name;
    if (this.named.has(`${command} ${key}`) && name in neverTwice)
      this.say(line, "error", `OL${this.major} refuses a second ${command} called ${key}`);
    else if (this.named.has(`${command} ${key}`))
      this.say(line, "warning", `OL${this.major} warns about a second ${command} for ${key}`);
    this.named.add(`${command} ${key}`);
  }
}
