import {
  addedIn,
  type CommandRule,
  cameBefore,
  commands,
  isAmong,
  limited,
  type OptionRule,
  optionsOf,
  sections,
} from "./table.ts";

/** The table as it applies to one release, and to one of its updates if that is known; otherwise to the last one. */
export interface Installer {
  readonly major: number;
  /** What it accepts of a command or section; `undefined` if it has none of this name. */
  command(name: string): LineRule | undefined;
  section(name: string): LineRule | undefined;
  /** All names, for suggestions. */
  readonly commands: readonly string[];
  readonly sections: readonly string[];
}

/** What an installer accepts in a line of one name. */
export interface LineRule {
  readonly deprecated: boolean;
  /** Why this update does not have it. */
  readonly missing?: string;
  /** The least and the largest number of words besides the options. */
  readonly words: readonly [number, number];
  /** If one of these options is given, no word is needed. */
  readonly insteadOfWord: readonly string[];
  /** `any`: options and words are not checked. `none`: each word is only a word. */
  readonly options: "any" | "none" | readonly Option[];
  /** One option of each of these groups is required. */
  readonly needs: readonly (readonly string[])[];
  /** At most one option of each of these groups is allowed. */
  readonly either: readonly (readonly string[])[];
  /** The option needs one of the others, or excludes them. */
  readonly wants: readonly {
    readonly option: string;
    readonly others: readonly string[];
    readonly not: boolean;
  }[];
}

/** An option of one installer. */
export interface Option extends Pick<OptionRule, "name" | "value" | "number" | "anyCase"> {
  readonly deprecated: boolean;
  readonly missing?: string;
  /** The allowed values. An empty list allows any value. */
  readonly choices: readonly string[];
}

export function installerOf(major: number, update?: number): Installer {
  const there = (table: Readonly<Record<string, CommandRule>>) =>
    Object.keys(table).filter((name) => isAmong(table[name]?.in, major));
  const among =
    (table: Readonly<Record<string, CommandRule>>, names: readonly string[]) => (name: string) => {
      const rule = names.includes(name) ? table[name] : undefined;
      return rule && lineRule(name, rule, major, update);
    };
  const names = { commands: there(commands), sections: there(sections) };
  return {
    major,
    ...names,
    command: among(commands, names.commands),
    section: among(sections, names.sections),
  };
}

function lineRule(name: string, rule: CommandRule, major: number, update: number | undefined): LineRule {
  const groups = (list: readonly string[] | undefined) => here(list, major).map((text) => text.split(" "));
  return {
    deprecated: isAmong(rule.warn, major),
    ...missing(name, rule.since, major, update),
    words: rule.wordsOf?.[major] ?? rule.words ?? [0, 0],
    insteadOfWord: groups(rule.insteadOfWord === undefined ? [] : [rule.insteadOfWord]).flat(),
    options: optionsHere(name, rule, major, update),
    needs: groups(rule.needs),
    either: groups(rule.either),
    wants: here(rule.wants, major).map((text) => {
      const [option = "", others = ""] = text.split(">");
      return { option, others: others.replace("!", "").split(" "), not: others.startsWith("!") };
    }),
  };
}

function optionsHere(
  name: string,
  rule: CommandRule,
  major: number,
  update: number | undefined,
): LineRule["options"] {
  if (rule.options === "*") return "any";
  if (isAmong(rule.verbatim, major)) return "none";
  return optionsOf(rule)
    .filter((option) => isAmong(option.in, major))
    .map(({ choices, warn, since, ...option }) => ({
      ...option,
      deprecated: isAmong(warn, major),
      ...missing(`--${option.name} of ${name}`, since, major, update),
      choices: choices.filter((choice) => isAmong(choice.in, major)).map(({ text }) => text),
    }));
}

function missing(what: string, since: string | undefined, major: number, update: number | undefined) {
  return since === undefined || cameBefore(since, major, update) ? {} : { missing: addedIn(what, since) };
}

function here(said: readonly string[] | undefined, major: number): string[] {
  return (said ?? [])
    .map(limited)
    .filter((one) => isAmong(one.in, major))
    .map(({ text }) => text);
}
