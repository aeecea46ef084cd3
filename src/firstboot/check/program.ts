import { mainOf } from "../enumerate.ts";
import { type ModuleParts, type Target, targets } from "../module.ts";
import { keyOf, type ModuleYaml } from "../module-yaml.ts";
import { compileFaults } from "../python/compile-faults.ts";
import { type Followed, follow } from "../python/evaluate.ts";
import { incompatibleSyntax, isBefore, type PythonVersion } from "../python/features.ts";
import { Endless } from "../python/frame.ts";
import { missingFromLibrary } from "../python/library.ts";
import { looseNames } from "../python/names.ts";
import { type PythonScript, withPython } from "../python/script.ts";
import { sourceText } from "../python/source.ts";
import type { ReadShell } from "../shell/read.ts";
import { actionFindings } from "./action.ts";
import type { Add, ModuleFinding } from "./finding.ts";
import { networkMounts } from "./fstab.ts";
import { type KeyFinding, keyFindings } from "./keys.ts";
import { checkMain } from "./main-call.ts";
import { checkTargetWords } from "./target-words.ts";

/** A release that a module is for, such as `ol6`, with its Python. */
export interface ForRelease {
  readonly name: string;
  readonly python: PythonVersion;
}

/** The known declarations of a module. */
export interface ProgramFacts {
  readonly findings: readonly ModuleFinding[];
  /** The keys of all targets. */
  readonly keys: readonly string[];
  /** The requested releases whose Python reads the program. */
  readonly runsOn: readonly string[];
}

/**
 * Errors in a module's program: its syntax by release, its targets, its parameters, and the commands that it
 * runs.
 */
export async function programFindings(
  module: ModuleParts,
  releases: readonly ForRelease[],
  strict: boolean,
  read: ReadShell,
): Promise<ProgramFacts> {
  const text = sourceText(module.script);
  return withPython(text, (script) => {
    const findings: ModuleFinding[] = [];
    const add = (level: ModuleFinding["level"], line: number, what: string, remedy: string) =>
      findings.push({ level, file: module.file, line: lineIn(module, line), text: what, remedy });
    const { readable, runsOn } = syntax(script, releases, strict, add);
    if (!readable) return { findings, keys: [], runsOn };
    for (const { name, line } of looseNames(script))
      add("error", line, `the name ${name} is not defined`, `Import or define it, or correct its spelling`);
    const keys = new Set<string>();
    try {
      const followed = follow(script);
      checkMain(script, followed, module, add);
      const { enumerator } = mainOf(followed);
      if (enumerator) checkTargetWords(enumerator, add);
      const place = {
        module,
        read,
        isSystemd: isSystemd(releases, strict, runsOn),
        hasInput: false,
        mounts: networkMounts(module.yaml ? new Uint8Array() : module.script, module.payload),
      };
      for (const target of targetsOf(followed)) {
        const { keys: more, findings: about } = keyFindings(followed, target, module.name);
        for (const key of more.keys()) keys.add(key);
        for (const one of about)
          if (module.yaml) findings.push(inYaml(module, one));
          else add(one.level, one.line, one.text, one.remedy);
        findings.push(
          ...actionFindings(
            followed,
            target,
            place,
            [...more.keys()],
            new Set([...more].flatMap(([key, { password }]) => (password ? [key] : []))),
          ),
        );
      }
    } catch (error) {
      if (!(error instanceof Endless)) throw error;
      add("error", error.line, "never ends: this line is reached again and again", "Make the loop end");
    }
    return { findings: unique(findings), keys: [...keys], runsOn };
  });
}

// A module.yaml has no lines of the program that is made from it.
function lineIn({ yaml, lineOf }: ModuleParts, line: number): number {
  return yaml ? (lineOf?.(["run"]) ?? 1) : line;
}

// What is said of a parameter is said where module.yaml has it, in its words.
function inYaml(module: ModuleParts, { key, level, line, text, remedy }: KeyFinding): ModuleFinding {
  const plain = key?.replace(/\.0$/, "");
  const index =
    module.yaml?.parameters.findIndex((one) =>
      [key, plain].includes(keyOf(module.yaml as ModuleYaml, one)),
    ) ?? -1;
  const place = index < 0 ? lineIn(module, line) : (module.lineOf?.(["parameters", index, "name"]) ?? 1);
  const said = remedy.replace('"password": True', "password: true");
  return { level, file: module.file, line: place, text, remedy: said };
}

/**
 * The releases whose Python reads the program, and the reasons of the others. Without `strict`, one that
 * reads it is enough.
 */
function syntax(
  script: PythonScript,
  releases: readonly ForRelease[],
  strict: boolean,
  add: Add,
): { readable: boolean; runsOn: string[] } {
  const byText = new Map<string, { line: number; text: string; names: string[] }>();
  const runsOn: string[] = [];
  let readable = true;
  for (const { name, python } of releases) {
    const refused = compileFaults(script, python);
    if (refused.length > 0) readable = false;
    const faults = [...incompatibleSyntax(script, python), ...refused, ...missingFromLibrary(script, python)];
    if (faults.length === 0) runsOn.push(name);
    for (const { line, text } of faults) {
      if (/^a syntax error$|is missing$/.test(text)) readable = false;
      const id = `${line} ${text}`;
      const known = byText.get(id) ?? { line, text, names: [] };
      known.names.push(`${name} (Python ${python.join(".")})`);
      byText.set(id, known);
    }
  }
  if (strict || runsOn.length === 0)
    for (const { line, text, names } of byText.values())
      add(
        "error",
        line,
        `${text}; fails on ${names.join(", ")}`,
        "Write it so that all of these versions can read it",
      );
  return { readable, runsOn };
}

function targetsOf(followed: Followed): Target[] {
  const named = [...(mainOf(followed).actions?.keys() ?? [])];
  return targets.filter((target) => named.includes(target));
}

// Unless the check is strict, a module must fit one release only, so systemd counts if every usable release has it.
function isSystemd(releases: readonly ForRelease[], strict: boolean, runsOn: readonly string[]): boolean {
  const has = ({ python }: ForRelease) => !isBefore(python, [2, 7]);
  const usable = releases.filter(({ name }) => runsOn.includes(name));
  return strict ? releases.some(has) : usable.length > 0 && usable.every(has);
}

function unique(findings: readonly ModuleFinding[]): ModuleFinding[] {
  return [...new Map(findings.map((one) => [`${one.file}:${one.line} ${one.text}`, one])).values()];
}
