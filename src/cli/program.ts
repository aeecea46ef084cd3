import { type Argument, Command, Option } from "commander";
import { hypervisors } from "../hypervisor/table.ts";
import { addBuildCommands } from "./build-commands.ts";
import { addDeployCommands } from "./deploy-commands.ts";
import { addGuestFileCommands } from "./guest-file-commands.ts";
import { addImageCommands } from "./image-commands.ts";
import { lazily } from "./lazily.ts";
import { addManagerCommands } from "./manager-commands.ts";
import { addModuleCommands } from "./module-commands.ts";
import { addTemplateCommands } from "./template-commands.ts";
import { topics } from "./topics.ts";
import { version } from "./version.ts";

/** The program with all commands. A command's code is imported when it runs, so help is fast. */
export function makeProgram(): Command {
  const program = new Command("tbuild")
    .description("Builds golden VM templates for Oracle VM and Xen from recipes.")
    .version(version())
    .exitOverride()
    .helpCommand(false)
    // Commands inherit this. Terms are short, so descriptions fit beside them on 80 columns.
    .configureHelp({ subcommandTerm, minWidthToWrap: 20 })
    .showSuggestionAfterError()
    .addOption(
      new Option("--home <folder>", "folder for everything that tbuild writes")
        .env("TBUILD_HOME")
        .default(".tbuild"),
    )
    .option(
      "--site <file>",
      `the site file; its hypervisor is one of: ${Object.keys(hypervisors).join(", ")}`,
      "site.yaml",
    )
    .option("--recipes <folder>", "the recipe folder", "recipes")
    .addOption(new Option("--set <key=value>", "override a recipe value (repeatable)").argParser(repeated))
    .addOption(
      new Option(
        "--var-file <file>",
        "override recipe values with those of a YAML file (repeatable); --set wins",
      ).argParser(repeated),
    )
    .addHelpText(
      "after",
      `
Examples:
  tbuild plan ol6-grid --rehearse      what would run, and why
  tbuild recipe ol6-grid --rehearse    a whole build, on a stand-in for the disc
  tbuild recipe ol6-base ol6-grid --jobs 2
  tbuild template list                 the versions built so far

Topics (tbuild help <topic>):
${topics.map(({ name, summary }) => `  ${name.padEnd(13)} ${summary}`).join("\n")}`,
    );

  for (const [heading, add] of groups) {
    program.commandsGroup(heading);
    add(program);
  }
  program.commandsGroup("Help:");
  program
    .command("help")
    .description("show the help of a command, or a topic")
    .argument("[words...]", `a command, or a topic: ${topics.map(({ name }) => name).join(", ")}`)
    .option("--markdown", "with exit-codes: print docs/exit-codes.md")
    .action(lazily(() => import("./commands/help.ts")));
  program
    .command("completion")
    .description('shell completion; add to ~/.bashrc: eval "$(tbuild completion bash)"')
    .addArgument(program.createArgument("<shell>", "bash, zsh or fish").choices(["bash", "zsh", "fish"]))
    .action(lazily(() => import("./commands/completion.ts")));
  pointToOwnHelp(program, "tbuild");
  return program;
}

function subcommandTerm(command: Command): string {
  const names = [command.name(), ...command.aliases()].join("|");
  return [names, ...command.registeredArguments.map(argumentTerm)].join(" ");
}

function argumentTerm(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

// In the order of the help.
const groups: readonly (readonly [heading: string, add: (program: Command) => void])[] = [
  ["Build templates:", addBuildCommands],
  ["Disk images:", addImageCommands],
  ["Files in an image:", addGuestFileCommands],
  ["Versions of templates:", addTemplateCommands],
  ["Machines:", addDeployCommands],
  ["First boot:", addModuleCommands],
  ["Oracle VM Manager:", addManagerCommands],
];

function repeated(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

/** After a usage error, each command points at its own help. */
function pointToOwnHelp(command: Command, name: string): void {
  const what = command.commands.length > 0 ? "lists all commands" : "describes it";
  command.showHelpAfterError(`(${name} --help ${what})`);
  for (const one of command.commands) pointToOwnHelp(one, `${name} ${one.name()}`);
}
