import { suggestion } from "./findings.ts";
import { type CommandRule, commands, type OptionRule, optionsOf, sections } from "./kickstart-table.ts";
import { shellWords } from "./shell-words.ts";

/** What the installer of a release would say of a line. */
export interface KickstartFault {
  /** Counted from 1. */
  readonly line: number;
  /** An error stops the installer; a warning it only prints. */
  readonly severity: "error" | "warning";
  readonly text: string;
}

/** Puts a kickstart to the table of its release, line by line, as that release's own parser would read it. */
export function checkKickstart(text: string, major: number): KickstartFault[] {
  const faults: KickstartFault[] = [];
  const say = (line: number, severity: KickstartFault["severity"], what: string) =>
    faults.push({ line, severity, text: what });
  for (const part of partsOf(text, major, say)) {
    if (part.kind === "command") checkCommand(part, major, say);
    else checkSection(part, major, say);
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

/** A command, or a section with its lines. */
export interface KickstartPart {
  readonly kind: "command" | "section";
  readonly name: string;
  readonly line: number;
  readonly text: string;
  /** Of a section: the lines between its first and its `%end`. */
  readonly body: readonly string[];
}

type Say = (line: number, severity: KickstartFault["severity"], what: string) => void;

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
    } else if (open && !(raw.startsWith("%") && word in sections)) open.body.push(raw);
    else if (raw.startsWith("%") && word !== "%include" && word !== "%ksappend") {
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

function checkSection(part: KickstartPart, major: number, say: Say): void {
  const rule = sections[part.name];
  if (!rule?.in.includes(String(major))) {
    const there = Object.keys(sections).filter((name) => sections[name]?.in.includes(String(major)));
    say(part.line, "error", `OL${major} has no section ${part.name}${suggestion(part.name, there)}`);
    return;
  }
  checkWords(part, rule, major, say);
  if (part.name !== "%packages") return;
  for (const [index, line] of part.body.entries()) {
    const at = part.line + 1 + index;
    if (major === 5 && /\S\s*#/.test(line))
      say(at, "warning", "OL5 takes a comment behind a package for part of its name");
    if (/^\s*%/.test(line)) say(at, "error", `${line.trim()} cannot stand in %packages`);
  }
}

function checkCommand(part: KickstartPart, major: number, say: Say): void {
  if (part.name === "%include" || part.name === "%ksappend") {
    if (part.text.trim().split(/\s+/).length !== 2) say(part.line, "error", `${part.name} wants one file`);
    return;
  }
  const rule = commands[part.name];
  if (!rule?.in.includes(String(major))) {
    const there = Object.keys(commands).filter((name) => commands[name]?.in.includes(String(major)));
    say(part.line, "error", `OL${major} has no command ${part.name}${suggestion(part.name, there)}`);
    return;
  }
  checkWords(part, rule, major, say);
}

function checkWords({ name, line, text }: KickstartPart, rule: CommandRule, major: number, say: Say): void {
  const release = String(major);
  if (rule.warn?.includes(release)) say(line, "warning", `OL${major} warns that ${name} is on its way out`);
  let words: string[];
  try {
    words = shellWords(text).slice(1);
  } catch (error) {
    say(line, "error", `${name}: ${(error as Error).message}`);
    return;
  }
  if (rule.options === "*") return;
  const options = optionsOf(rule).filter((option) => option.in.includes(release));
  const given = new Set<string>();
  let free = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (!word.startsWith("--")) {
      free++;
      continue;
    }
    const [option, value] = splitOption(word);
    const known = options.find((one) => one.name === option);
    if (!known) {
      const there = options.map((one) => `--${one.name}`);
      say(line, "error", `${name} of OL${major} has no --${option}${suggestion(`--${option}`, there)}`);
      continue;
    }
    given.add(option);
    if (known.warn.includes(release))
      say(line, "warning", `OL${major} warns that --${option} of ${name} is on its way out`);
    if (takesNext(known, value, words[i + 1])) i++;
    else if (known.value && value === undefined) say(line, "error", `${name}: --${option} wants a value`);
    else if (!known.value && value !== undefined) say(line, "error", `${name}: --${option} takes no value`);
  }
  checkCount(name, line, rule, major, free, given, say);
}

function checkCount(
  name: string,
  line: number,
  rule: CommandRule,
  major: number,
  free: number,
  given: ReadonlySet<string>,
  say: Say,
): void {
  for (const need of rule.needs ?? [])
    if (!need.split(" ").some((option) => given.has(option)))
      say(
        line,
        "error",
        `${name} wants ${need
          .split(" ")
          .map((option) => `--${option}`)
          .join(" or ")}`,
      );
  const [least, most] = rule.wordsOf?.[String(major)] ?? rule.words ?? [0, 0];
  const excused = rule.insteadOfWord?.split(" ").some((option) => given.has(option)) ?? false;
  if (free < least && !excused)
    say(line, "error", `${name} wants ${least === 1 ? "a word" : `${least} words`}`);
  if (free > most)
    say(
      line,
      "error",
      `${name} of OL${major} takes ${most === 0 ? "no word" : most === 1 ? "only one word" : `${most} words`}`,
    );
  else if (name === "zerombr" && free > 0) say(line, "warning", "OL5 warns of the word behind zerombr");
}

function splitOption(word: string): [option: string, value: string | undefined] {
  const at = word.indexOf("=");
  return at < 0 ? [word.slice(2), undefined] : [word.slice(2, at), word.slice(at + 1)];
}

function takesNext(option: OptionRule, value: string | undefined, next: string | undefined): boolean {
  return option.value && value === undefined && next !== undefined && !next.startsWith("--");
}
