import { type Command, Option } from "commander";
import {
  cloneDetectors,
  deviceKinds,
  fitnessTargets,
  guestModes,
  migrationFormats,
  ovmdChoices,
  waysIn,
} from "../choices.ts";
import { formerName } from "./former-name.ts";
import { sshConfig, treatAs, via, withChangeOptions } from "./image-options.ts";
import { lazily, lazilyInGuests } from "./lazily.ts";
import { betweenPaths, collected, listOption } from "./list-option.ts";

const relabel = ["--relabel", "also relabel all files for SELinux at the next boot"] as const;

const elsewhere = `

Remote images are named as in scp, and accessed by ssh:
  root@ovs1:/OVS/Repositories/0004fb/VirtualDisks/0004fb.img`;

/** Commands for disk images of guests, of any origin. */
export function addImageCommands(program: Command): void {
  addInspect(program);
  addScan(program);
  addConvert(program);
  addMigrate(program);
  addWhois(program);
  addTwins(program);
  addRepair(program);
  addSeal(program);
  addResize(program);
  addDiscard(program);
  addUndo(program);
}

function addInspect(program: Command): void {
  program
    .command("inspect")
    .description("show what is in an image: disk, guest, kernels, first boot, identity; read-only")
    .argument("<image>", "a raw or qcow2 image")
    .option("--packages", "list the installed packages")
    .addOption(forOption())
    .option("--via <way>", `access method (default: the fastest that works): ${waysIn.join(", ")}`)
    .option(...sshConfig)
    .option("--json", "print JSON, with all packages")
    .addHelpText("after", `\nExample:\n  tbuild inspect System.img${elsewhere}`)
    .action(lazilyInGuests(() => import("./commands/inspect.ts")));
}

function addScan(program: Command): void {
  program
    .command("scan")
    .description("identify every image in a folder; exits 1 if one is unarmed, dirty or unreadable")
    .argument("[folder...]", "a repository, or any folder; several with --machines", ["/OVS/Repositories"])
    .option("--machines", "list machines, their disks and LUNs, and whether they can leave for KVM")
    .addOption(forOption())
    .option("--repair", "arm unarmed templates, as `tbuild repair` does; shows the plan and asks first")
    .option("--plan", "with --repair: show the plan only")
    .option("--yes", "with --repair: do not ask")
    .option(...sshConfig)
    .option("--json", "print one JSON line for each image")
    .addHelpText(
      "after",
      "\nExamples:\n  tbuild scan /OVS/Repositories\n  tbuild scan root@ovs1:/OVS/Repositories\n  tbuild scan --machines /OVS/Repositories",
    )
    .action(lazilyInGuests(() => import("./commands/scan.ts")));
}

function addConvert(program: Command): void {
  imageCommand(
    program,
    "convert",
    "convert the guest in an image for another hypervisor, without starting it; or check whether it runs there",
  )
    .argument("<image...>", "disk images of stopped machines or templates")
    .addOption(new Option("--to <mode>", "the mode to convert the guest for").choices(guestModes))
    .addOption(
      new Option("--ovmd <choice>", "Oracle VM's first-boot configuration (default: keep)").choices(
        ovmdChoices,
      ),
    )
    .option("--out <file>", "convert a copy; a bare file system gets a partition table in it")
    .option("--check", "only check whether the guest runs at the target; change nothing")
    .option(
      "--vm-cfg <file>",
      "with --check: the vm.cfg that starts the image; reports where the two do not match",
    )
    .addOption(forOption())
    .addHelpText(
      "after",
      `\nExamples:\n  tbuild convert --to kvm --plan System.img\n  tbuild convert --to kvm --out New.img System.img\n  tbuild convert --check --for ovm-3.4.6 System.img\n  tbuild convert --check --for ovm-3.4.5 --vm-cfg vm.cfg System.img${elsewhere}\n\nAfter a conversion, tbuild checks the guest as --check does. Exits 1 if it is\nunfit, 6 if that is unknown.`,
    )
    .action(lazilyInGuests(() => import("./commands/convert.ts")));
}

