import type { Command } from "commander";
import { places } from "../deploy/places/table.ts";
import { lazily } from "./lazily.ts";

/** Commands that make machines from templates. */
export function addDeployCommands(program: Command): void {
  const deploy = program
    .command("deploy")
    .description(
      "create and configure the machines that a file describes, from templates; shows the plan first",
    )
    .argument("<file>", "a deployment file")
    .option("--plan", "only show what would be created, changed, kept and destroyed")
    .option("--destroy", "destroy everything that this deployment made, and nothing else")
    .option("--yes", "do not ask before something is stopped or destroyed")
    .option(
      "--grace <seconds>",
      "how long a guest may take to shut down before its power is cut (default: 120)",
    )
    .option("--replace <machine>", "destroy this machine and create it again (repeatable)", gathered)
    .option("--allow-revoked", "use a template version that was revoked")
    .option("--at <place>", `${Object.keys(places).join(" or ")} (default: the first in the site file)`)
    .option("--json", "print the plan and the progress as JSON lines")
    .addHelpText(
      "after",
      `
After an interruption, run the same command again to finish.

Examples:
  tbuild deploy rac.yaml --plan          what would be done
  tbuild deploy rac.yaml                 do it; a second run does nothing
  tbuild deploy rac.yaml --replace rac2  create one machine again
  tbuild deploy rac.yaml --destroy       destroy what was made`,
    )
    .action(lazily(() => import("./commands/deploy.ts")));
  deploy
    .command("schema")
    .description("print the JSON Schema of deployment files")
    .action(lazily(() => import("./commands/deploy-schema.ts")));
  deploy
    .command("import")
    .description("convert deploycluster's netconfig.ini and params.ini to a deployment file; runs nothing")
    .argument("<netconfig>", "netconfig.ini")
    .option("--params <file>", "params.ini")
    .option("--template <ref>", "the template of the machines", "ol6-grid@stable")
    .option("--netmask <mask>", "netmask of the public network, if the file has no PUBMASK")
    .option("--private-netmask <mask>", "netmask of the private network, if the file has no PRIVMASK")
    .option("--json", "print the file and what was not converted as JSON")
    .addHelpText("after", "\nExample:\n  tbuild deploy import netconfig.ini --params params.ini > rac.yaml")
    .action(lazily(() => import("./commands/deploy-import.ts")));
  program
    .command("clone")
    .description("create machines of one template, and configure them; shows the plan first")
    .argument("<template>", "a template: name, name@1.2.3, name@stable, or place:NAME")
    .requiredOption(
      "--name <machine>",
      "the machine's name, such as vm001 or vm[001-010] (repeatable)",
      gathered,
    )
    .option("--vcpus <n>", "number of virtual processors (default: the template's)")
    .option("--memory <size>", "such as 4G (default: the template's)")
    .option("--nic <network>", "a vnic: NETWORK, or NETWORK,ADDRESS/BITS,GATEWAY (repeatable)", gathered)
    .option("--disk <name=size>", "an additional disk, such as u01=20G (repeatable)", gathered)
    .option("--values <file>", "first-boot values, as for `tbuild message`")
    .option("--full", "make full copies of the system disks")
    .option("--storage <name>", "where the place keeps the disks, such as a repository")
    .option("--plan", "only show what would be done")
    .option("--destroy", "destroy what an earlier call with this name made, and nothing else")
    .option("--yes", "do not ask before something is stopped or destroyed")
    .option(
      "--grace <seconds>",
      "how long a guest may take to shut down before its power is cut (default: 120)",
    )
    .option("--allow-revoked", "use a template version that was revoked")
    .option("--at <place>", `${Object.keys(places).join(" or ")} (default: the first in the site file)`)
    .option("--json", "print the plan and the progress as JSON lines")
    .addHelpText(
      "after",
      `
Examples:
  tbuild clone ol6-grid@stable --name vm001 --plan
  tbuild clone ol6-grid@stable --name vm001 --values vm001.yaml
  tbuild clone ol8-base --name "vm[001-010]" --memory 4G --disk u01=20G
  tbuild clone ol6-grid@stable --name vm001 --destroy`,
    )
    .action(lazily(() => import("./commands/clone.ts")));
}

export function gathered(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text];
}
