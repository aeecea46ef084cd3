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
  program
    .command("inspect")
    .description("say what is in an image: disk, guest, kernels, first boot, identity; touches nothing")
    .argument("<image>", "a raw or qcow2 image")
    .option("--packages", "list the installed packages")
    .option("--via <way>", "the way into the image, instead of the best one")
    .option("--json", "as JSON, with all packages")
    .addHelpText("after", "\nExample:\n  tbuild inspect System.img")
    .action(lazily(() => import("./commands/inspect.ts")));
  program
    .command("scan")
    .description("say of every image in a folder what it is; 1 when one is unarmed, dirty or unreadable")
    .argument("[folder]", "a repository, or any folder", "/OVS/Repositories")
    .option("--repair", "arm the templates that are not, as `tbuild repair` does: the plan, then a question")
    .option("--plan", "with --repair: only the plan")
    .option("--yes", "with --repair: ask nothing")
    .option("--json", "as JSON, one line for each image")
    .addHelpText("after", "\nExample:\n  tbuild scan /OVS/Repositories")
    .action(lazily(() => import("./commands/scan.ts")));
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
  imageCommand(
    "repair",
    "arm the first boot of templates that somebody forgot to arm; the least that makes them right",
  )
    .argument("<image...>", "disk images of stopped machines or templates")
    .addHelpText("after", "\nExample:\n  tbuild repair --plan System.img")
    .action(lazily(() => import("./commands/repair.ts")));
  imageCommand("seal", "take every identity out of the guests in disk images, and arm their first boot")
    .argument("[image...]", "disk images of stopped machines or templates")
    .option("--check", "say what is pending; exit code 1 when anything is")
    .option("--residue", "with --check: look into free blocks, too")
    .option("--scrub", "write zeros over what is removed, and over free blocks in which something is left")
    .option("--list", "list the operations")
    .option("--skip <operation...>", "leave these out", [])
    .option("--only <operation...>", "do these and no others", [])
    .option("--keep <path...>", "leave these paths of the guest as they are", [])
    .option("--recipe <name>", "skip and keep what this recipe does")
    .addHelpText(
      "after",
      "\nExample:\n  tbuild seal --check System.img\n  tbuild seal System.img --keep /root/.ssh/authorized_keys",
    )
    .action(lazily(() => import("./commands/seal.ts")));
  program
    .command("undo")
    .description("take the last repair or seal of disk images back, byte for byte")
    .argument("<image...>", "disk images that were changed")
    .option("--all", "every change, back to the first")
    .option("--list", "list what can be undone")
    .option("--json", "one JSON object per image")
    .addHelpText("after", "\nExample:\n  tbuild undo System.img")
    .action(lazily(() => import("./commands/undo.ts")));
  program
    .command("completion")
    .description('shell completion; add to ~/.bashrc: eval "$(tbuild completion bash)"')
    .addArgument(program.createArgument("<shell>", "bash or zsh").choices(["bash", "zsh"]))
    .action(lazily(() => import("./commands/completion.ts")));
  return program;

  // What the commands that change disk images have in common.
  function imageCommand(name: string, description: string): Command {
    return program
      .command(name)
      .description(description)
      .option("--plan", "show what would be changed, files and byte ranges, and change nothing")
      .option("--yes", "do not ask")
      .option("--relabel", "also have SELinux label all files anew at the next boot")
      .option("--via <way>", "this way into the image, and no other")
      .option("--json", "one JSON object per image");
  }
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
