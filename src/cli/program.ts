import { Command, Option } from "commander";
import { addBuildCommands } from "./build-commands.ts";
import { addImageCommands } from "./image-commands.ts";
import { lazily } from "./lazily.ts";
import { addTemplateCommands } from "./template-commands.ts";
import { version } from "./version.ts";

/** The program, with every command. What a command does is imported when it is run, so that help is fast. */
export function makeProgram(): Command {
  const program = new Command("tbuild")
    .description("Makes golden VM templates for Oracle VM and Xen from recipes.")
    .version(version())
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError("(tbuild --help shows what there is)")
    .addOption(
      new Option("--home <folder>", "where tbuild keeps its things").env("TBUILD_HOME").default(".tbuild"),
    )
    .option("--site <file>", "the site file", "site.yaml")
    .option("--recipes <folder>", "the folder of the recipes", "recipes")
    .addOption(
      new Option(
        "--set <key=value>",
        "say one value of the recipe, over all others; as often as needed",
      ).argParser((text, before: string[] | undefined) => [...(before ?? []), text]),
    )
    .addHelpText(
      "after",
      `
Examples:
  tbuild plan ol6-grid --rehearse       what would be done, and why
  tbuild recipe ol6-grid --rehearse     the whole line, on a stand-in for Oracle's disc
  tbuild recipe ol6-base ol6-grid --jobs 2
  tbuild template list                  what has been made

Exit codes: 0 done, 1 a check found something, 2 the recipe or command is wrong, 3 the host lacks something,
4 the guest failed, 5 something is not what its digest says, 70 a fault of tbuild, 130 interrupted.`,
    );

  addBuildCommands(program);
  addImageCommands(program);
  addTemplateCommands(program);
  program
    .command("completion")
    .description('shell completion; add to ~/.bashrc: eval "$(tbuild completion bash)"')
    .addArgument(program.createArgument("<shell>", "bash or zsh").choices(["bash", "zsh"]))
    .action(lazily(() => import("./commands/completion.ts")));
  return program;
}
