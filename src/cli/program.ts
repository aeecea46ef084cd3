import { Argument, Command, Option } from "commander";
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
    .addOption(
      new Option(
        "--set <key=value>",
        "say one value of the recipe, over all others; as often as needed",
      ).argParser((text, before: string[] | undefined) => [...(before ?? []), text]),
    )
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
    .addHelpText("after", "\nExample:\n  tbuild recipe ol6-grid --rehearse")
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
    .addOption(
      new Option("--release <release>", "what it is for; else what it looks like").choices([
        "ol5",
        "ol6",
        "ol7",
        "ol8",
        "ol9",
      ]),
    )
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
    .option("--addons <folder>", "put these RPMs on the disc, as a repository")
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
    .description("the versions: channel, release, size, what each alone takes, seal, age")
    .option("--all", "the masters, too")
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
    .description("what grew out of what, as a graph, the newest first")
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
    .addHelpText("after", "\nExample:\n  tbuild template push ol6-grid@1.0.0 registry.example/templates")
    .action(lazily(() => import("./commands/template-push.ts")));
  template
    .command("pull")
    .description("take a template out of an OCI registry into the store")
    .argument("<reference>", "such as registry.example/templates/ol6-grid:1.0.0, or with @sha256:…")
    .option("--plain-http", "speak to the registry without encryption")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  tbuild template pull registry.example/templates/ol6-grid:1.0.0")
    .action(lazily(() => import("./commands/template-pull.ts")));
  template
    .command("bundle")
    .description("pack a version to be taken elsewhere, straight from the store, with SHA256SUMS beside it")
    .argument("<ref>", "name, or name@version")
    .addOption(
      new Option("--format <format...>", "how; ovm-tgz by itself").choices([
        "ovm-tgz",
        "ova",
        "qcow2",
        "raw",
      ]),
    )
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
    .addOption(
      new Option("--domain-type <type>", "where nothing in it says so").choices([
        "XEN_HVM",
        "XEN_HVM_PV_DRIVERS",
        "XEN_PVM",
      ]),
    )
    .option("--max-size <size>", "the most that it may hold unpacked", "256G")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  tbuild template import OVM_OL6U10_x86_64_PVM.tgz --as ol6-vendor")
    .action(lazily(() => import("./commands/template-import.ts")));
  program
    .command("whois")
    .description("find the version that a disk came from, even after it ran")
    .argument("<image>", "a disk: raw, qcow2, vmdk, vdi")
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nExample:\n  tbuild whois /OVS/Repositories/0004fb/VirtualDisks/0004fb.img\n\nEnds with 1 when no version is found.",
    )
    .action(lazily(() => import("./commands/whois.ts")));
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

const ref = "name (its newest), name@1.2.3, name@channel or name@tag";

function channel(): Argument {
  return new Argument("<channel>", "where to").choices(["candidate", "stable"]);
}

function lazily(load: () => Promise<CommandFile>) {
  return async (...args: unknown[]) => {
    const command = args.at(-1) as Command;
    const { run } = await load();
    await run(args.slice(0, -2), command);
  };
}
