import { type Command, Option } from "commander";
import { modeOf } from "../choices.ts";
import { sshConfig, via } from "./image-options.ts";
import { lazily } from "./lazily.ts";

/** Commands for Oracle VM Manager: the one of the site. */
export function addManagerCommands(program: Command): void {
  const manager = program
    .command("manager")
    .description("show what Oracle VM Manager has: pools, servers, repositories, networks, templates, VMs")
    .option("--verbose", "print every command that is sent, without secrets")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
The site says how to reach it (tbuild help doctor checks that):

  manager:
    host: ovmm.example.com
    password: { env: OVMM_PASSWORD }    # or { file: PATH }, { prompt: true }

Examples:
  tbuild manager trust        once: accept the Manager's host key
  tbuild manager
  tbuild manager import http://web.example.com/ol6-grid-1.0.0.tgz
  tbuild manager simulate     a simulated Manager, to try things out`,
    )
    .action(lazily(() => import("./commands/manager.ts")));
  manager
    .command("trust")
    .description("record the Manager's host key or certificate, and trust it from now on")
    .option("--yes", "do not ask")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Compare the fingerprint with what the Manager itself shows:
  ssh-keygen -lf FILE                                 its ssh host key
  openssl x509 -noout -fingerprint -sha256 -in FILE   its certificate

Example:
  tbuild manager trust`,
    )
    .action(lazily(() => import("./commands/manager-trust.ts")));
  manager
    .command("import")
    .description("import a template into the Manager, from files or URLs")
    .argument(
      "<file|url...>",
      "a .tgz or .ova, or all its parts. tbuild serves files by http during the import",
    )
    .option("--name <name>", "the template's name (default: chosen by the Manager)")
    .option("--description <text>", "its description, for example the version: ol6-grid@1.0.0")
    .option("--repository <name>", "the repository (default: the site's)")
    .option("--verbose", "print every command that is sent, without secrets")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
The Manager's servers must be able to reach a URL. They fetch files from this
machine, at the address that it uses to reach the Manager; manager.here in the
site sets another.

Examples:
  tbuild manager import ol6-grid-1.0.0.tgz --description ol6-grid@1.0.0
  tbuild manager import http://web.example.com/ol6-grid-1.0.0.tgz \\
    --name ol6-grid-1.0.0 --description ol6-grid@1.0.0`,
    )
    .action(lazily(() => import("./commands/manager-import.ts")));
  addTemplateCommand(manager);
  manager
    .command("simulate")
    .description("run a SIMULATED Oracle VM Manager on this machine, until Ctrl-C")
    .addOption(
      new Option("--release <release>", "the release whose CLI and REST API to imitate")
        .choices(["3.2", "3.3", "3.4"])
        .default("3.4"),
    )
    .option("--port <n>", "port of the CLI (default: any free one)")
    .option("--rest-port <n>", "port of the REST API (default: any free one)")
    .addOption(
      new Option(
        "--back-with <hypervisor>",
        "run its VMs as real machines (default: they are only listed)",
      ).choices(["qemu"]),
    )
    .option("--json", "print how to reach it, as JSON")
    .addHelpText(
      "after",
      `
It listens on 127.0.0.1 only, and prints the site that reaches it. The user is
admin, the password Welcome1. It loses all data when it ends.

With --back-with, imports are fetched, disks have contents, and started VMs are
machines of this hypervisor, with the options that the site gives it. They get
the messages, and each line "NAME runs" says how to log in.

Examples:
  tbuild manager simulate --release 3.4
  tbuild manager simulate --back-with qemu`,
    )
    .action(lazily(() => import("./commands/manager-simulate.ts")));
}

function addTemplateCommand(manager: Command): void {
  manager
    .command("template")
    .description("make a template of a stopped VM: its clone is converted and sealed on a server")
    .argument("<vm>", "name or ID of the VM")
    .requiredOption("--name <name>", "the template's name")
    .addOption(
      new Option("--to <mode>", "convert it (default: its domain type stays)").choices(Object.values(modeOf)),
    )
    .option("--description <text>", "its description, for example the version: ol6-grid@1.0.0")
    .option("--plan", "show what would change in the guest; make nothing")
    .option("--server <address>", "the server to log in to: root@ovs1 (default: the first of the site)")
    .option(...via)
    .option(...sshConfig)
    .option("--verbose", "print every command that is sent, without secrets")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
The Manager clones the VM as a template. tbuild then changes the clone's first
disk on the server, over ssh, by kpartx if the server has it. No disk is copied
to this machine, and the VM itself is not changed.

Until it is complete, the template is called NAME.tbuild-unfinished. The next
run removes what an interrupted one left.

Examples:
  tbuild manager template build1 --name ol6-base --plan
  tbuild manager template build1 --name ol6-base --to pvhvm \\
    --server root@ovs1.example.com`,
    )
    .action(lazily(() => import("./commands/manager-template.ts")));
}
