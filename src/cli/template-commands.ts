import { Argument, type Command, Option } from "commander";
import { bundleFormats, domainTypes } from "../choices.ts";
import { formerName } from "./former-name.ts";
import { lazily } from "./lazily.ts";
import { listOption } from "./list-option.ts";

const registryHelp = `
Passwords come from \`docker login\` (~/.docker/config.json or a credential
helper). Put your own certificate authority into
/etc/docker/certs.d/HOST:PORT/ca.crt, or the same path below ~/.docker.
`;

const pushHelp = "send it to the registries that the template was pushed to or pulled from";

/** Commands for published versions. */
export function addTemplateCommands(program: Command): void {
  const template = program.command("template").description("manage template versions");
  addLooks(template);
  addNames(template);
  addExchange(template);
}

// Commands that show versions.
function addLooks(template: Command): void {
  template
    .command("list")
    .description(
      "list versions by name and number, oldest first: channel, release, size, unshared size, seal, age",
    )
    .option("--all", "include masters")
    .option("--own", "calculate the unshared size, however many disks there are")
    .option("--refresh", "first ask the registries for new revocations, channels and tags")
    .option("--json", "print JSON")
    .action(lazily(() => import("./commands/template-list.ts")));
  template
    .command("show")
    .description("show the contents, origin and signature of a version")
    .argument("<ref>", ref)
    .option("--json", "print the manifest as JSON")
    .action(lazily(() => import("./commands/template-show.ts")));
  template
    .command("log")
    .description("show the lineage of versions as a graph by date, newest first")
    .argument("[name]", "a template (default: all)")
    .option("--json", "print JSON")
    .action(lazily(() => import("./commands/template-log.ts")));
  template
    .command("diff")
    .description("compare two versions, and suggest the next version number")
    .argument("<a>", `${ref}; without [b], compared with its previous version`)
    .argument("[b]", ref)
    .option("--texts", "also compare the contents of packaged files (reads both disks)")
    .option("--json", "print JSON")
    .option("--html", "print an HTML page")
    .addHelpText(
      "after",
      "\nExamples:\n  tbuild template diff ol6-grid\n  tbuild template diff ol6-grid@stable ol6-grid@candidate --html > diff.html",
    )
    .action(lazily(() => import("./commands/template-diff.ts")));
  template
    .command("sbom")
    .description("print the bill of materials of a version (CycloneDX JSON)")
    .argument("<ref>", ref)
    .addHelpText("after", "\nExample:\n  tbuild template sbom ol6-grid@stable > ol6-grid.cdx.json")
    .action(lazily(() => import("./commands/template-sbom.ts")));
}

// Tags, channels and revocation.
function addNames(template: Command): void {
  template
    .command("tag")
    .description("give a version a permanent name")
    .argument("<ref>", ref)
    .argument("<tag>", "for example audited-2026")
    .option("--push", pushHelp)
    .option("--json", "print JSON")
    .action(lazily(() => import("./commands/template-tag.ts")));
  template
    .command("promote")
    .description("point a channel at a version")
    .argument("<ref>", ref)
    .addArgument(channel())
    .option("--allow-rehearsal", "allow a rehearsal (never for stable)")
    .addOption(formerName("--although-rehearsal", "allowRehearsal"))
    .option("--push", pushHelp)
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExample:\n  tbuild template promote ol6-grid@1.1.0 candidate\n  tbuild template promote ol6-grid@candidate stable",
    )
    .action(lazily(() => import("./commands/template-promote.ts")));
  template
    .command("rollback")
    .description("point a channel at its previous version again")
    .argument("<name>", "a template")
    .addArgument(channel())
    .option("--reason <text>", "the reason, which is recorded")
    .option("--push", pushHelp)
    .option("--json", "print JSON")
    .action(lazily(() => import("./commands/template-rollback.ts")));
  template
    .command("revoke")
    .description("mark a version as revoked; every command that uses it warns")
    .argument("<ref>", ref)
    .option("--reason <text>", "the reason, which the warning shows")
    .option("--undo", "withdraw the revocation")
    .option("--push", pushHelp)
    .option("--json", "print JSON")
    .action(lazily(() => import("./commands/template-revoke.ts")));
}

