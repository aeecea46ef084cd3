import { suggestion } from "../recipe/findings.ts";
import type { KickstartFault, KickstartPart } from "./part.ts";
import { shellWords } from "./shell-words.ts";
import { type CommandRule, cameBefore, limited, type OptionRule, optionsOf } from "./table.ts";

export type Say = (line: number, severity: KickstartFault["severity"], what: string) => void;

/** Whose parser it is: a release, and its update where that is known; else the last one. */
export interface Installer {
  readonly major: number;
  readonly update?: number | undefined;
}

/** What stands on a line: its words, and its options with their values. */
export interface Given {
  readonly words: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

/** Puts the words of a line to its rule. `undefined` where they cannot be told apart. */
export function checkWords(
  part: KickstartPart,
  rule: CommandRule,
  { major, update }: Installer,
  say: Say,
): Given | undefined {
  const { name, line } = part;
  const release = String(major);
  if (rule.warn?.includes(release)) say(line, "warning", `OL${major} warns that ${name} is on its way out`);
  let all: string[];
  try {
    all = shellWords(part.text, major > 5).slice(1);
  } catch (error) {
    say(line, "error", `${name}: ${(error as Error).message}`);
    return undefined;
  }
  if (rule.options === "*") return undefined;
  const options = optionsOf(rule).filter((option) => option.in.includes(release));
  const words: string[] = [];
  const given = new Map<string, string>();
  for (let i = 0; i < all.length; i++) {
    const word = all[i] as string;
    if (!word.startsWith("--")) {
      words.push(word);
      continue;
    }
    const [option, value] = splitOption(word);
    const known = options.find((one) => one.name === option);
    if (!known) {
      const there = options.map((one) => `--${one.name}`);
      say(line, "error", `${name} of OL${major} has no --${option}${suggestion(`--${option}`, there)}`);
      continue;
    }
    const behind = takesNext(known, value, all[i + 1]) ? all[++i] : value;
    given.set(option, behind ?? "");
    if (!cameBefore(known.since, major, update))
      say(line, "error", `--${option} of ${name} came with OL${known.since}`);
    if (known.warn.includes(release))
      say(line, "warning", `OL${major} warns that --${option} of ${name} is on its way out`);
    const wrong = wrongValue(known, behind, release);
    if (wrong !== undefined) say(line, "error", `${name}: --${option} ${wrong}`);
  }
  checkCount(part, rule, major, { words, options: given }, say);
  checkGroups(part, rule, release, given, say);
  return { words, options: given };
}

function splitOption(word: string): [option: string, value: string | undefined] {
  const at = word.indexOf("=");
  return at < 0 ? [word.slice(2), undefined] : [word.slice(2, at), word.slice(at + 1)];
}

function takesNext(option: OptionRule, value: string | undefined, next: string | undefined): boolean {
  return option.value === true && value === undefined && next !== undefined && !next.startsWith("--");
}

function wrongValue(option: OptionRule, value: string | undefined, release: string): string | undefined {
  if (option.value === false) return value === undefined ? undefined : "takes no value";
  if (value === undefined) return option.value === "maybe" ? undefined : "wants a value";
  if (option.number && !/^\s*[+-]?\d+\s*$/.test(value)) return `wants a whole number, not "${value}"`;
  const choices = option.choices.filter((choice) => choice.in.includes(release)).map(({ text }) => text);
  if (choices.length === 0 || choices.includes(value.toLowerCase())) return undefined;
  return `cannot be "${value}"${suggestion(value, choices)}`;
}

function checkCount(
  { name, line }: KickstartPart,
  rule: CommandRule,
  major: number,
  { words, options }: Given,
  say: Say,
): void {
  const release = String(major);
  const [least, most] = rule.wordsOf?.[release] ?? rule.words ?? [0, 0];
  const instead = limited(rule.insteadOfWord ?? "");
  const excused = instead.in.includes(release) && instead.text.split(" ").some((one) => options.has(one));
  if (words.length < least && !excused)
    say(line, "error", `${name} wants ${least === 1 ? "a word" : `${least} words`}`);
  if (words.length > most)
    say(
      line,
      "error",
      `${name} of OL${major} takes ${most === 0 ? "no word" : most === 1 ? "only one word" : `${most} words`}`,
    );
  else if (name === "zerombr" && words.length > 0)
    say(line, "warning", "OL5 warns of the word behind zerombr");
}

function checkGroups(
  { name, line }: KickstartPart,
  rule: CommandRule,
  release: string,
  given: ReadonlyMap<string, string>,
  say: Say,
): void {
  const written = (group: string, between: string) =>
    group
      .split(" ")
      .map((option) => `--${option}`)
      .join(between);
  for (const need of (rule.needs ?? []).map(limited))
    if (need.in.includes(release) && !need.text.split(" ").some((option) => given.has(option)))
      say(line, "error", `${name} wants ${written(need.text, " or ")}`);
  for (const { option, others, not } of (rule.wants ?? []).flatMap((want) => wanted(want, release))) {
    const met = others.filter((other) => given.has(other));
    if (!given.has(option) || (not ? met.length === 0 : met.length > 0)) continue;
    say(
      line,
      "error",
      `${name} takes --${option} only ${not ? "without" : "with"} ${written(others.join(" "), " or ")}`,
    );
  }
  // OL5 takes the last of them.
  for (const group of release === "5" ? [] : (rule.either ?? []))
    if (group.split(" ").filter((option) => given.has(option)).length > 1)
      say(line, "error", `${name} takes only one of ${written(group, ", ")}`);
}

function wanted(want: string, release: string) {
  const { text, in: releases } = limited(want);
  const [option = "", others = ""] = text.split(">");
  if (!releases.includes(release)) return [];
  return [{ option, others: others.replace("!", "").split(" "), not: others.startsWith("!") }];
}