function addMigrate(program: Command): void {
  program
    .command("migrate")
    .description("move a stopped machine to another hypervisor; the original is not changed")
    .argument(
      "<source>",
      "a vm.cfg or its folder, here or on another machine; a .tgz, a .ova, or the folder with its parts",
    )
    .addOption(new Option("--to <format>", "what to write").choices(migrationFormats).makeOptionMandatory())
    .option("--out <folder>", "output folder", ".")
    .option("--plan", "show how the machine and its guest would change; write nothing")
    .option(
      "--map <disk=path>",
      "a LUN or shared disk, and where it is at the target, or `copy`",
      collected,
      [],
    )
    .option("--network <bridge=name>", "a bridge, and its name at the target", collected, [])
    .option("--convert", "fail if the guest cannot be converted (default: convert it if that is possible)")
    .option("--no-convert", "do not convert the guest")
    .addOption(
      new Option("--ovmd <choice>", "Oracle VM's first-boot configuration (default: keep)").choices(
        ovmdChoices,
      ),
    )
    .addOption(
      new Option(
        "--devices <kind>",
        "disks and network cards (default: what the guest has drivers for)",
      ).choices(deviceKinds),
    )
    .option("--stopped", "the machine is stopped on all servers of its pool")
    .option("--disks-in <folder>", "another folder to look for its disks in", collected, [])
    .option(...treatAs)
    .option("--max-size <size>", "limit of an archive's unpacked size: 500M, 200G", "200G")
    .option(...via)
    .option(...sshConfig)
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Examples:
  tbuild migrate /OVS/Repositories/R/VirtualMachines/ID/vm.cfg --to libvirt --plan
  tbuild migrate root@ovs1:/OVS/Repositories/R/VirtualMachines/ID --to olvm-ova --stopped
  tbuild migrate ol6-grid.tgz --to proxmox --out /srv/moved

Exits 1 if disks were left out or the guest does not boot there, 6 if that is
unknown.`,
    )
    .action(lazily(() => import("./commands/migrate.ts")));
}

function addWhois(program: Command): void {
  program
    .command("whois")
    .description("find the version that a disk came from, even after it was used")
    .argument("<image>", "a disk: raw, qcow2, vmdk, vdi")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExample:\n  tbuild whois /OVS/Repositories/0004fb/VirtualDisks/0004fb.img\n\nExits 1 if no version matches.",
    )
    .action(lazily(() => import("./commands/whois.ts")));
}

function addTwins(program: Command): void {
  program
    .command("twins")
    .description("find identities that clones share: boot and compare two clones, or compare two disks")
    .argument("<image>", "a sealed image: two clones of it are booted and configured; or the disk of a clone")
    .argument("[other]", "the disk of another clone; both were configured by their first boot")
    .option("--recipe <name>", "boot clones with this recipe's machine, nics and trial messages")
    .option("--via <way>", `access method for two disks: ${waysIn.join(", ")}`)
    .option(...sshConfig)
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  tbuild twins System.img --recipe ol6-grid\n  tbuild twins clone1.img clone2.img\n\nExits 1 if it finds any. The image is not changed.",
    )
    .action(lazily(() => import("./commands/twins.ts")));
}

function addRepair(program: Command): void {
  imageCommand(program, "repair", "arm the first boot of unarmed templates; changes as little as possible")
    .argument("<image...>", "disk images of stopped machines or templates")
    .option(...relabel)
    .addHelpText("after", `\nExample:\n  tbuild repair --plan System.img${elsewhere}`)
    .action(lazilyInGuests(() => import("./commands/repair.ts")));
}

function addSeal(program: Command): void {
  imageCommand(
    program,
    "seal",
    "remove every identity from the guests in disk images, and arm their first boot",
  )
    .argument("[image...]", "disk images of stopped machines or templates")
    .option("--check", "show what is pending, change nothing; exits 1 if anything is")
    .option("--residue", "with --check: search free blocks and unused space, too")
    .option("--scrub", "overwrite removed data with zeros, also in free blocks and unused space")
    .option("--no-search", "do not search all files for unknown names, IDs and secrets")
    .option("--list", "list the operations, and the agents that tbuild knows")
    .addOption(listOption("--skip <operations>", "skip these operations"))
    .option(
      "--allow-unmounted",
      "exit 0 (not 6) if a volume could not be inspected; leave out volumes for which a program is missing here",
    )
    .addOption(formerName("--although-unmounted", "allowUnmounted"))
    .addOption(listOption("--only <operations>", "run only these operations"))
    .addOption(listOption("--keep <paths>", "keep these guest paths unchanged", { separator: betweenPaths }))
    .option(...relabel)
    .option("--recipe <name>", "apply this recipe's skip and keep lists, and its clone detection")
    .addOption(
      new Option(
        "--detect <choice>",
        "how a clone is detected: by the guest additions' flag (default), or by its MAC addresses (for guests without additions)",
      ).choices(cloneDetectors),
    )
    .addHelpText(
      "after",
      `\nExample:\n  tbuild seal --check System.img\n  tbuild seal --keep /root/.ssh/authorized_keys System.img\n  tbuild seal --skip logs,hostname System.img\n  tbuild seal System.img --detect mac${elsewhere}`,
    )
    .action(lazilyInGuests(() => import("./commands/seal.ts")));
}

function addResize(program: Command): void {
  program
    .command("resize")
    .description("make a disk larger, with its last partition and the file system or logical volume in it")
    .argument("<image>", "the disk image of a stopped machine, raw or qcow2")
    .requiredOption("--size <size>", "the new size of the disk: 500M, 20G, 1T")
    .option("--volume <name>", "the logical volume that takes the new space, such as vg/root")
    .option("--plan", "show what would grow, and the byte ranges that would change; change nothing")
    .option("--yes", "do not ask")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Grows ext and XFS; XFS and LVM need Debian's user-mode-linux package.
Never makes a disk smaller.

Examples:
  tbuild resize System.img --size 20G --plan
  tbuild resize System.img --size 20G --volume vg/root`,
    )
    .action(lazilyInGuests(() => import("./commands/resize.ts")));
}

