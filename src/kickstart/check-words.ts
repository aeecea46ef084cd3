import { suggestion } from "../recipe/findings.ts";
import type { Installer, LineRule, Option } from "./installer.ts";
import { isInteger, parseOptions } from "./option-parser.ts";
import type { KickstartFault, KickstartPart } from "./part.ts";
import { shellWords } from "./shell-words.ts";

export type Say = (line: number, severity: KickstartFault["severity"], what: string) => void;

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
  rule: LineRule,
  { major }: Pick<Installer, "major">,
  say: Say,
): Given | undefined {
  const { name, line } = part;
  if (rule.deprecated) say(line, "warning", `${name} is deprecated in OL${major}`);
  let all: string[];
  try {
    all = shellWords(part.text, major > 5).slice(1);
  } catch (error) {
    say(line, "error", `${name}: ${(error as Error).message}`);
    return undefined;
  }
  if (rule.options === "any") return undefined;
  const parsed =
    rule.options === "none"
      ? { words: all, options: [], errors: [], unknown: [] }
      : parseOptions(all, rule.options, major);
  const there = rule.options === "none" ? [] : rule.options.map((one) => `--${one.name}`);
  for (const option of parsed.unknown)
    say(line, "error", `${name} of OL${major} has no ${option}${suggestion(option, there)}`);
  for (const error of parsed.errors) say(line, "error", `${name} of OL${major}: ${error}`);
  const options = new Map<string, string>();
  const effective = new Set<string>();
  for (const { rule: option, value } of parsed.options) {
    options.set(option.name, value ?? "");
    if (saysSomething(option, value, major)) effective.add(option.name);
    else effective.delete(option.name);
    if (option.missing !== undefined) say(line, "error", option.missing);
    if (option.deprecated) say(line, "warning", `--${option.name} of ${name} is deprecated in OL${major}`);
    const wrong = wrongValue(option, value, major);
    if (wrong !== undefined) say(line, "error", `${name}: --${option.name} ${wrong}`);
  }
  const given = { words: parsed.words, options, effective };
  checkCount(part, rule, major, given, say);
  checkGroups(part, rule, given, say);
  return given;
}

// Up to OL7, an empty list is split into one empty name, so it counts.
const lists = new Set(["enabled", "disabled", "drives", "only-use"]);

function saysSomething(option: Option, value: string | undefined, major: number): boolean {
  if (option.value === false) return true;
  if (value === "") return major <= 7 && lists.has(option.name);
  return !(option.number && Number(value) === 0);
}

function wrongValue(option: Option, value: string | undefined, major: number): string | undefined {
  if (option.value === false) return value === undefined ? undefined : "takes no value";
  if (value === undefined) return option.value === "maybe" ? undefined : "needs a value";
  if (option.number && !isInteger(value, major)) return `needs a whole number, not "${value}"`;
  // pykickstart of OL6 and OL7 assumes that the value was forgotten if an option follows.
  if ((major === 6 || major === 7) && value.length > 2 && value.startsWith("--"))
    return `needs a value, and ${value} is the next option`;
  const said = option.anyCase ? value.toLowerCase() : value;
  if (option.choices.length === 0 || option.choices.includes(said)) return undefined;
  return `cannot be "${value}"${suggestion(value, option.choices)}`;
}

function checkCount(
  { name, line }: KickstartPart,
  rule: LineRule,
  major: number,
  { words, effective }: Given,
  say: Say,
): void {
  const [least, most] = rule.words;
  const excused = rule.insteadOfWord.some((one) => effective.has(one));
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
  rule: LineRule,
  { options, effective }: Given,
  say: Say,
): void {
  const written = (names: readonly string[], between: string) =>
    names.map((option) => `--${option}`).join(between);
  for (const names of rule.needs) {
    // If it is a single one, the option parser requires it, and ignores its value.
    const met = names.some((option) => (names.length === 1 ? options : effective).has(option));
    if (!met) say(line, "error", `${name} needs ${written(names, " or ")}`);
  }
  for (const { option, others, not } of rule.wants) {
    const met = others.filter((other) => effective.has(other));
    if (!effective.has(option) || (not ? met.length === 0 : met.length > 0)) continue;
    const what = not ? `cannot be used with ${written(met, " or ")}` : `needs ${written(others, " or ")}`;
    say(line, "error", `${name}: --${option} ${what}`);
  }
  for (const names of rule.either) {
    const met = names.filter((option) => effective.has(option));
    if (met.length > 1) say(line, "error", `${name}: ${written(met, " and ")} exclude each other`);
  }
}
