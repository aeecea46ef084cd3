import type { Command } from "commander";
import { waysIn } from "../choices.ts";
import { lazily } from "./lazily.ts";

const sshConfig = ["--ssh-config <file>", "for images on other machines, instead of ~/.ssh/config"] as const;

const elsewhere = `

An image on another machine is named as scp does it, and reached by ssh:
  root@ovs1:/OVS/Repositories/0004fb/VirtualDisks/0004fb.img`;

/** Commands for the disk images of guests, wherever they came from. */
export function addImageCommands(program: Command): void {
  program
    .command("inspect")
    .description("say what is in an image: disk, guest, kernels, first boot, identity; touches nothing")
    .argument("<image>", "a raw or qcow2 image")
    .option("--packages", "list the installed packages")
    .option("--via <way>", `the way into the image, instead of the best one: ${waysIn.join(", ")}`)
    .option(...sshConfig)
    .option("--json", "as JSON, with all packages")
    .addHelpText("after", `\nExample:\n  tbuild inspect System.img${elsewhere}`)
    .action(lazily(() => import("./commands/inspect.ts")));
  program
    .command("scan")
    .description("say of every image in a folder what it is; 1 when one is unarmed, dirty or unreadable")
    .argument("[folder]", "a repository, or any folder", "/OVS/Repositories")
    .option("--repair", "arm the templates that are not, as `tbuild repair` does: the plan, then a question")
    .option("--plan", "with --repair: only the plan")
    .option("--yes", "with --repair: ask nothing")
    .option(...sshConfig)
    .option("--json", "as JSON, one line for each image")
    .addHelpText(
      "after",
      "\nExamples:\n  tbuild scan /OVS/Repositories\n  tbuild scan root@ovs1:/OVS/Repositories",
    )
    .action(lazily(() => import("./commands/scan.ts")));
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
  program
    .command("twins")
    .description("compare two clones that were booted: what both have and each should have of its own")
    .argument("<image>", "the disk of one clone of a template, after its first boot")
    .argument("<other>", "the disk of another")
    .option("--via <way>", `the way into the images: ${waysIn.join(", ")}`)
    .option(...sshConfig)
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      "\nExample:\n  tbuild twins clone1.img clone2.img\n\nEnds with 1 when anything is suspected.",
    )
    .action(lazily(() => import("./commands/twins.ts")));
  imageCommand(
    "repair",
    "arm the first boot of templates that somebody forgot to arm; the least that makes them right",
  )
    .argument("<image...>", "disk images of stopped machines or templates")
    .addHelpText("after", `\nExample:\n  tbuild repair --plan System.img${elsewhere}`)
    .action(lazily(() => import("./commands/repair.ts")));
  imageCommand("seal", "take every identity out of the guests in disk images, and arm their first boot")
    .argument("[image...]", "disk images of stopped machines or templates")
    .option("--check", "say what is pending; exit code 1 when anything is")
    .option("--residue", "with --check: look into free blocks, too")
    .option("--scrub", "write zeros over what is removed, and over free blocks in which something is left")
    .option("--no-search", "do not look through all files for names, ids and secrets that no operation knows")
    .option("--list", "list the operations, and the agents whose ids and secrets are known")
    .option("--skip <operation...>", "leave these out")
    .option(
      "--although-unmounted",
      "exit 0 although a volume of the disk was not looked into (otherwise 6), and change the rest although one is encrypted or a member of a RAID",
    )
    .option("--only <operation...>", "do these and no others")
    .option("--keep <path...>", "leave these paths of the guest as they are")
    .option("--recipe <name>", "skip and keep what this recipe does")
    .addHelpText(
      "after",
      `\nExample:\n  tbuild seal --check System.img\n  tbuild seal System.img --keep /root/.ssh/authorized_keys${elsewhere}`,
    )
    .action(lazily(() => import("./commands/seal.ts")));
  program
    .command("undo")
    .description("take the last repair or seal of disk images back, byte for byte")
    .argument("<image...>", "disk images that were changed")
    .option("--all", "every change, back to the first")
    .option("--list", "list what can be undone")
    .option(...sshConfig)
    .option("--json", "one JSON object per image")
    .addHelpText("after", `\nExample:\n  tbuild undo System.img${elsewhere}`)
    .action(lazily(() => import("./commands/undo.ts")));

  // What the commands that change disk images have in common.
  function imageCommand(name: string, description: string): Command {
    return program
      .command(name)
      .description(description)
      .option("--plan", "show what would be changed, files and byte ranges, and change nothing")
      .option("--yes", "do not ask")
      .option("--fsck", "check each file system as a whole with e2fsck, before the change and after it")
      .option("--relabel", "also have SELinux label all files anew at the next boot")
      .option("--as <release>", "treat a guest that tbuild does not know as this release: ol5 to ol9")
      .option("--via <way>", `this way into the image, and no other: ${waysIn.join(", ")}`)
      .option(...sshConfig)
      .option("--json", "one JSON object per image");
  }
}
