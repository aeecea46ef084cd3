import type { Command } from "commander";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const program = command.parent;
  const commands = (program?.commands ?? []).map((one) => ({
    name: one.name(),
    words: [
      ...one.commands.map((sub) => sub.name()),
      ...one.options.map((option) => option.long ?? ""),
      ...one.commands.flatMap((sub) => sub.options.map((option) => option.long ?? "")),
    ],
  }));
  process.stdout.write(
    args[0] === "zsh" ? `autoload -U +X bashcompinit && bashcompinit\n${bash(commands)}` : bash(commands),
  );
}

function bash(commands: readonly { name: string; words: readonly string[] }[]): string {
  const cases = commands.map((one) => `    ${one.name}) words="${[...new Set(one.words)].join(" ")}";;`);
  return `_tbuild() {
  local word=\${COMP_WORDS[COMP_CWORD]} words="${commands.map((one) => one.name).join(" ")} --help --version"
  if [ "$COMP_CWORD" -gt 1 ]; then
    case \${COMP_WORDS[1]} in
${cases.join("\n")}
    esac
    case \${COMP_WORDS[1]} in
    recipe|plan|kickstart|doctor) words="$words $(tbuild recipe --list 2>/dev/null)";;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _tbuild tbuild
`;
}
