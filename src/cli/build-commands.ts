import { type Command, Option } from "commander";
import { releases } from "../choices.ts";
import { lazily } from "./lazily.ts";

/** Commands that make templates, and what they need: recipes, media, machines. */
export function addBuildCommands(program: Command): void {
  program
    .command("init")
    .description("make a recipe repo: a git repository with recipes, kickstarts, and room for records")
    .argument("[folder]", "where; it need not exist", ".")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  tbuild init templates")
    .action(lazily(() => import("./commands/init.ts")));
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
    .addHelpText(
      "after",
      `
Examples:
  tbuild recipe --list                     the recipes that there are
  tbuild recipe show ol8-base --resolved   all that one says, and where
  tbuild recipe ol6-grid --rehearse        build it on the stand-in
  tbuild recipe schema --markdown          every key, and a whole recipe to begin with
  tbuild recipe import anaconda-ks.cfg > recipes/mine.yaml`,
    )
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
    .addOption(new Option("--release <release>", "what it is for; else what it looks like").choices(releases))
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
    .option("--addons <folder>", "put these RPMs on the disc, as a repository (OL5 sees it in %post only)")
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
}
