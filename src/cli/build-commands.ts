import { type Command, Option } from "commander";
import { releases } from "../choices.ts";
import { lazily } from "./lazily.ts";

/** Commands that build templates, and their inputs: recipes, media, machines. */
export function addBuildCommands(program: Command): void {
  addInit(program);
  addSetup(program);
  addRecipe(program);
  addPlan(program);
  addValidate(program);
  addKickstart(program);
  addDoctor(program);
  addRehearse(program);
  addMedia(program);
  addDf(program);
  addConsole(program);
  addClean(program);
}

function addInit(program: Command): void {
  program
    .command("init")
    .description("create a recipe repo: a git repository for recipes, kickstarts and records")
    .argument("[folder]", "the folder; created if missing", ".")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  tbuild init templates")
    .action(lazily(() => import("./commands/init.ts")));
}

function addSetup(program: Command): void {
  program
    .command("setup")
    .description(
      "list the missing Debian packages, and what they are for; exits 1 if a required one is missing",
    )
    .option("--yes", "install the required ones with apt-get")
    .option("--all", "with --yes: also install the optional ones")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  tbuild setup --yes")
    .action(lazily(() => import("./commands/setup.ts")));
}

function addRecipe(program: Command): void {
  const recipe = program
    .command("recipe")
    .alias("build")
    .description("build templates; cached steps are not repeated")
    .argument("[name...]", "recipe names or files")
    .option("--rehearse", "use a stand-in for Oracle's disc, made from Debian packages")
    .option(
      "--fresh",
      "ignore cached steps and the site's cache; the new result replaces the one in the cache",
    )
    .option("--no-cache", "do not use the site's cache: neither read it nor push to it")
    .option("--no-trial", "do not boot clones; the version is marked as untried")
    .addOption(
      new Option(
        "--on-error <what>",
        "what to do when a step fails: ask; keep its machine; clean up; or retry it once (default: keep the machine if the guest failed)",
      ).choices(["ask", "keep", "clean", "retry"]),
    )
    .addOption(new Option("--no-keep").hideHelp())
    .option("--debug", "stop before each step, and say how to look into the guest")
    .option("--until <step>", "stop after this step (see tbuild plan); the next build continues from there")
    .option(
      "--with-bases",
      "first build the recipes that these start from (from:), unless their results are cached",
    )
    .option("--jobs <n>", "number of parallel builds", "1")
    .option("--json", "print events as JSON lines")
    .option("--verbose", "print every command and console line")
    .option("--list", "list the recipes")
    .option("--changed-since <commit>", "list the recipes that changed since a commit; build nothing")
    .option("--matrix", "with --changed-since: print the list as JSON, for the matrix of a CI system")
    .addHelpText(
      "after",
      `
Examples:
  tbuild recipe --list                     available recipes
  tbuild recipe show ol8-base --resolved   every value and its source
  tbuild recipe ol6-grid --rehearse        build on the stand-in disc
  tbuild recipe schema --markdown          every key, with a complete example
  tbuild recipe import anaconda-ks.cfg > recipes/mine.yaml
  tbuild recipe --changed-since origin/main --matrix`,
    )
    .action(lazily(() => import("./commands/recipe.ts")));
  recipe
    .command("show")
    .description("print a recipe, merged with the recipes it extends")
    .argument("<name>", "a recipe")
    .option("--resolved", "include defaults, and the source of each value")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  tbuild recipe show ol6-grid --resolved --set machine.memory=4G")
    .action(lazily(() => import("./commands/recipe-show.ts")));
  recipe
    .command("schema")
    .description("print the JSON Schema of recipes")
    .option("--markdown", "print docs/recipe.md")
    .option("--of-site", "print the schema of site files instead")
    .action(lazily(() => import("./commands/recipe-schema.ts")));
  recipe
    .command("import")
    .description("convert a kickstart to a recipe; lists what was not converted")
    .argument("<kickstart>", "a kickstart file")
    .addOption(new Option("--release <release>", "target release (default: detected)").choices(releases))
    .option("--name <name>", "recipe name (default: from the file name)")
    .option("--json", "print the recipe and what was not converted as JSON")
    .addHelpText("after", "\nExample:\n  tbuild recipe import anaconda-ks.cfg > recipes/mine.yaml")
    .action(lazily(() => import("./commands/recipe-import.ts")));
}

function addPlan(program: Command): void {
  program
    .command("plan")
    .description("show which steps would run, and why; changes nothing")
    .argument("<name>", "a recipe")
    .option("--rehearse", "plan a rehearsal")
    .option("--fresh", "ignore cached steps and the site's cache")
    .option("--no-cache", "do not query the site's cache")
    .option("--no-trial", "plan a build without booting clones")
    .option("--json", "print JSON")
    .action(lazily(() => import("./commands/plan.ts")));
}