function addDiscard(program: Command): void {
  program
    .command("discard")
    .description("free the disk space of an image's free blocks; the image stays bootable")
    .argument("<image...>", "disk images of stopped machines, raw or qcow2")
    .option("--plan", "show how much each volume would free; change nothing")
    .option("--yes", "do not ask")
    .option("--drop-undo", "delete the undo records of the image first; they would be useless")
    .option("--json", "print one JSON object per image")
    .addHelpText(
      "after",
      `
A raw image gets holes, a qcow2 image frees clusters. Files do not change. This
cannot be undone. Knows the free blocks of ext, XFS, btrfs and FAT. To overwrite
removed data first, use tbuild seal --scrub.

Example:
  tbuild discard System.img --plan`,
    )
    .action(lazilyInGuests(() => import("./commands/discard.ts")));
}

function addUndo(program: Command): void {
  program
    .command("undo")
    .description("undo the last change of disk images (repair, seal, convert, resize …), byte for byte")
    .argument("<image...>", "disk images that were changed")
    .option("--all", "undo all changes, back to the first")
    .option("--list", "list what can be undone")
    .option(...sshConfig)
    .option("--json", "print one JSON object per image")
    .addHelpText("after", `\nExample:\n  tbuild undo System.img${elsewhere}`)
    .action(lazilyInGuests(() => import("./commands/undo.ts")));
}

function forOption(): Option {
  return new Option("--for <target>", "check whether the guest runs there").choices(fitnessTargets);
}

function imageCommand(program: Command, name: string, description: string): Command {
  return withChangeOptions(program.command(name).description(description), treatAs);
}
