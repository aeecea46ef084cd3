import type { Command, Option } from "commander";

/** A command for completion, with its own and its parents' options. */
interface Completed {
  readonly path: readonly string[];
  readonly summary: string;
  readonly commands: readonly Completed[];
  readonly options: readonly Option[];
  /** True if it takes names of recipes. */
  readonly recipes: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const tree = completed(command.parent as Command, []);
  const scripts = { bash, zsh, fish };
  process.stdout.write(scripts[args[0] as keyof typeof scripts](tree));
}

function completed(command: Command, path: readonly string[]): Completed {
  const takes = command.registeredArguments.map((argument) => argument.description);
  return {
    path,
    summary: command.description().split(";")[0] ?? "",
    commands: command.commands.map((one) => completed(one, [...path, one.name()])),
    options: command.options.filter((option) => !option.hidden),
    recipes: takes.some((description) => /^(a recipe|recipe names)/.test(description)),
  };
}

function bash(tree: Completed): string {
  const cases = tree.commands.map((one) => {
    const words = [one, ...one.commands].flatMap(({ path, options }) => [
      ...(path.length > 1 ? path.slice(-1) : []),
      ...options.map((option) => option.long ?? ""),
    ]);
    const names = one.recipes ? " $(tbuild recipe --list 2>/dev/null)" : "";
    return `    ${one.path.join(" ")}) words="${[...new Set(words)].join(" ")}${names}";;`;
  });
  const values = [tree, ...tree.commands, ...tree.commands.flatMap((one) => one.commands)]
    .flatMap(({ options }) => options)
    .filter((option) => option.argChoices !== undefined);
  const choices = [...new Map(values.map((option) => [option.long, option.argChoices ?? []]))];
  return `_tbuild() {
  local word=\${COMP_WORDS[COMP_CWORD]} words="${tree.commands.map((one) => one.path[0]).join(" ")} --help --version"
  if [ "$COMP_CWORD" -gt 1 ]; then
    case \${COMP_WORDS[1]} in
${cases.join("\n")}
    esac
    case \${COMP_WORDS[COMP_CWORD-1]} in
${choices.map(([long, list]) => `    ${long}) words="${list.join(" ")}";;`).join("\n")}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _tbuild tbuild
`;
}

function zsh(tree: Completed): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${bash(tree)}`;
}

function fish(tree: Completed): string {
  const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines: string[] = [];
  const walk = (one: Completed) => {
    const seen = one.path.map((name) => `__fish_seen_subcommand_from ${name}`);
    const names = one.commands.map(({ path }) => path.at(-1) ?? "");
    const none = names.length > 0 ? [`not __fish_seen_subcommand_from ${names.join(" ")}`] : [];
    const where = (conditions: readonly string[]) =>
      conditions.length > 0 ? ` -n ${quoted(conditions.join("; and "))}` : "";
    for (const below of one.commands)
      lines.push(
        `complete -c tbuild -f${where([...seen, ...none])} -a ${below.path.at(-1)} -d ${quoted(below.summary)}`,
      );
    for (const option of one.options) {
      const short = option.short === undefined ? "" : ` -s ${option.short.slice(1)}`;
      const values = option.argChoices
        ? ` -xa ${quoted(option.argChoices.join(" "))}`
        : option.required
          ? " -r"
          : "";
      lines.push(
        `complete -c tbuild${where(seen)} -l ${option.long?.slice(2)}${short}${values} -d ${quoted(option.description)}`,
      );
    }
    if (one.recipes)
      lines.push(`complete -c tbuild${where([...seen, ...none])} -a '(tbuild recipe --list 2>/dev/null)'`);
    for (const below of one.commands) walk(below);
  };
  walk(tree);
  return `${lines.join("\n")}\n`;
}
