import type { Command } from "commander";
import { releases, waysIn } from "../choices.ts";

export const sshConfig = [
  "--ssh-config <file>",
  "ssh configuration for remote images (default: ~/.ssh/config)",
] as const;

export const via = ["--via <way>", `access method (no other is tried): ${waysIn.join(", ")}`] as const;

export const treatAs = [
  "--as <release>",
  `treat an unknown guest as this release: ${releases[0]} to ${releases.at(-1)}`,
] as const;

/** Adds the options of every command that changes disk images, with those of this command in between. */
export function withChangeOptions(
  command: Command,
  ...more: readonly (readonly [string, string])[]
): Command {
  command
    .option("--plan", "show the files and byte ranges that would change; change nothing")
    .option("--yes", "do not ask")
    .option("--fsck", "check each whole file system with e2fsck, before and after the change");
  for (const [flags, description] of more) command.option(flags, description);
  return command
    .option(...via)
    .option(...sshConfig)
    .option("--json", "print one JSON object per image");
}
