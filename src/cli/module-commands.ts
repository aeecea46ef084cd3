import type { Command } from "commander";
import { lazily } from "./lazily.ts";

/** Commands for first-boot modules. */
export function addModuleCommands(program: Command): void {
  const module = program.command("module").description("check first-boot modules");
  module
    .command("check")
    .description("find what is wrong with first-boot modules, without running them")
    .argument("[folders...]", "module folders (default: all in the recipes folder)")
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
  module
    .command("list")
    .description("list the first-boot modules of the recipes folder: targets, parameters, releases")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  tbuild module list")
    .action(lazily(() => import("./commands/module-list.ts")));
}
