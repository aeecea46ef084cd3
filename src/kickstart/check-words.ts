import { suggestion } from "../recipe/findings.ts";
import { isInteger, parseOptions } from "./option-parser.ts";
import type { KickstartFault, KickstartPart } from "./part.ts";
import { shellWords } from "./shell-words.ts";
import {
  addedIn,
  type CommandRule,
  cameBefore,
  isAmong,
  limited,
  type OptionRule,
  optionsOf,
} from "./table.ts";

export type Say = (line: number, severity: KickstartFault["severity"], what: string) => void;

/** The release of the parser, and its update if known; otherwise the last one. */
export interface Installer {
  readonly major: number;
  readonly update?: number | undefined;
}

/** The contents of a line: its words, and its options with their values. */
export interface Given {
  readonly words: readonly string[];
  /** Option → its value, empty if it takes none. The last one wins. */
  readonly options: ReadonlyMap<string, string>;
  /** The options that count as given. The parsers ignore an empty value and the number 0. */
  readonly effective: ReadonlySet<string>;
}

/** Compares the words of a line with its rule. `undefined` if they cannot be parsed. */
export function checkWords(
  part: KickstartPart,
  rule: CommandRule,
  { major, update }: Installer,
  say: Say,
): Given | undefined {
  const { name, line } = part;
  if (isAmong(rule.warn, major)) say(line, "warning", `${name} is deprecated in OL${major}`);
  let all: string[];
  try {
    all = shellWords(part.text, major > 5).slice(1);
  } catch (error) {
    say(line, "error", `${name}: ${(error as Error).message}`);
    return undefined;
  }
  if (rule.options === "*") return undefined;
  const verbatim = isAmong(rule.verbatim, major);
  const rules = verbatim ? [] : optionsOf(rule).filter((option) => isAmong(option.in, major));
  const parsed = verbatim
    ? { words: all, options: [], errors: [], unknown: [] }
    : parseOptions(all, rules, major);
  const there = rules.map((one) => `--${one.name}`);
  for (const option of parsed.unknown)
    say(line, "error", `${name} of OL${major} has no ${option}${suggestion(option, there)}`);
  for (const error of parsed.errors) say(line, "error", `${name} of OL${major}: ${error}`);
  const options = new Map<string, string>();
  const effective = new Set<string>();
  for (const { rule: option, value } of parsed.options) {
    options.set(option.name, value ?? "");
    if (saysSomething(option, value, major)) effective.add(option.name);
    else effective.delete(option.name);
    if (option.since !== undefined && !cameBefore(option.since, major, update))
      say(line, "error", addedIn(`--${option.name} of ${name}`, option.since));
    if (isAmong(option.warn, major))
      say(line, "warning", `--${option.name} of ${name} is deprecated in OL${major}`);
    const wrong = wrongValue(option, value, major);
    if (wrong !== undefined) say(line, "error", `${name}: --${option.name} ${wrong}`);
  }
  const given = { words: parsed.words, options, effective };
  checkCount(part, rule, major, given, say);
  checkGroups(part, rule, major, given, say);
  return given;
}

// Up to OL7, an empty list is split into one empty name, so it counts.
const lists = new Set(["enabled", "disabled", "drives", "only-use"]);

function saysSomething(option: OptionRule, value: string | undefined, major: number): boolean {
  if (option.value === false) return true;
  if (value === "") return major <= 7 && lists.has(option.name);
  return !(option.number && Number(value) === 0);
}

function wrongValue(option: OptionRule, value: string | undefined, major: number): string | undefined {
  if (option.value === false) return value === undefined ? undefined : "takes no value";
  if (value === undefined) return option.value === "maybe" ? undefined : "needs a value";
  if (option.number && !isInteger(value, major)) return `needs a whole number, not "${value}"`;
  // pykickstart of OL6 and OL7 assumes that the value was forgotten if an option follows.
  if ((major === 6 || major === 7) && value.length > 2 && value.startsWith("--"))
    return `needs a value, and ${value} is the next option`;
  const choices = option.choices.filter((choice) => isAmong(choice.in, major)).map(({ text }) => text);
  const said = option.anyCase ? value.toLowerCase() : value;
  if (choices.length === 0 || choices.includes(said)) return undefined;
  return `cannot be "${value}"${suggestion(value, choices)}`;
}

function checkCount(
  { name, line }: KickstartPart,
  rule: CommandRule,
  major: number,
  { words, effective }: Given,
  say: Say,
): void {
  const [least, most] = rule.wordsOf?.[major] ?? rule.words ?? [0, 0];
  const instead = limited(rule.insteadOfWord ?? "");
  const excused = isAmong(instead.in, major) && instead.text.split(" ").some((one) => effective.has(one));
  if (words.length < least && !excused)
    say(line, "error", `${name} needs ${least === 1 ? "a word" : `${least} words`} beside its options`);
  if (words.length > most)
    say(
      line,
      "error",
      `${name} of OL${major} takes ${most === 0 ? "options only" : most === 1 ? "one word only" : `at most ${most} words`}; "${words[most]}" is one too many`,
    );
  else if (name === "zerombr" && words.length > 0)
    say(line, "warning", "OL5 warns about a word after zerombr");
}

function checkGroups(
  { name, line }: KickstartPart,
  rule: CommandRule,
  major: number,
  { options, effective }: Given,
  say: Say,
): void {
  const written = (names: readonly string[], between: string) =>
    names.map((option) => `--${option}`).join(between);
  for (const { text, in: releases } of (rule.needs ?? []).map(limited)) {
    const names = text.split(" ");
    // If it is a single one, the option parser requires it, and ignores its value.
    const met = names.some((option) => (names.length === 1 ? options : effective).has(option));
    if (isAmong(releases, major) && !met) say(line, "error", `${name} needs ${written(names, " or ")}`);
  }
  for (const { option, others, not } of (rule.wants ?? []).flatMap((want) => wanted(want, major))) {
    const met = others.filter((other) => effective.has(other));
    if (!effective.has(option) || (not ? met.length === 0 : met.length > 0)) continue;
    const what = not ? `cannot be used with ${written(met, " or ")}` : `needs ${written(others, " or ")}`;
    say(line, "error", `${name}: --${option} ${what}`);
  }
  for (const { text, in: releases } of (rule.either ?? []).map(limited)) {
    const met = text.split(" ").filter((option) => effective.has(option));
    if (isAmong(releases, major) && met.length > 1)
      say(line, "error", `${name}: ${written(met, " and ")} exclude each other`);
  }
}

function wanted(want: string, major: number) {
  const { text, in: releases } = limited(want);
  const [option = "", others = ""] = text.split(">");
  if (!isAmong(releases, major)) return [];
  return [{ option, others: others.replace("!", "").split(" "), not: others.startsWith("!") }];
}
