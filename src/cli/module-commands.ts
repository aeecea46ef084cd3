import { type Command, Option } from "commander";
import { messageFormNames, messageForms } from "../firstboot/message-forms.ts";
import { lazily } from "./lazily.ts";
import { listOption } from "./list-option.ts";

const forms = messageFormNames.map((name) => `  ${name.padEnd(10)} ${messageForms[name].summary}`).join("\n");

/** Commands for first-boot modules and their messages. */
export function addModuleCommands(program: Command): void {
  addModule(program);
  addMessage(program);
}

function addModule(program: Command): void {
  const module = program
    .command("module")
    .description("make, check, rehearse and package first-boot modules");
  addModuleCheck(module);
  addModuleRehearse(module);
  addModuleList(module);
  addModuleNew(module);
  addModuleAdopt(module);
  addModuleRpm(module);
  addModuleSchema(module);
}

function addModuleCheck(module: Command): void {
  module
    .command("check")
    .description("find what is wrong with first-boot modules, without running them")
    .argument(
      "[modules...]",
      "their folders, or names that recipes can use (default: all that recipes can use)",
    )
    .option("--for <releases>", "releases that they must run on, such as ol6,ol7 (default: any one)")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Reads header, program, parameters and payload: whether the targets of the
header and of main() agree, whether the Python of the release reads the
program, whether keys collide with those of Oracle's modules, what the module
starts, and what is not up yet when it runs.

Examples:
  tbuild module check
  tbuild module check recipes/modules/grid --for ol6,ol7

Exits 1 if it finds an error.`,
    )
    .action(lazily(() => import("./commands/module-check.ts")));
}

function addModuleRehearse(module: Command): void {
  module
    .command("rehearse")
    .description("run a first-boot module in a throw-away root, and show what it does")
    .argument("<module>", "the module's folder, or its name if recipes can use it")
    .argument("[values...]", "parameters as KEY=VALUE, over those of the file")
    .option("-f, --values <file>", "YAML file of KEY: VALUE, as for tbuild message")
    .option("--tree <image>", "run it in the files of this image or folder, which do not change")
    .option("--files <folder>", "copy these files over the root, such as the software that it installs")
    .option("--target <target>", "the target to run (default: the first of its header, such as configure)")
    .option("--deadline <seconds>", "kill a run that takes longer", "60")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Runs the module twice, as the guest additions would, and shows what it printed,
what it changed, how long it took, and what the second run changed (nothing, if
the module may run again). After each run, it runs the program of afterBoot, as
the end of a boot does. The module has no network, cannot set the clock or a
parameter of the kernel, and sees nothing of this machine but its programs in
/usr. Everything that it writes is discarded. Needs root.

Examples:
  sudo tbuild module rehearse grid org.tbuild.grid.mode=none
  sudo tbuild module rehearse mine -f values.yaml --tree System.img

Exits 1 if the second run changes something, and 4 if the module fails.`,
    )
    .action(lazily(() => import("./commands/module-rehearse.ts")));
}

function addModuleList(module: Command): void {
  module
    .command("list")
    .description("list the first-boot modules of the recipes folder: targets, parameters, releases")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  tbuild module list")
    .action(lazily(() => import("./commands/module-list.ts")));
}

function addModuleNew(module: Command): void {
  module
    .command("new")
    .description("make the folder of a first-boot module")
    .argument("<name>", "lower-case letters, digits and hyphens")
    .option("--description <sentence>", "what it does (default: asked)")
    .addOption(listOption("--target <target:priority>", "when it runs (default: configure:80)"))
    .addOption(
      listOption("--parameter <name>", "a value that it needs: NAME, NAME:required or NAME:password"),
    )
    .addOption(
      new Option("--language <name>", "language of its program")
        .choices(["bash", "python", "perl"])
        .default("bash"),
    )
    .option("--into <folder>", "folder of modules (default: modules in the recipe folder)")
    .addHelpText(
      "after",
      `
Example:
  tbuild module new dns --description "Sets the name servers." --target configure:65 --parameter servers:required`,
    )
    .action(lazily(() => import("./commands/module-new.ts")));
}

function addModuleAdopt(module: Command): void {
  module
    .command("adopt")
    .description("make a module.yaml for a module that was written by hand")
    .argument("<folder>", "the folder of a module with a Python script")
    .option("--plan", "print the module.yaml, and change nothing")
    .addHelpText("after", "\nExample:\n  tbuild module adopt modules/answer --plan")
    .action(lazily(() => import("./commands/module-adopt.ts")));
}

function addModuleRpm(module: Command): void {
  module
    .command("rpm")
    .description("package first-boot modules as RPMs, with rpmbuild")
    .argument("<modules...>", "their folders, or names that recipes can use")
    .option("--out <folder>", "where the packages go", ".")
    .option("--json", "print the files as JSON")
    .addHelpText("after", "\nExample:\n  tbuild module rpm recipes/modules/grid --out rpms")
    .action(lazily(() => import("./commands/module-rpm.ts")));
}

function addModuleSchema(module: Command): void {
  module
    .command("schema")
    .description("print the JSON Schema of module.yaml")
    .option("--markdown", "print docs/module.md")
    .addHelpText("after", "\nExample:\n  tbuild module schema > module.schema.json")
    .action(lazily(() => import("./commands/module-schema.ts")));
}

function addMessage(program: Command): void {
  program
    .command("message")
    .description("list the first-boot parameters of a template, or write messages from a file of values")
    .argument("<ref>", "a template version: name, name@1.2.3, name@stable; or an image: System.img")
    .option("-f, --values <file>", "YAML file of KEY: VALUE; checked first, then written as messages")
    .addOption(
      new Option("--as <form>", "the form of the messages").choices(messageFormNames).default("ovmcli"),
    )
    .option("--machine <name>", "name of the VM in Oracle VM Manager", "vm001")
    .option(
      "-o, --output <path>",
      "write it there: a disc if it ends in .iso, or a folder (ovf, nocloud, nocloud-v2, nocloud-old)",
    )
    .option("--list", "list the parameters (default)")
    .option("--form", "print a file of values to fill in")
    .option("--schema", "print the JSON Schema of such a file")
    .option("--json", "print the parameters as JSON")
    .option(
      "--run",
      "of an image: run its modules to ask for their parameters, in User-mode Linux, read-only and without a network",
    )
    .addHelpText(
      "after",
      `
Forms:
${forms}

The root password comes last in each: it starts the configuration. Secrets are
given by reference: {env: NAME}, {file: PATH} or {prompt: true}.

The modules of an image are read, not run. Where a module computes a parameter
when it runs, a warning names it; --run finds that parameter too.

Examples:
  tbuild message ol6-grid --list
  tbuild message --run System.img
  tbuild message ol6-grid --form > vm001.yaml
  tbuild message ol6-grid --values vm001.yaml --machine vm001
  tbuild message ol8-base --values vm001.yaml --as nocloud --output seed.iso`,
    )
    .action(lazily(() => import("./commands/message.ts")));
}
