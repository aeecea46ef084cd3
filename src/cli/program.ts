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

  program
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
    .action(lazily(() => import("./commands/kickstart.ts")));
  program
    .command("rehearse")
    .description("make the stand-in for Oracle's disc")
    .command("medium")
    .description("make the stand-in installation medium and its repositories, or take the one that is kept")
    .addOption(new Option("--release <release>", "what it behaves as").choices(["ol6", "ol7"]).default("ol6"))
    .option("--json", "as JSON")
    .action(lazily(() => import("./commands/rehearse-medium.ts")));
  const media = program
    .command("media")
    .description("installation discs: what they are, and unattended ones");
  media
    .command("inspect")
    .description("say what a disc is, and what can be made of it, without mounting it")
    .argument("[iso...]", "discs; without any, those in the ISO folder")
    .option("--digest", "its SHA-256 too, which reads all of it")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  tbuild media inspect OracleLinux-R6-U10-Server-x86_64-dvd.iso")
    .action(lazily(() => import("./commands/media-inspect.ts")));
  media
    .command("make")
    .description("make what installs a recipe unattended, on Oracle VM or anywhere")
    .argument("[recipe]", "whose kickstart it installs with")
    .addOption(
      new Option(
        "--as <form>",
        "a whole disc, a small one beside it, a volume, files for qemu or for a boot server",
      )
        .choices(["remaster", "boot", "oemdrv", "initrd", "network"])
        .default("remaster"),
    )
    .option("--iso <file>", "the disc; else the one that the recipe names, in the ISO folder")
    .option("--rehearse", "on the stand-in for Oracle's disc")
    .option("--kickstart <file>", "this kickstart, as it stands")
    .option("--addons <folder>", "put these RPMs on the disc, as a repository")
    .addOption(
      new Option("--console <where>", "where the installer talks; screen, and serial with initrd").choices([
        "screen",
        "serial",
      ]),
    )
    .addOption(
      new Option("--volume <kind>", "what the volume is, with oemdrv")
        .choices(["iso", "disk"])
        .default("iso"),
    )
    .option("--url <address>", "where a web server will have the result, with network")
    .option("--out <folder>", "a new folder for the result")
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      `
Examples:
  tbuild media make ol6-grid                          a DVD that installs by itself
  tbuild media make ol6-grid --as boot                a small disc beside the untouched DVD
  tbuild media make ol6-grid --addons rpms            with packages for a site without network
  tbuild media make --kickstart ks.cfg --iso DVD.iso --as initrd`,
    )
    .action(lazily(() => import("./commands/media-make.ts")));
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
