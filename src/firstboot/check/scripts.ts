import type { Runner } from "../../host/host.ts";
import type { ModuleFile, ModuleParts } from "../module.ts";
import { variableOf } from "../module-yaml.ts";
import { compileFaults } from "../python/compile-faults.ts";
import { follow } from "../python/evaluate.ts";
import { incompatibleSyntax, type PythonVersion } from "../python/features.ts";
import { Endless } from "../python/frame.ts";
import { missingFromLibrary } from "../python/library.ts";
import { lineOf, withPython } from "../python/script.ts";
import { sourceText } from "../python/source.ts";
import { bashFault } from "../shell/bash-syntax.ts";
import type { ReadShell } from "../shell/read.ts";
import { secretFindings } from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";
import { leakOf, startOf } from "./leaks.ts";
import { firstLine, isForBash } from "./payload.ts";
import type { ForRelease } from "./program.ts";

/** The faults of a payload's scripts: their syntax by release, and secrets on their command lines. */
export async function scriptFindings(
  { payload, yaml }: ModuleParts,
  releases: readonly ForRelease[],
  strict: boolean,
  read: ReadShell,
  host: Runner | undefined,
): Promise<ModuleFinding[]> {
  const secrets = (yaml?.parameters ?? [])
    .filter(({ password }) => password)
    .map(({ name }) => variableOf(name));
  const interpreted = [yaml?.run, yaml?.afterBoot].flatMap((one) =>
    one?.interpreter === "python" ? [one.program] : [],
  );
  const found: ModuleFinding[] = [];
  for (const file of payload) {
    found.push(...secretFindings(file, payload, secrets, read));
    if (host && isForBash(file)) found.push(...(await bashFindings(file, read, host)));
    const python = interpreted.includes(file.path) ? "own" : pythonOf(firstLine(file));
    if (python !== undefined) found.push(...(await pythonFindings(file, python, releases, strict, secrets)));
    if (/^#!.*\bperl\b/.test(firstLine(file))) found.push(...perlFindings(file, secrets));
  }
  return found;
}

// The parser here does not know all of bash, so that bash itself has the last word.
async function bashFindings(file: ModuleFile, read: ReadShell, host: Runner): Promise<ModuleFinding[]> {
  if (!read(Buffer.from(file.data).toString("utf8")).hasError || file.data.includes(13)) return [];
  const fault = await bashFault(host, file.data);
  if (!fault) return [];
  const { line, text } = fault;
  const remedy = "Run: bash -n on the file";
  return [{ level: "error", file: file.from, line, text: `bash refuses it: ${text}`, remedy }];
}

type Interpreter = "own" | "python" | "python2" | "python3";

function pythonOf(line: string): Interpreter | undefined {
  const [, version] = /^#!\s*(?:\/usr)?\/bin\/(?:env\s+)?python(2|3)?(?:\s|$)/.exec(line) ?? [];
  if (version !== undefined) return version === "2" ? "python2" : "python3";
  return /^#!\s*(?:\/usr)?\/bin\/(?:env\s+)?python(?:\s|$)/.test(line) ? "python" : undefined;
}

// Which Python runs a script; `undefined` if a release has none of that name. The python3 of OL7 is 3.6.
function versionOf(interpreter: Interpreter, { python }: ForRelease): PythonVersion | undefined {
  const [major, minor] = python;
  if (interpreter === "own") return python;
  if (interpreter === "python3") return major === 3 ? python : minor === 7 ? [3, 6] : undefined;
  return major === 2 ? python : undefined;
}

async function pythonFindings(
  file: ModuleFile,
  interpreter: Interpreter,
  releases: readonly ForRelease[],
  strict: boolean,
  secrets: readonly string[],
): Promise<ModuleFinding[]> {
  return withPython(sourceText(file.data), (script) => {
    const found = new Map<string, ModuleFinding>();
    const add = (line: number, text: string, remedy: string) =>
      found.set(`${line} ${text}`, { level: "error", file: file.from, line, text, remedy });
    const faults = releases.map((release): (() => void)[] => {
      const version = versionOf(interpreter, release);
      const of = `${release.name} (Python ${release.python.join(".")})`;
      if (version === undefined)
        return [
          () => add(1, `${release.name} has no program ${interpreter}`, "Name the Python of the release"),
        ];
      return [
        ...incompatibleSyntax(script, version),
        ...compileFaults(script, version),
        ...missingFromLibrary(script, version),
      ]
        .filter(({ text }) => !text.startsWith("the first line names"))
        .map(
          ({ line, text }) =>
            () =>
              add(line, `${text}; fails on ${of}`, "Write it for the Python of the release"),
        );
    });
    if (strict || faults.every((of) => of.length > 0)) for (const tell of faults.flat()) tell();
    if (secrets.length > 0 && !script.root.hasError) {
      const known = new Set(secrets);
      for (const { call, key } of leaks(() => follow(script).calls, known))
        add(
          lineOf(call.node),
          `puts ${key} on a command line, where every process list shows it`,
          "Hand it over by the environment or by standard input",
        );
    }
    return [...found.values()];
  });
}

function leaks(calls: () => ReturnType<typeof follow>["calls"], secrets: ReadonlySet<string>) {
  try {
    return calls().flatMap((call) => {
      const start = startOf(call);
      const leaked = start && leakOf(start, secrets);
      return leaked ? [{ call, key: leaked.key }] : [];
    });
  } catch (error) {
    // A program that waits for ever is not one that enumerates.
    if (error instanceof Endless) return [];
    throw error;
  }
}

function perlFindings(file: ModuleFile, secrets: readonly string[]): ModuleFinding[] {
  return Buffer.from(file.data)
    .toString("utf8")
    .split("\n")
    .flatMap((text, index): ModuleFinding[] => {
      const [, program, name = ""] =
        /(?:\b(system|exec|qx|open|readpipe)\b|`)[^#]*\$ENV\{['"]?(\w+)['"]?\}/.exec(text) ?? [];
      if (!secrets.includes(name)) return [];
      return [
        {
          level: "error",
          file: file.from,
          line: index + 1,
          text: `puts ${name} on the command line that ${program ?? "the backquotes"} start${program ? "s" : ""}, where every process list shows it`,
          remedy: "Hand it over by the environment or by standard input",
        },
      ];
    });
}
