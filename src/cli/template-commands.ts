import { Argument, type Command, Option } from "commander";
import { bundleFormats, domainTypes } from "../choices.ts";
import { lazily } from "./lazily.ts";

const registryHelp = `
The password is what \`docker login\` has kept, in ~/.docker/config.json or by a
helper. An authority of your own: /etc/docker/certs.d/HOST:PORT/ca.crt, or the
same below ~/.docker.
`;

/** Commands for the versions that have been made. */
export function addTemplateCommands(program: Command): void {
  const template = program.command("template").description("the versions that have been made");
  template
    .command("list")
    .description(
      "the versions, by name and then by version number, the oldest first: channel, release, size, seal, age",
    )
    .option("--all", "the masters, too")
    .option("--refresh", "first ask the registries for new revocations, channels and tags")
    .option("--json", "as JSON")
    .action(lazily(() => import("./commands/template-list.ts")));
  template
    .command("show")
    .description("what is in a version, where it came from, and whose signature it has")
    .argument("<ref>", ref)
    .option("--json", "the manifest as JSON")
    .action(lazily(() => import("./commands/template-show.ts")));
  template
    .command("log")
    .description("what grew out of what, as a graph, by date: the newest first")
    .argument("[name]", "a template; without one, all")
    .option("--json", "as JSON")
    .action(lazily(() => import("./commands/template-log.ts")));
  template
    .command("diff")
    .description("what changed between two versions, in words, and which version that deserves")
    .argument("<a>", `${ref}; alone, it is compared with the version before it`)
    .argument("[b]", ref)
    .option("--texts", "the texts of packages' own files, too: reads both disks")
    .option("--json", "as JSON")
    .option("--html", "as a page")
    .addHelpText(
      "after",
      "\nExamples:\n  tbuild template diff ol6-grid\n  tbuild template diff ol6-grid@stable ol6-grid@candidate --html > diff.html",
    )
    .action(lazily(() => import("./commands/template-diff.ts")));
  template
    .command("sbom")
    .description("the bill of materials of a version, CycloneDX JSON")
    .argument("<ref>", ref)
    .addHelpText("after", "\nExample:\n  tbuild template sbom ol6-grid@stable > ol6-grid.cdx.json")
    .action(lazily(() => import("./commands/template-sbom.ts")));
  template
    .command("tag")
    .description("give a version a name that stays on it")
    .argument("<ref>", ref)
    .argument("<tag>", "such as audited-2026")
    .option("--json", "as JSON")
    .action(lazily(() => import("./commands/template-tag.ts")));
  template
    .command("promote")
    .description("lead a channel to a version")
    .argument("<ref>", ref)
    .addArgument(channel())
    .option("--although-rehearsal", "even if it is a rehearsal; never to stable")
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nExample:\n  tbuild template promote ol6-grid@1.1.0 candidate\n  tbuild template promote ol6-grid@candidate stable",
    )
    .action(lazily(() => import("./commands/template-promote.ts")));
  template
    .command("rollback")
    .description("lead a channel back to where it led before")
    .argument("<name>", "a template")
    .addArgument(channel())
    .option("--reason <text>", "why; it is written down")
    .option("--json", "as JSON")
    .action(lazily(() => import("./commands/template-rollback.ts")));
  template
    .command("revoke")
    .description("warn of a version, wherever it is used")
    .argument("<ref>", ref)
    .option("--reason <text>", "why; everybody is told")
    .option("--undo", "take it back")
    .option("--json", "as JSON")
    .action(lazily(() => import("./commands/template-revoke.ts")));
  template
    .command("export")
    .description("write a version into one file, for where there is no network")
    .argument("<ref>", ref)
    .option("-o, --output <file>", "the file; otherwise <name>-<version>.tbuild")
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nExample:\n  tbuild template export ol6-grid@stable -o /media/stick/ol6-grid.tbuild",
    )
    .action(lazily(() => import("./commands/template-export.ts")));
  template
    .command("site")
    .description(
      "write the catalog as a static web site: list, versions, differences, and a form for each contract",
    )
    .argument("<folder>", "new, empty, or from the last time")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  tbuild template site public")
    .action(lazily(() => import("./commands/template-site.ts")));
  template
    .command("verify")
    .description("read every byte of the store")
    .option("--json", "as JSON")
    .action(lazily(() => import("./commands/template-verify.ts")));
  template
    .command("prune")
    .description("say what of the store nobody needs, and why; removes it with --apply")
    .option("--keep <n>", "let go of all but the newest n versions of each name")
    .option("--apply", "remove it")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  tbuild template prune --keep 5")
    .action(lazily(() => import("./commands/template-prune.ts")));
  template
    .command("push")
    .description(
      "put a template into an OCI registry, as <place>/<name>:<version>; only what is new there is sent",
    )
    .argument("<ref>", "name, or name@version")
    .argument("<place>", "registry and path, such as registry.example/templates")
    .option("--plain-http", "speak to the registry without encryption")
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      `${registryHelp}\nExample:\n  tbuild template push ol6-grid@1.0.0 registry.example/templates`,
    )
    .action(lazily(() => import("./commands/template-push.ts")));
  template
    .command("pull")
    .description("take a template out of an OCI registry into the store")
    .argument(
      "<reference>",
      "such as registry.example/templates/ol6-grid:1.0.0, :stable, :TAG, or with @sha256:…",
    )
    .option("--plain-http", "speak to the registry without encryption")
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      `${registryHelp}\nExample:\n  tbuild template pull registry.example/templates/ol6-grid:1.0.0`,
    )
    .action(lazily(() => import("./commands/template-pull.ts")));
  template
    .command("bundle")
    .description("pack a version to be taken elsewhere, straight from the store, with SHA256SUMS beside it")
    .argument("<ref>", "name, or name@version")
    .addOption(new Option("--format <format...>", "how; ovm-tgz by itself").choices(bundleFormats))
    .option("--out <folder>", "where to; a folder of its own in the home by itself")
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nExample:\n  tbuild template bundle ol6-grid@1.0.0 --format ova qcow2 --out /srv/bundles",
    )
    .action(lazily(() => import("./commands/template-bundle.ts")));
  template
    .command("import")
    .description(
      "make a version of a template from elsewhere: an export of tbuild, Oracle's .tgz or .ova, or an image",
    )
    .argument(
      "<file>",
      ".tgz, .ova, the folder of an unpacked .ova, or an image: raw, qcow2, vmdk, gzipped or not",
    )
    .option("--as <name[@version]>", "what it is called; otherwise as it calls itself")
    .addOption(new Option("--domain-type <type>", "where nothing in it says so").choices(domainTypes))
    .option("--max-size <size>", "the most that it may hold unpacked", "256G")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  tbuild template import OVM_OL6U10_x86_64_PVM.tgz --as ol6-vendor")
    .action(lazily(() => import("./commands/template-import.ts")));
}

const ref = "name (its newest), name@1.2.3, name@channel or name@tag";

function channel(): Argument {
  return new Argument("<channel>", "where to").choices(["candidate", "stable"]);
}
