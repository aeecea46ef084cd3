import type { Target } from "../module.ts";
import type { Command } from "./commands.ts";
import { endlessOf } from "./endless.ts";
import type { ModuleFinding } from "./finding.ts";
import { questionOf, readsInput } from "./questions.ts";

/**
 * Commands that stop the configuration: they restart the machine, never end, ask a person, or read standard input. `hasInput`:
 * the module's program has something there.
 */
export function stopFindings(command: Command, target: Target, hasInput: boolean): ModuleFinding[] {
  const { words, file, line, isBackground } = command;
  if (isBackground || (target !== "configure" && target !== "reconfigure")) return [];
  const [program = "", ...rest] = words.map((word) => word ?? "");
  // A program of the module's own may have any name.
  if (program.includes("/") && !systems.test(program)) return [];
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
  const why = isTail(name, rest) ? "follows a file" : command.isPiped ? undefined : endlessOf(name, rest);
  if (why !== undefined)
    return [
      {
        // A condition may be in front of it.
        level: "warning",
        file,
        line,
        text: `never ends: ${name} ${why}`,
        remedy: "Give it a limit, by timeout, or start a service of the payload",
      },
    ];
  if (command.isFed) return [];
  const said = [name, ...rest].join(" ").trim();
  const remedy = questionOf(asked(program, name), rest);
  if (remedy !== undefined) return error(`asks at ${target}: ${said}, but no one can answer`, remedy);
  if (hasInput || command.isInFunction || !readsInput(name, rest)) return [];
  return error(
    `reads standard input at ${target}, and nothing is there: ${said}`,
    "Name the file that it reads, or take the value from a parameter",
  );
}

// The init script of oracleasm asks what the program of the same name gets as options.
function asked(program: string, name: string): string {
  return /init\.d\/oracleasm$/.test(program) ? "oracleasm-init" : name;
}

function isTail(name: string, rest: readonly string[]): boolean {
  return (
    name === "tail" &&
    rest.some((word) => /^-\w*[fF]|^--follow/.test(word)) &&
    !rest.some((word) => /^--pid/.test(word))
  );
}

const systems =
  /^\/(?:usr\/)?s?bin\/|^\/etc\/(?:rc\.d\/)?init\.d\/oracleasm$|\/(?:runInstaller|dbca|netca|dbua|asmca)$/;

function restarts(name: string, rest: readonly string[]): boolean {
  if (/^(?:reboot|poweroff|halt)$/.test(name)) return true;
  if (name === "shutdown") return rest.some((word) => word === "now" || word === "+0");
  if (/^(?:init|telinit)$/.test(name)) return /^[06]$/.test(rest[0] ?? "");
  return name === "systemctl" && rest.some((word) => /^(?:reboot|poweroff|halt|kexec)$/.test(word));
}
