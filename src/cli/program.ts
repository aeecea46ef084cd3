import { Command, Option } from "commander";
import { version } from "./version.ts";

/** Every command, one line each. What a command does is imported when it is run, so that help is fast. */
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

  const recipe = program
    .command("recipe")
    .description("build templates: whatever is missing of master, template and bundles")
    .argument("[name...]", "recipes, by name or file")
    .option("--rehearse", "on a stand-in for Oracle's disc, made from Debian's packages")
    .option("--fresh", "take nothing from a checkpoint")
    .option("--no-keep", "throw the machine of a failed step away, too")
    .option("--jobs <n>", "builds side by side", "1")
    .option("--json", "events as JSON lines")
    .option("--verbose", "every command and every console line")
    .option("--list", "list the recipes")
    .addHelpText("after", "\nExample:\n  tbuild recipe ol6-grid --rehearse")
    .action(lazily(() => import("./commands/recipe.ts")));
  recipe
    .command("show")
    .description("print a recipe as it applies, with all that it extends")
    .argument("<name>", "a recipe")
    .option("--resolved", "the defaults too, and where each value came from")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  tbuild recipe show ol6-grid --resolved --set machine.memory=4G")
    .action(lazily(() => import("./commands/recipe-show.ts")));
  recipe
    .command("schema")
    .description("print the JSON Schema of recipes, for editors")
    .option("--markdown", "as docs/recipe.md, for people")
    .action(lazily(() => import("./commands/recipe-schema.ts")));
  recipe
    .command("import")
    .description("make a recipe of a kickstart, and say what of it was not taken over")
    .argument("<kickstart>", "a file")
    .addOption(
      new Option("--release <release>", "what it is for; else what it looks like").choices([
        "ol5",
        "ol6",
        "ol7",
        "ol8",
        "ol9",
      ]),
    )
    .option("--name <name>", "of the recipe; else that of the file")
    .option("--json", "recipe and what was left out, as JSON")
    .addHelpText("after", "\nExample:\n  tbuild recipe import anaconda-ks.cfg > recipes/mine.yaml")
    .action(lazily(() => import("./commands/recipe-import.ts")));
  program
    .command("plan")
    .description("say of each step whether it will run, and why; touches nothing")
    .argument("<name>", "a recipe")
    .option("--rehearse", "plan a rehearsal")
    .option("--fresh", "as if nothing were kept")
    .option("--json", "as JSON")
    .action(lazily(() => import("./commands/plan.ts")));
  program
    .command("kickstart")
    .description("print the kickstart of a recipe, secrets as placeholders")
    .argument("<name>", "a recipe")
    .option(
      "--check",
      "say what the release's own installer would not take, and the recipe's line that caused it",
    )
    .option("--json", "text and faults as JSON")
    .addHelpText("after", "\nExample:\n  tbuild kickstart ol8-kvm --check")
    .action(lazily(() => import("./commands/kickstart.ts")));
  program
    .command("doctor")
    .description(
      "try what a build needs from outside: disc, repositories, packages; exit code 1 when something is missing",
    )
    .argument("<name>", "a recipe")
    .option("--rehearse", "with the stand-ins of a rehearsal")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  tbuild doctor ol6-grid")
    .action(lazily(() => import("./commands/doctor.ts")));
  program
    .command("rehearse")
    .description("make the stand-in for Oracle's disc")
    .command("medium")
    .description("make the stand-in installation medium and its repositories, or take the one that is kept")
    .addOption(new Option("--release <release>", "what it behaves as").choices(["ol6", "ol7"]).default("ol6"))
    .option("--json", "as JSON")
    .action(lazily(() => import("./commands/rehearse-medium.ts")));
  program
    .command("console")
    .description("join the serial console of a machine that was kept (leave with Ctrl-])")
    .argument("[machine]", "its name; without one, lists them")
    .option("--ssh", "print the ssh command instead")
    .action(lazily(() => import("./commands/console.ts")));
  program
    .command("clean")
    .description("throw away what a dead or kept build left: machines, half-made checkpoints")
    .argument("[build...]", "build ids; without any, all that nobody is building")
    .option("--checkpoints", "the checkpoints too: the next build starts from the disc")
    .option("--json", "as JSON")
    .action(lazily(() => import("./commands/clean.ts")));
  const template = program.command("template").description("the versions that have been made");
  template
    .command("list")
    .description("all templates and masters")
    .option("--json", "as JSON")
    .action(lazily(() => import("./commands/template-list.ts")));
  template
    .command("show")
    .description("the manifest of a template, and its lineage")
    .argument("<ref>", "name, or name@version")
    .option("--json", "the manifest as JSON")
    .action(lazily(() => import("./commands/template-show.ts")));
  template
    .command("verify")
    .description("read every byte of the store")
    .option("--json", "as JSON")
    .action(lazily(() => import("./commands/template-verify.ts")));
  program
    .command("completion")
    .description('shell completion; add to ~/.bashrc: eval "$(tbuild completion bash)"')
    .addArgument(program.createArgument("<shell>", "bash or zsh").choices(["bash", "zsh"]))
    .action(lazily(() => import("./commands/completion.ts")));
  return program;
}

/** What every command file exports. The last argument is the command itself, for its options and the program's. */
export interface CommandFile {
  run(args: readonly unknown[], command: Command): Promise<void>;
}

function lazily(load: () => Promise<CommandFile>) {
  return async (...args: unknown[]) => {
    const command = args.at(-1) as Command;
    const { run } = await load();
    await run(args.slice(0, -2), command);
  };
}
