import type { Command } from "commander";
import { places } from "../deploy/places/index.ts";
import { lazily } from "./lazily.ts";

/** Commands that make machines from templates. */
export function addDeployCommands(program: Command): void {
  const deploy = program
    .command("deploy")
    .description("create machines from templates as a file says, and configure them; shows the plan first")
    .argument("<file>", "a deployment file")
    .option("--plan", "only show what would be created, changed, kept and destroyed")
    .option("--destroy", "destroy everything that this deployment made, and nothing else")
    .option("--yes", "do not ask before something is stopped or destroyed")
    .option("--replace <machine>", "destroy this machine and make it anew (repeatable)", gathered)
    .option("--allow-revoked", "use a template version that was revoked")
    .option("--at <place>", `${Object.keys(places).join(" or ")} (default: the first that the site has)`)
    .option("--json", "print the plan and the progress as JSON lines")
    .addHelpText(
      "after",
      `
A run that was interrupted or killed is finished by the next one.

Examples:
  tbuild deploy rac.yaml --plan          what would be done
  tbuild deploy rac.yaml                 do it; a second run does nothing
  tbuild deploy rac.yaml --replace rac2  make one machine anew
  tbuild deploy rac.yaml --destroy       destroy what it made`,
    )
    .action(lazily(() => import("./commands/deploy.ts")));
  deploy
    .command("schema")
    .description("print the JSON Schema of deployment files")
    .action(lazily(() => import("./commands/deploy-schema.ts")));
}

export function gathered(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), text];
}