// Commands that check, prune, export and import the store.
function addExchange(template: Command): void {
  template
    .command("export")
    .description("write a version to one file, for offline transfer")
    .argument("<ref>", ref)
    .option("-o, --output <file>", "the file (default: <name>-<version>.tbuild)")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExample:\n  tbuild template export ol6-grid@stable -o /media/stick/ol6-grid.tbuild",
    )
    .action(lazily(() => import("./commands/template-export.ts")));
  template
    .command("site")
    .description(
      "write the catalog as static web pages: versions, differences, and a first-boot form for each template",
    )
    .argument("<folder>", "a new or empty folder, or one that this command wrote")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  tbuild template site public")
    .action(lazily(() => import("./commands/template-site.ts")));
  template
    .command("verify")
    .description("check every byte in the store")
    .option("--json", "print JSON")
    .action(lazily(() => import("./commands/template-verify.ts")));
  template
    .command("prune")
    .description("list what the store no longer needs, and why; --apply removes it")
    .option("--keep <n>", "keep only the newest n versions of each name")
    .option("--apply", "remove it")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  tbuild template prune --keep 5")
    .action(lazily(() => import("./commands/template-prune.ts")));
  template
    .command("push")
    .description(
      "upload a template to an OCI registry as <place>/<name>:<version>; sends only what is missing there",
    )
    .argument("<ref>", "name, or name@version")
    .argument("<place>", "registry and path, for example registry.example/templates")
    .option("--statements", "upload only revocations, channels and tags; any version of the template will do")
    .option("--plain-http", "connect without TLS")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `${registryHelp}\nExample:\n  tbuild template push ol6-grid@1.0.0 registry.example/templates`,
    )
    .action(lazily(() => import("./commands/template-push.ts")));
  template
    .command("pull")
    .description("download a template from an OCI registry into the store")
    .argument(
      "<reference>",
      "for example registry.example/templates/ol6-grid:1.0.0, or with :stable, :latest, :TAG or @sha256:…",
    )
    .option("--plain-http", "connect without TLS")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `${registryHelp}\nExample:\n  tbuild template pull registry.example/templates/ol6-grid:1.0.0`,
    )
    .action(lazily(() => import("./commands/template-pull.ts")));
  template
    .command("bundle")
    .description("pack a version from the store as bundles, with SHA256SUMS")
    .argument("<ref>", "name, or name@version")
    .addOption(
      listOption("--format <formats>", "bundle format (default: ovm-tgz)", { choices: bundleFormats }),
    )
    .option("--out <folder>", "output folder (default: a folder in --home)")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExample:\n  tbuild template bundle ol6-grid@1.0.0 --format ova,qcow2 --out /srv/bundles",
    )
    .action(lazily(() => import("./commands/template-bundle.ts")));
  template
    .command("import")
    .description("import a template: a tbuild export, Oracle's .tgz or .ova, or a disk image")
    .argument(
      "<file>",
      ".tgz, .ova, the folder of an unpacked .ova, or an image: raw, qcow2, vmdk, gzipped or not",
    )
    .option("--as <name[@version]>", "name of the template (default: its own name)")
    .addOption(
      new Option("--domain-type <type>", "the domain type, if the file does not contain it").choices(
        domainTypes,
      ),
    )
    .option("--max-size <size>", "maximum unpacked size", "256G")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  tbuild template import OVM_OL6U10_x86_64_PVM.tgz --as ol6-vendor")
    .action(lazily(() => import("./commands/template-import.ts")));
}

const ref = "name (newest version), name@1.2.3, name@channel or name@tag";

function channel(): Argument {
  return new Argument("<channel>", "the channel").choices(["candidate", "stable"]);
}
