import type { ModuleFile, Target } from "../module.ts";
import { shippedModules } from "../shipped.ts";
import type { ModuleFinding } from "./finding.ts";

/** A command that runs at a target, as words; `undefined` is a word that is made at run time. */
export interface Command {
  readonly words: readonly (string | undefined)[];
  readonly file: string;
  readonly line: number;
}

const networkPrograms =
  /^(?:curl|wget|yum|dnf|ssh|scp|sftp|rsync|ping|nslookup|dig|host|ntpdate|subscription-manager|rhnreg_ks|showmount)$/;

/**
 * What a command needs that is not up at its target. Configuration runs before network file systems are mounted and before
 * the services of the runlevel start; the network is there once the module `network` has run.
 */
export function earlyFindings(
  { words, file, line }: Command,
  target: Target,
  priority: number | undefined,
): ModuleFinding[] {
  if (target !== "configure" && target !== "reconfigure") return [];
  const [program = "", ...rest] = words;
  const name = program.slice(program.lastIndexOf("/") + 1);
  const found: ModuleFinding[] = [];
  const network = shippedModules.network?.priorities.configure ?? 50;
  if (name === "mount" && isNfs(rest))
    found.push({
      level: "error",
      file,
      line,
      text: `mounts NFS at ${target}, and NFS is not up then`,
      remedy: "Do it after the boot: write a unit or an init script at configure, and let that do the work",
    });
  if (networkPrograms.test(name) && priority !== undefined && priority <= network)
    found.push({
      level: "error",
      file,
      line,
      text: `runs ${name} at ${target}: ${priority}, and the module network brings the network up at ${network}`,
      remedy: `Give ${target} a priority from ${network + 1} to 89`,
    });
  return found;
}

function isNfs(words: readonly (string | undefined)[]): boolean {
  const all = words.map((word) => word ?? "");
  const type = all.findIndex((word) => word === "-t" || word === "--types");
  if (type >= 0 && /^nfs/.test(all[type + 1] ?? "")) return true;
  if (all.some((word) => /^-t\s*nfs/.test(word))) return true;
  return all.some((word) => /^[\w.-]+:\/\S*$/.test(word) && !word.startsWith("-"));
}

const shells = /^(?:ba|k|da|z|)sh$/;

/** The payload file that a command starts, directly or through an interpreter. */
export function startedFile(
  words: readonly (string | undefined)[],
  payload: readonly ModuleFile[],
): { file: ModuleFile; direct: boolean } | undefined {
  const [program, ...rest] = words;
  const direct = payload.find(({ path }) => path === program);
  if (direct) return { file: direct, direct: true };
  const name = program?.slice(program.lastIndexOf("/") + 1) ?? "";
  if (!shells.test(name) && !/^(?:python[\d.]*|perl|env)$/.test(name)) return undefined;
  const script = rest.find((word) => word !== undefined && !word.startsWith("-"));
  const file = payload.find(({ path }) => path === script);
  return file && { file, direct: false };
}

/** The commands that a shell script gives at the start of a line or behind `;`, `&&`, `||`, `|`, `then`, `do`. No variables. */
export function shellCommands(file: ModuleFile): Command[] {
  const text = Buffer.from(file.data).toString("utf8");
  if (!/^#!\s*\S*\/(?:env\s+)?(?:ba|k|da|z)?sh\b/.test(text)) return [];
  const found: Command[] = [];
  let ending: string | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    if (ending !== undefined) {
      if (line.trim() === ending) ending = undefined;
      continue;
    }
    ending = /<<-?\s*['"\\]?(\w+)/.exec(line)?.[1];
    const code = line.replace(/(^|\s)#.*$/, "");
    for (const piece of code.split(/;|&&|\|\||\||\b(?:then|do|else)\b|[({]\s/)) {
      const words = piece
        .trim()
        .replace(/^(?:if|while|until|!|exec|nohup|sudo|time)\s+/, "")
        .split(/\s+/)
        .map((word) => word.replaceAll(/["']/g, ""));
      if (words[0]) found.push({ words, file: file.from, line: index + 1 });
    }
  }
  return found;
}

const builtins = new Set(
  ": . [ [[ alias cd declare echo export local printf read readonly return set shift source test true typeset unset".split(
    " ",
  ),
);

/** Commands of a shell script that get a secret of its environment as an argument, where every process list shows it. */
export function secretFindings(file: ModuleFile, variables: readonly string[]): ModuleFinding[] {
  if (variables.length === 0) return [];
  const data = Buffer.from(withoutQuotedCode(Buffer.from(file.data).toString("utf8")));
  return shellCommands({ ...file, data }).flatMap(({ words, line }) => {
    // Before a command there may be the label of a case, and variables for it alone.
    const command = words.slice(words.findIndex((word) => !/^\w+=|^[^(]*\)$/.test(word ?? "")));
    const [name = ""] = command;
    if (builtins.has(name)) return [];
    const args = command.filter((_, index) => index > 0 && !/^<<?<?$/.test(command[index - 1] ?? ""));
    const leaked = variables.find((variable) =>
      args.some((word = "") =>
        new RegExp(`\\$(?:\\{${variable}(?:_\\d+)?\\W|${variable}(?!\\w))`).test(word),
      ),
    );
    if (leaked === undefined) return [];
    return [
      {
        level: "error",
        file: file.from,
        line,
        text: `puts $${leaked} on the command line of ${name}, where every process list shows it`,
        remedy: `Hand it over by standard input, such as printf '%s' "$${leaked}" | ${name}`,
      },
    ];
  });
}

// Code in quoted text is not code. Lines keep their numbers.
function withoutQuotedCode(text: string): string {
  return text.replaceAll(/"(?:[^"\\]|\\.)*"|'[^']*'/gs, (quoted) => {
    const [first = "", ...more] = quoted.split("\n");
    const plain = first
      .replaceAll(/[\s;|&()<>#]|\{(?=\s)/g, "\u0001")
      .replaceAll(/\b(?:then|do|else)\b/g, "\u0001");
    return [plain, ...more.map(() => "")].join("\n");
  });
}