function addValidate(program: Command): void {
  program
    .command("validate")
    .description("check recipes with their kickstarts and modules, as a build does before its first step")
    .argument("[name...]", "recipe names or files (default: all recipes)")
    .option("--json", "print one JSON line for each recipe")
    .addHelpText("after", "\nExample:\n  tbuild validate ol6-grid")
    .action(lazily(() => import("./commands/validate.ts")));
}

function addKickstart(program: Command): void {
  program
    .command("kickstart")
    .description("print the kickstart of a recipe, with placeholders for secrets")
    .argument("<name>", "a recipe")
    .option("--check", "list what the release's installer would reject, with the recipe line that caused it")
    .option("--json", "print the text and errors as JSON")
    .addHelpText("after", "\nExample:\n  tbuild kickstart ol8-kvm --check")
    .action(lazily(() => import("./commands/kickstart.ts")));
}

function addDoctor(program: Command): void {
  program
    .command("doctor")
    .description(
      "check this machine, and what a recipe needs: programs, KVM, space, network, disc, repositories, packages; exits 1 if something is missing",
    )
    .argument("[name]", "a recipe (default: check the machine only)")
    .option("--rehearse", "check for a rehearsal")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  tbuild doctor\n  tbuild doctor ol6-grid")
    .action(lazily(() => import("./commands/doctor.ts")));
}

function addRehearse(program: Command): void {
  program
    .command("rehearse")
    .description("make the stand-in for Oracle's disc")
    .command("medium")
    .description("make the rehearsal medium and its repositories, or show the cached one")
    .addOption(
      new Option("--release <release>", "the release to imitate").choices(["ol6", "ol7"]).default("ol6"),
    )
    .option("--json", "print JSON")
    .action(lazily(() => import("./commands/rehearse-medium.ts")));
}

function addMedia(program: Command): void {
  const media = program.command("media").description("inspect installation discs, and make unattended ones");
  media
    .command("inspect")
    .description("identify a disc and show what can be made from it; does not mount it")
    .argument("[iso...]", "discs (default: all in the ISO folder)")
    .option("--digest", "compute the SHA-256 digest (reads the whole disc)")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  tbuild media inspect OracleLinux-R6-U10-Server-x86_64-dvd.iso")
    .action(lazily(() => import("./commands/media-inspect.ts")));
  media
    .command("make")
    .description("make a medium that installs a recipe unattended, on Oracle VM or elsewhere")
    .argument("[recipe]", "the recipe to install")
    .addOption(
      new Option(
        "--as <form>",
        "a full disc, a small boot disc, an OEMDRV volume, files for qemu, or files for a boot server",
      )
        .choices(["remaster", "boot", "oemdrv", "initrd", "network"])
        .default("remaster"),
    )
    .option("--iso <file>", "the disc (default: the recipe's disc, in the ISO folder)")
    .option("--rehearse", "use the stand-in for Oracle's disc")
    .option("--kickstart <file>", "use this kickstart, unchanged")
    .option("--addons <folder>", "add these RPMs as a repository on the disc (on OL5, for %post only)")
    .addOption(
      new Option("--console <where>", "installer console (default: screen; serial for initrd)").choices([
        "screen",
        "serial",
      ]),
    )
    .addOption(
      new Option("--volume <kind>", "type of the volume, for oemdrv").choices(["iso", "disk"]).default("iso"),
    )
    .option("--url <address>", "address of the result on your web server, for network")
    .option("--out <folder>", "output folder (must be new)")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Examples:
  tbuild media make ol6-grid                  an unattended DVD
  tbuild media make ol6-grid --as boot        a boot disc for the original DVD
  tbuild media make ol6-grid --addons rpms    with packages, to install offline
  tbuild media make --kickstart ks.cfg --iso DVD.iso --as initrd`,
    )
    .action(lazily(() => import("./commands/media-make.ts")));
}

function addDf(program: Command): void {
  program
    .command("df")
    .description("show the disk space that tbuild's folders take, and how to free it")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  tbuild df")
    .action(lazily(() => import("./commands/df.ts")));
}

function addConsole(program: Command): void {
  program
    .command("console")
    .description("attach to the serial console of a machine (Ctrl-] detaches)")
    .argument("[machine]", "machine name (default: list the machines)")
    .option("--ssh", "print the ssh command instead")
    .action(lazily(() => import("./commands/console.ts")));
}

function addClean(program: Command): void {
  program
    .command("clean")
    .description("remove machines and partial checkpoints of failed or killed builds")
    .argument("[build...]", "build IDs (default: all that are not running)")
    .option("--checkpoints", "also remove checkpoints; the next build starts from the disc")
    .option("--plan", "show what would be removed, how large it is, and why; remove nothing")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExamples:\n  tbuild clean --plan\n  tbuild clean --checkpoints")
    .action(lazily(() => import("./commands/clean.ts")));
}
