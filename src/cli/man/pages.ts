import type { Command, Help } from "commander";
import { topics } from "../topics.ts";
import { bold, type Line, literal, paragraph, section, term, text } from "./roff.ts";

export interface ManPage {
  /** `tbuild-template-push.1`. */
  readonly file: string;
  readonly text: string;
}

/** The manual in section 1: a page for `program`, and one for each command below it, from what `--help` prints. */
export function manPages(program: Command, version: string, date: Date): ManPage[] {
  const day = date.toISOString().slice(0, 10);
  const head = (name: string) => `.TH ${name.toUpperCase()} 1 ${day} "tbuild ${version}" "tbuild manual"`;
  const pagesOf = (command: Command, path: readonly string[]): ManPage[] => {
    const name = path.join("-");
    const lines = [head(name), ...page(command, path)];
    return [
      { file: `${name}.1`, text: `${lines.join("\n")}\n` },
      ...command.commands.flatMap((below) => pagesOf(below, [...path, below.name()])),
    ];
  };
  return pagesOf(program, [program.name()]);
}

function page(command: Command, path: readonly string[]): Line[] {
  const help = command.createHelp();
  const isProgram = command.parent === null;
  const { examples, notes } = afterwards(command);
  return [
    section("NAME"),
    `${text(path.join("-"))} \\- ${text(command.description().replace(/\.$/, ""))}`,
    section("SYNOPSIS"),
    bold(help.commandUsage(command)),
    ...list(
      "ARGUMENTS",
      help.visibleArguments(command).map((one) => [help.argumentTerm(one), help.argumentDescription(one)]),
    ),
    ...commandsOf(command, help),
    ...list(
      "OPTIONS",
      help.visibleOptions(command).map((one) => [help.optionTerm(one), help.optionDescription(one)]),
    ),
    ...(isProgram ? topics.flatMap(topicSection) : notes),
    ...(examples.length > 0 ? [section("EXAMPLES"), ...literal(examples)] : []),
    section("SEE ALSO"),
    seeAlso(command, path),
  ];
}

function list(title: string, rows: readonly (readonly [string, string])[]): Line[] {
  return rows.length === 0
    ? []
    : [section(title), ...rows.flatMap(([words, meaning]) => term(words, meaning))];
}

/** The commands below a command, under the headings of its help. */
function commandsOf(command: Command, help: Help): Line[] {
  const headings = [...new Set(command.commands.map((one) => one.helpGroup() || "Commands:"))];
  return headings.flatMap((heading) =>
    list(
      heading.replace(/:$/, "").toUpperCase(),
      command.commands
        .filter((one) => (one.helpGroup() || "Commands:") === heading)
        .map((one) => [help.subcommandTerm(one), help.subcommandDescription(one)]),
    ),
  );
}

function topicSection({ name, title, rows, note }: (typeof topics)[number]): Line[] {
  const standard: Readonly<Record<string, string>> = {
    "exit-codes": "EXIT STATUS",
    environment: "ENVIRONMENT",
  };
  return [
    section(standard[name] ?? title.toUpperCase()),
    ...rows.flatMap(([words, meaning]) => (words === "" ? [".br", text(meaning)] : term(words, meaning))),
    ...(note === undefined ? [] : paragraph(note)),
  ];
}

/** The text that `--help` prints after the options. Its indented lines are commands and names to copy. */
function afterwards(command: Command): {
  readonly examples: readonly string[];
  readonly notes: readonly Line[];
} {
  let printed = "";
  const writeOut = (words: string) => {
    printed += words;
  };
  command.configureOutput({ writeOut }).outputHelp();
  const examples: string[] = [];
  const notes: Line[] = [];
  for (const block of printed
    .slice(command.helpInformation().length)
    .trim()
    .split(/\n\s*\n/)) {
    const lines = block.split("\n").filter((line) => line !== "");
    const copied = lines.filter((line) => line.startsWith("  ")).map((line) => line.slice(2));
    const said = lines.filter((line) => !line.startsWith("  "));
    if (/^Examples?:$/.test(said[0] ?? "")) examples.push(...copied);
    else if (said.length > 0)
      notes.push(...paragraph(said.join("\n")), ...(copied.length > 0 ? literal(copied) : []));
  }
  // mandoc warns of a paragraph that begins right after a heading.
  return { examples, notes: notes.length > 0 ? [section("NOTES"), ...notes.slice(1)] : [] };
}

/** The command above, and those below. */
function seeAlso(command: Command, path: readonly string[]): Line {
  const above = path.slice(0, -1);
  const names = [
    ...(above.length > 0 ? [above.join("-")] : []),
    ...command.commands.map((one) => [...path, one.name()].join("-")),
    ...(above.length > 1 ? [path[0] ?? ""] : []),
  ];
  return names.map((name) => `\\%${bold(name)}(1)`).join(",\n");
}
