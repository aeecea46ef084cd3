import type { KickstartPart } from "../part.ts";
import { shellWords } from "../shell-words.ts";
import { type CommandRule, commands, optionsOf, sections } from "../table.ts";
import type { Findings } from "./findings.ts";

/** A line as its command, words and options. Records which options were asked for. */
export class ReadLine {
  readonly line: number;
  readonly text: string;
  readonly name: string;
  readonly words: readonly string[];
  /** Earlier values of repeated options. */
  readonly overridden: readonly string[];
  private readonly options: ReadonlyMap<string, string>;
  private readonly asked = new Set<string>();

  constructor(
    part: KickstartPart,
    words: readonly string[],
    options: ReadonlyMap<string, string>,
    overridden: readonly string[],
  ) {
    this.line = part.line;
    this.text = part.text;
    this.name = part.name;
    this.words = words;
    this.options = options;
    this.overridden = overridden;
  }

  /** The line reduced to these options; `undefined` if it has none of them. */
  part(...names: readonly string[]): { readonly line: number; readonly text: string } | undefined {
    const there = names.filter((name) => this.has(name));
    if (there.length === 0) return undefined;
    const said = there.map(
      (name) => `--${name}${this.options.get(name) ? `=${this.options.get(name)}` : ""}`,
    );
    return { line: this.line, text: [this.name, ...said].join(" ") };
  }

  /** The value of the first of these options that is given. */
  option(...names: readonly string[]): string | undefined {
    for (const name of names) this.asked.add(name);
    return names.map((name) => this.options.get(name)).find((value) => value !== undefined);
  }

  has(...names: readonly string[]): boolean {
    return this.option(...names) !== undefined;
  }

  /** The names in a list such as `--services=ssh,http`. */
  list(...names: readonly string[]): string[] {
    return (this.option(...names) ?? "").split(/[,\s]+/).filter((one) => one !== "");
  }

  /** The options that were not asked for. */
  unasked(): string[] {
    return [...this.options.keys()].filter((name) => !this.asked.has(name));
  }
}

/** Reports the options and words of a line that were not used. */
export function leaveRest(read: ReadLine, found: Findings): void {
  const rest = read.unasked();
  if (rest.length > 0)
    found.leave(read, `a recipe has no key for ${rest.map((name) => `--${name}`).join(", ")}`);
  if (read.overridden.length > 0)
    found.leave(read, `given again later on the line: ${read.overridden.join(" ")}`);
  const spare = read.words.slice(ruleOf(read.name)?.words?.[1] ?? 0);
  if (spare.length > 0) found.leave(read, `is not used here: ${spare.join(" ")}`);
}

// If these are repeated, their values are combined. For all others, the last one wins.
const gathered = new Set(["port", "service", "trust"]);

// Up to OL7, repeated options of one `services` line are combined.
function gathers(name: string, command: string, major: number): boolean {
  return gathered.has(name) || (command === "services" && major <= 7);
}

/** Reads a line as the installer of a release would; `undefined` when a quotation mark is not closed. */
export function readLine(part: KickstartPart, major: number): ReadLine | undefined {
  try {
    const known = knownOptions(part.name);
    const words: string[] = [];
    const options = new Map<string, string>();
    const overridden: string[] = [];
    const all = shellWords(part.text).slice(1);
    for (let i = 0; i < all.length; i++) {
      const word = all[i] ?? "";
      const [, said, value] = /^--([\w-]+)(?:=(.*))?$/s.exec(word) ?? [];
      if (said === undefined) {
        words.push(word);
        continue;
      }
      const name = spelledOut(said, known);
      const takesValue = known.get(name) ?? true;
      const next = all[i + 1];
      const alone = value !== undefined || !takesValue || next === undefined || next.startsWith("--");
      const behind = alone ? (value ?? "") : next;
      if (!alone) i++;
      const before = options.get(name);
      const more = before !== undefined && gathers(name, part.name, major);
      if (before !== undefined && !more)
        overridden.push(/pass|key/.test(name) ? `--${name}` : `--${name}${before && `=${before}`}`);
      options.set(name, more ? `${before},${behind}` : behind);
    }
    return new ReadLine(part, words, options, overridden);
  } catch {
    return undefined;
  }
}

/** Option → whether it takes a value, over all releases. */
function knownOptions(name: string): ReadonlyMap<string, boolean> {
  const rule = ruleOf(name);
  return new Map(rule ? optionsOf(rule).map((option) => [option.name, option.value === true]) : []);
}

function ruleOf(name: string): CommandRule | undefined {
  return commands[name] ?? sections[name];
}

// The installers accept an unambiguous prefix of an option.
function spelledOut(said: string, known: ReadonlyMap<string, boolean>): string {
  if (known.has(said)) return said;
  const meant = [...known.keys()].filter((name) => name.startsWith(said));
  return meant.length === 1 && meant[0] !== undefined ? meant[0] : said;
}
