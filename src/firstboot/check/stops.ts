import type { Target } from "../module.ts";
import type { Command } from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";

/** Commands that stop the configuration: they restart the machine, follow a file for ever, or ask a person. */
export function stopFindings(command: Command, target: Target): ModuleFinding[] {
  const { words, file, line, isBackground } = command;
  if (isBackground || (target !== "configure" && target !== "reconfigure")) return [];
  const [program = "", ...rest] = words.map((word) => word ?? "");
  // A program of the module's own may have any name.
  if (program.includes("/") && !/^\/(?:usr\/)?s?bin\//.test(program)) return [];
  const name = program.replace(/^.*\//, "");
  const error = (text: string, remedy: string): ModuleFinding[] => [
    { level: "error", file, line, text, remedy },
  ];
  if (restarts(name, rest))
    return error(
      `runs ${name} at ${target}: the configuration does not end, and begins again at the next boot`,
      "Leave it out; what needs a restart can be done before the network starts, or after the boot",
    );
  if (command.hasLimit) return [];
  if (
    name === "tail" &&
    rest.some((word) => /^-\w*[fF]|^--follow/.test(word)) &&
    !rest.some((word) => /^--pid/.test(word))
  )
    return [
      {
        level: "warning",
        file,
        line,
        text: "never ends: tail follows a file",
        remedy: "Give it a limit, by timeout",
      },
    ];
  if (command.isFed || !asks(name, rest)) return [];
  return error(
    `asks at ${target}: ${[name, ...rest].join(" ").trim()}, but no one can answer`,
    remedyOf(name),
  );
}

function restarts(name: string, rest: readonly string[]): boolean {
  if (/^(?:reboot|poweroff|halt)$/.test(name)) return true;
  if (name === "shutdown") return rest.some((word) => word === "now" || word === "+0");
  if (/^(?:init|telinit)$/.test(name)) return /^[06]$/.test(rest[0] ?? "");
  return name === "systemctl" && rest.some((word) => /^(?:reboot|poweroff|halt|kexec)$/.test(word));
}

function asks(name: string, rest: readonly string[]): boolean {
  const verb = rest.find((word) => !word.startsWith("-"));
  if (/^(?:yum|dnf)$/.test(name))
    return (
      /^(?:group|local|re)?(?:install|update|upgrade|remove|erase|downgrade)$/.test(verb ?? "") &&
      !rest.some((word) => /^-\w*y|^--assume/.test(word))
    );
  if (/^(?:vi|vim|nano|emacs|visudo|vipw|vigr)$/.test(name))
    return !rest.some((word) => /^-[ces]/.test(word));
  if (name === "ssh-keygen") return !rest.some((word) => /^-\w*[ABeFHilLNpQRsyY]/.test(word));
  if (name === "read")
    return rest.some((word) => /^-\w*p/.test(word)) && !rest.some((word) => /^-\w*[ut]/.test(word));
  return name === "passwd" && !rest.some((word) => word.startsWith("-"));
}

function remedyOf(name: string): string {
  if (/^(?:yum|dnf)$/.test(name)) return "Add -y";
  if (name === "ssh-keygen") return "Add -N '' and -f FILE";
  if (name === "passwd") return "Use chpasswd, with user:password on its standard input";
  return name === "read" ? "Take the value from a parameter" : "Change the file by sed or by a program";
}
