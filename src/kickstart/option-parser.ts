import type { Option } from "./installer.ts";

/** What tells options apart from words. */
type Rule = Pick<Option, "name" | "value">;

/** The words of a line, told apart as the installer's option parser would. */
export interface ParsedWords<R> {
  readonly words: readonly string[];
  /** In order, with repeated options. */
  readonly options: readonly { readonly rule: R; readonly value: string | undefined }[];
  readonly errors: readonly string[];
  /** Options that the command does not have, as written. */
  readonly unknown: readonly string[];
}

/**
 * Reads words as Python's option parsers do: optparse in OL5 to OL7, argparse in OL8 and OL9. Both accept an
 * unambiguous prefix of an option.
 */
export function parseOptions<R extends Rule>(
  all: readonly string[],
  rules: readonly R[],
  major: number,
): ParsedWords<R> {
  const words: string[] = [];
  const options: { rule: R; value: string | undefined }[] = [];
  const errors: string[] = [];
  const unknown: string[] = [];
  for (let i = 0; i < all.length; i++) {
    const word = all[i] ?? "";
    if (word === "--") {
      words.push(...all.slice(i + 1));
      break;
    }
    if (!isOption(word, rules, major)) {
      words.push(word);
      continue;
    }
    const { name, value } = split(word);
    const meant = word.startsWith("--") ? named(name, rules) : [];
    const [rule] = meant;
    if (rule === undefined) unknown.push(word.startsWith("--") ? `--${name}` : word);
    else if (meant.length > 1)
      errors.push(`--${name} is ambiguous: ${meant.map((one) => `--${one.name}`).join(" or ")}`);
    else if (value !== undefined) options.push({ rule, value });
    else if (takesNext(rule, all[i + 1], rules, major)) options.push({ rule, value: all[++i] });
    else options.push({ rule, value });
  }
  return { words, options, errors, unknown };
}

/**
 * Whether Python would read a text as an integer. optparse of OL6 and OL7 accepts hexadecimal, octal and
 * binary.
 */
export function isInteger(text: string, major: number): boolean {
  if (major >= 8) return /^\s*[+-]?\p{Nd}+(_\p{Nd}+)*\s*$/u.test(text);
  if (major === 5 || !/^0./s.test(text)) return /^\s*[+-]?\d+\s*$/.test(text);
  return /^(0x[\da-f]+|0b[01]*|0o?[0-7]+)\s*$/i.test(text);
}

function split(word: string): { name: string; value: string | undefined } {
  const at = word.indexOf("=");
  return at < 0
    ? { name: word.slice(2), value: undefined }
    : { name: word.slice(2, at), value: word.slice(at + 1) };
}

function named<R extends Rule>(name: string, rules: readonly R[]): readonly R[] {
  const exact = rules.find((rule) => rule.name === name);
  if (exact) return [exact];
  return name === "" ? [] : rules.filter((rule) => rule.name.startsWith(name));
}

// argparse treats negative numbers as words, and also arguments with a blank, unless they begin like one of
// its options.
function isOption(word: string, rules: readonly Rule[], major: number): boolean {
  if (!word.startsWith("-") || word.length === 1) return false;
  if (major <= 7) return true;
  if (word.startsWith("--") && named(split(word).name, rules).length > 0) return true;
  return !/^-\d+$|^-\d*\.\d+$/.test(word) && !word.includes(" ");
}

// optparse takes whatever comes next as the option's value.
function takesNext(rule: Rule, next: string | undefined, rules: readonly Rule[], major: number): boolean {
  if (next === undefined || rule.value === false) return false;
  if (major <= 7) return rule.value === true;
  return next !== "--" && !isOption(next, rules, major);
}
