import type { Runner } from "../../host/host.ts";
import type { ModuleFile, ModuleParts } from "../module.ts";
import { variableOf } from "../module-yaml.ts";
import { compileFaults } from "../python/compile-faults.ts";
import { follow } from "../python/evaluate.ts";
import { incompatibleSyntax, type PythonVersion } from "../python/features.ts";
import { Endless } from "../python/frame.ts";
import { missingFromLibrary } from "../python/library.ts";
import { lineOf, type PythonScript, withPython } from "../python/script.ts";
import { sourceText } from "../python/source.ts";
import type { ReadShell } from "../shell/read.ts";
import { asks } from "./action.ts";
import { firstLine, isShell, secretFindings } from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";
import { asService, endlessCall, hiddenIf, leakOf, onlyWhether, shownBy, startOf } from "./leaks.ts";
import { isPerl, perlFindings } from "./perl.ts";
import type { ForRelease } from "./program.ts";
import { interpreterFaults, type Unchecked } from "./syntax.ts";

/** The faults of a payload's scripts: their syntax by release, what they show of secrets, and what they wait for. */
export async function scriptFindings(
  { payload, yaml }: ModuleParts,
  releases: readonly ForRelease[],
  strict: boolean,
  read: ReadShell,
  host: Runner | undefined,
): Promise<{ readonly findings: readonly ModuleFinding[]; readonly unchecked: readonly Unchecked[] }> {
  const secrets = (yaml?.parameters ?? [])
    .filter(({ password }) => password)
    .map(({ name }) => variableOf(name));
  const interpreted = [yaml?.run, yaml?.afterBoot].flatMap((one) =>
    one?.interpreter === "python" ? [one.program] : [],
  );
  const found: ModuleFinding[] = [];
  const unchecked: Unchecked[] = [];
  for (const file of payload) {
    found.push(...secretFindings(file, payload, secrets, read));
    if (host) {
      const said = await interpreterFaults(file, read, host);
      found.push(...said.findings);
      unchecked.push(...said.unchecked);
    }
    const python = interpreted.includes(file.path) ? "own" : pythonOf(firstLine(file));
    const isRun = file.path === yaml?.run.program || file.path === yaml?.afterBoot?.program;
    const runs = isRun ? { hasInput: yaml?.run.input === "json" } : undefined;
    if (python !== undefined)
      found.push(...(await pythonFindings(file, python, releases, strict, secrets, runs)));
    if (isPerl(file)) found.push(...perlFindings(file, secrets, runs));
    else if (isRun && python === undefined && !isShell(file))
      unchecked.push({ file: file.from, why: "its first line names no language that is read here" });
  }
  return { findings: found, unchecked };
}

// `own` is the Python of ovm-template-config.
type Interpreter = "own" | "python" | `python${number}`;

function pythonOf(line: string): Interpreter | undefined {
  return /^#!\s*(?:\/usr)?\/bin\/(?:env\s+)?(python(?:\d(?:\.\d+)?)?)(?:\s|$)/.exec(line)?.[1] as
    | Interpreter
    | undefined;
}

// Which Python runs a script; `undefined` if a release has none of that name. The python3 of OL7 is 3.6.
function versionOf(interpreter: Interpreter, { python }: ForRelease): PythonVersion | undefined {
  const [major, minor] = python;
  if (interpreter === "own") return python;
  const [, asked = 2, askedMinor] = (/^python(\d)?(?:\.(\d+))?$/.exec(interpreter) ?? []).map((part) =>
    part === undefined ? undefined : Number(part),
  );
  const there: PythonVersion | undefined =
    asked === major ? python : asked === 3 && major === 2 && minor === 7 ? [3, 6] : undefined;
  return there && (askedMinor === undefined || askedMinor === there[1]) ? there : undefined;
}

async function pythonFindings(
  file: ModuleFile,
  interpreter: Interpreter,
  releases: readonly ForRelease[],
  strict: boolean,
  secrets: readonly string[],
  runs: Runs | undefined,
): Promise<ModuleFinding[]> {
  return withPython(sourceText(file.data), (script) => {
    const found = new Map<string, ModuleFinding>();
    const add = (line: number, text: string, remedy: string, level: ModuleFinding["level"] = "error") =>
      found.set(`${line} ${text}`, { level, file: file.from, line, text, remedy });
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
    if (!script.root.hasError) for (const one of runFaults(script, secrets, runs)) add(...one);
    return [...found.values()];
  });
}

/** How a script is run: `undefined` if nothing says so. `hasInput`: with something on standard input. */
interface Runs {
  readonly hasInput: boolean;
}

type Fault = [line: number, text: string, remedy: string, level?: ModuleFinding["level"]];

// What a program does when it runs. Only of one that module.yaml runs is it known that the configuration waits for it.
function runFaults(script: PythonScript, secrets: readonly string[], runs: Runs | undefined): Fault[] {
  const known = new Set(secrets);
  const found: Fault[] = [];
  try {
    for (const call of follow(script, true).calls) {
      const line = lineOf(call.node);
      const start = startOf(call);
      const leaked = start && known.size > 0 ? leakOf(start, known) : undefined;
      if (leaked)
        found.push([
          line,
          `puts ${leaked.key} on a command line, where every process list shows it`,
          "Hand it over by the environment or by standard input",
        ]);
      const shown = known.size > 0 ? shownBy(call, known) : undefined;
      if (shown !== undefined && runs)
        found.push([line, `shows ${shown}: ${hiddenIf}`, onlyWhether, "warning"]);
      if (runs && asks.test(call.name) && !(runs.hasInput && /stdin|input/.test(call.name)))
        found.push([
          line,
          `asks with ${call.name}, but no one can answer`,
          "Take the value from a parameter",
        ]);
      const endless = runs && endlessCall(call);
      if (endless) found.push([line, `never ends: ${endless} serves until it is killed`, asService]);
    }
  } catch (error) {
    if (!(error instanceof Endless)) throw error;
    if (runs && !/\bfork\b|daemon/i.test(script.root.text))
      found.push([error.line, "never ends: this line is reached again and again", asService]);
  }
  return found;
}
