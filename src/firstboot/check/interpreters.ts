import { suggestion } from "../../recipe/suggestion.ts";
import type { ModuleFile, ModuleParts } from "../module.ts";
import { firstLine } from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";
import type { RecipePackages } from "./packages.ts";
import type { ForRelease } from "./program.ts";
import { isSystemProgram } from "./system-files.ts";

/**
 * Errors in the first lines of a payload's scripts: interpreters that a guest does not have, or has elsewhere. Without `strict`,
 * one release that has it is enough.
 */
export function interpreterFindings(
  { payload, yaml }: ModuleParts,
  releases: readonly ForRelease[],
  strict: boolean,
  packages: RecipePackages | undefined,
): ModuleFinding[] {
  const brought = new Set([...(yaml?.packages ?? []), ...(packages?.installed ?? [])]);
  return payload.flatMap((file): ModuleFinding[] => {
    const named = interpreterOf(file);
    if (named === undefined) return [];
    const found =
      formFault(named) ??
      placeFault(named, releases, strict) ??
      absence(named, payload, brought) ??
      otherInYaml(file, named, yaml);
    return found ? [{ level: "error", ...found, file: file.from, line: 1 }] : [];
  });
}

type Fault = Pick<ModuleFinding, "text" | "remedy"> & Partial<Pick<ModuleFinding, "level">>;

interface Interpreter {
  /** As the first line has it. */
  readonly path: string;
  readonly words: string;
  /** The program that reads the script: behind `env`, its argument. */
  readonly name: string;
}

function interpreterOf(file: ModuleFile): Interpreter | undefined {
  const first = firstLine(file).replace(/^\xef\xbb\xbf/, "");
  if (!first.startsWith("#!")) return undefined;
  const [, path = "", words = ""] = /^#!\s*(\S+)\s*(.*)$/.exec(first) ?? [];
  const own = path.slice(path.lastIndexOf("/") + 1);
  const [, behind = ""] = /^(?:-\S+\s+|\w+=\S*\s+)*(\S*)/.exec(words) ?? [];
  return { path, words: words.trim(), name: own === "env" ? behind : own };
}

// What the kernel or env cannot start.
function formFault({ path, words, name }: Interpreter): Fault | undefined {
  if (path === "")
    return { text: "#! names no interpreter", remedy: "Use its absolute path, such as #!/bin/sh" };
  if (!path.startsWith("/"))
    return {
      text: `#!${path} is not an absolute path, and the kernel searches no folders`,
      remedy: "Use its absolute path, such as #!/bin/sh",
    };
  if (/^\/usr\/local\//.test(path))
    return {
      text: `#!${path} is not a program of the release: its packages bring nothing below /usr/local`,
      remedy: `Name that of the system, such as #!/bin/${path.slice(path.lastIndexOf("/") + 1)}`,
    };
  if (!path.endsWith("/env")) return undefined;
  if (name === "")
    return {
      text: `#!${path} names no program that it starts`,
      remedy: "Name the interpreter, such as #!/bin/bash",
    };
  if (!/\S\s+\S/.test(words) || words.startsWith("-S")) return undefined;
  return {
    text: `#!${path} gets "${words}" as one word, and takes all of it for a program's name`,
    remedy: `Name the interpreter itself, such as #!/bin/${words}`,
  };
}

const inBin = /^(?:sh|bash|dash|ed|sed)$/;
const inUsrBin = /^(?:perl|python[\d.]*|env|awk|gawk|ruby|tclsh|expect|php|make)$/;

// Up to OL6, /bin and /usr/bin are two folders.
function placeFault(
  { path }: Interpreter,
  releases: readonly ForRelease[],
  strict: boolean,
): Fault | undefined {
  const [, folder = "", name = ""] = /^((?:\/usr)?\/bin)\/([^/]+)$/.exec(path) ?? [];
  const right =
    folder === "/usr/bin" && inBin.test(name)
      ? "/bin"
      : folder === "/bin" && inUsrBin.test(name)
        ? "/usr/bin"
        : undefined;
  if (right === undefined || /^(?:env|g?awk)$/.test(name)) return undefined;
  const without = releases.filter(({ python: [major, minor] }) => major === 2 && minor < 7);
  if (without.length === 0 || (!strict && without.length < releases.length)) return undefined;
  return {
    text: `${without.map((one) => one.name).join(" and ")} has no ${path}: it is in ${right}`,
    remedy: `Write #!${right}/${name}, which newer releases have, too`,
  };
}

// Interpreters that no release installs by itself, with their packages.
const optional: Readonly<Record<string, string>> = {
  ruby: "ruby",
  node: "nodejs",
  php: "php-cli",
  tclsh: "tcl",
  expect: "expect",
  lua: "lua",
  zsh: "zsh",
  csh: "tcsh",
  tcsh: "tcsh",
  make: "make",
  pwsh: "powershell",
  Rscript: "R-core",
};
// A package of ksh must be in the recipe, too, but Oracle's installations usually have it.
const usual = ["bash", "sh", "ksh", "perl", "python", "python2", "python3", "awk", "sed", "env"];

function absence(
  { path, name }: Interpreter,
  payload: readonly ModuleFile[],
  brought: ReadonlySet<string>,
): Fault | undefined {
  if (/^python[\d.]*$/.test(name) || usual.includes(name) || isSystemProgram(name)) return undefined;
  if (payload.some((one) => one.path === path)) return undefined;
  const shown = path.endsWith("/env") ? `${path} ${name}` : path;
  const meant = suggestion(name, usual);
  if (optional[name] === undefined && meant.includes("did you mean"))
    return { text: `#!${shown} is not a program of the release${meant}`, remedy: "Correct its spelling" };
  const from = optional[name] ?? name;
  if (brought.has(from) || brought.has(name)) return undefined;
  return {
    level: "warning",
    text: `#!${shown} is not a program that every guest has`,
    remedy: `Name its package in packages of module.yaml, such as ${from}, or write the program for bash, Perl or Python`,
  };
}

const families: readonly RegExp[] = [/^(?:ba|k|da)?sh$/, /^perl$/, /^python/];

function otherInYaml(file: ModuleFile, { name }: Interpreter, yaml: ModuleParts["yaml"]): Fault | undefined {
  const run = [yaml?.run, yaml?.afterBoot].find((one) => one?.program === file.path);
  const asked = run?.interpreter;
  const family = families.find((one) => one.test(name));
  if (asked === undefined || family === undefined || family.test(asked)) return undefined;
  return {
    text: `its first line names ${name}, but module.yaml runs it by ${asked}`,
    remedy: "Make the two agree, or leave interpreter out of module.yaml",
  };
}
