import type { Command } from "commander";
import { sshConfig, via, withChangeOptions } from "./image-options.ts";
import { lazilyInGuests } from "./lazily.ts";

const volume = [
  "--volume <name>",
  "read this volume (a name from `inspect`) instead of a guest's file systems",
] as const;

/** Commands for the files inside an image. */
export function addGuestFileCommands(program: Command): void {
  reading("ls", "list files in an image: mode, owner, size, name")
    .argument("<image:path>", "a file or folder in the guest; an image alone means its root")
    .option("-R, --recursive", "list all folders below, too")
    .option("--json", "print one JSON line for each file")
    .addHelpText(
      "after",
      "\nExamples:\n  tbuild ls System.img:/etc/sysconfig\n  tbuild ls --recursive --json System.img:/boot",
    )
    .action(lazilyInGuests(() => import("./commands/ls.ts")));
  reading("cat", "print files of an image")
    .argument("<image:path...>", "files in guests; * and ? match within a name")
    .addHelpText(
      "after",
      "\nExamples:\n  tbuild cat System.img:/etc/oracle-release\n  tbuild cat root@ovs1:/OVS/x.img:/etc/fstab",
    )
    .action(lazilyInGuests(() => import("./commands/cat.ts")));
  changing("cp", "copy files and folders into an image, or out of it")
    .argument("<source...>", "the sources, then the target; one side is IMAGE:/PATH; `-` is standard input")
    .option("--owner <user:group>", "owner of files copied in: names of the guest, or numbers")
    .option("--mode <octal>", "mode of files copied in")
    .option(...volume)
    .addHelpText(
      "after",
      "\nExamples:\n  tbuild cp System.img:/var/log/messages .\n  tbuild cp --plan hosts System.img:/etc/hosts\n  tbuild cp --owner oracle:oinstall scripts System.img:/home/oracle\n\nA file that already exists in the guest keeps its owner, mode and SELinux label.",
    )
    .action(lazilyInGuests(() => import("./commands/cp.ts")));
  changing("edit", "edit a file of an image with $VISUAL or $EDITOR")
    .argument("<image:path>", "a file in the guest")
    .addHelpText("after", "\nExample:\n  tbuild edit System.img:/etc/fstab")
    .action(lazilyInGuests(() => import("./commands/edit.ts")));
  reading("tar-out", "write a folder of an image as a tar archive, with owners, modes and labels")
    .argument("<image:path>", "a folder in the guest")
    .argument("[archive]", "a .tar or .tar.gz file (default: standard output)")
    .addHelpText("after", "\nExample:\n  tbuild tar-out System.img:/etc etc.tar.gz")
    .action(lazilyInGuests(() => import("./commands/tar-out.ts")));
  changing("tar-in", "unpack a tar archive into an image, with its owners and modes")
    .argument("<archive>", "a .tar or .tar.gz file; `-` is standard input")
    .argument("<image:path>", "the folder in the guest")
    .addHelpText("after", "\nExample:\n  tbuild tar-in --plan files.tar.gz System.img:/")
    .action(lazilyInGuests(() => import("./commands/tar-in.ts")));
  program
    .command("sh")
    .description("run a shell or a program of the guest, on a copy of the image")
    .argument("<image>", "the image of a stopped machine")
    .argument(
      "[command...]",
      "one word: a script for the guest's /bin/sh; several: a program and its arguments",
    )
    .option("--plan", "show what the command changes; change nothing")
    .option("--yes", "do not ask")
    .option("--fsck", "check each whole file system with e2fsck, before and after the change")
    .option("--json", "print one JSON object; the command's output goes to standard error")
    .addHelpText(
      "after",
      `
Examples:
  tbuild sh System.img
  tbuild sh System.img -- rpm -qa
  tbuild sh --yes System.img 'rpm -e cups && systemctl disable ntpd'
  tbuild sh --plan System.img < script.sh

Without a command, tbuild starts a shell on the terminal, or reads a script
from standard input. Programs run in User-mode Linux, without a network and
without access to this machine's files. If a command fails, the image is not
changed.`,
    )
    .action(lazilyInGuests(() => import("./commands/sh.ts")));

  function reading(name: string, description: string): Command {
    return program
      .command(name)
      .description(description)
      .option(...volume)
      .option(...via)
      .option(...sshConfig);
  }

  function changing(name: string, description: string): Command {
    return withChangeOptions(program.command(name).description(description));
  }
}
