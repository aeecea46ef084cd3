import type { Runner } from "../../host/host.ts";
import { type ModuleParts, moduleYaml, readParts, type Target, targets } from "../module.ts";
import { shellReader } from "../shell/read.ts";
import { isOracles, shippedModules } from "../shipped.ts";
import type { ModuleFinding } from "./finding.ts";
import { interpreterFindings } from "./interpreters.ts";
import { releaseFindings } from "./on-release.ts";
import { packageFindings, type RecipePackages } from "./packages.ts";
import { payloadFindings } from "./payload.ts";
import { type ForRelease, programFindings } from "./program.ts";
import { scriptFindings } from "./scripts.ts";
import { serviceFindings } from "./services.ts";
import type { Unchecked } from "./syntax.ts";
import { checkText } from "./text.ts";
import { expectationFindings } from "./variables.ts";

export { findingLine, type ModuleFinding } from "./finding.ts";
export type { RecipePackages } from "./packages.ts";
export type { ForRelease } from "./program.ts";

/** The result of a check of modules. */
export interface ModuleReport {
  readonly name: string;
  readonly folder: string;
  readonly description: string;
  readonly priorities: Readonly<Partial<Record<Target, number>>>;
  readonly keys: readonly string[];
  /** Releases whose Python reads the module's program. */
  readonly runsOn: readonly string[];
  /** Scripts of its payload whose syntax was not checked, and why. */
  readonly unchecked: readonly Unchecked[];
}

/**
 * Finds errors in first-boot modules without running anything: in their files, header, program and payload,
 * and conflicts with each other and with Oracle's modules. Sorted by file and line. Throws `usage` for a
 * folder without a module. The program must work on each of `releases` or, without `strict`, on one. If a
 * recipe is given, the modules' requirements are compared with its `packages`. `host` lets its bash, ksh
 * and perl read the scripts.
 */
export async function checkModules(
  folders: readonly string[],
  releases: readonly ForRelease[],
  strict = true,
  packages?: RecipePackages,
  host?: Runner,
): Promise<{ reports: readonly ModuleReport[]; findings: readonly ModuleFinding[] }> {
  const reports: ModuleReport[] = [];
  const findings: ModuleFinding[] = [];
  const modules: { parts: ModuleParts; keys: readonly string[] }[] = [];
  const read = await shellReader();
  for (const folder of folders) {
    const parts = await readParts(folder);
    const text = checkText(parts.file, parts.script);
    const program = text.isReadable
      ? await programFindings(parts, releases, strict, read)
      : { findings: [], keys: [], runsOn: [] };
    const header = text.hasLines ? headerFindings(parts) : [];
    findings.push(...text.findings, ...header, ...program.findings, ...payloadFindings(parts, read));
    if (packages) findings.push(...packageFindings(parts, packages));
    const asked = strict ? releases : releases.filter(({ name }) => program.runsOn.includes(name));
    const forScripts = asked.length > 0 ? asked : releases;
    const scripts = await scriptFindings(parts, forScripts, strict, read, host);
    findings.push(
      ...serviceFindings(parts.payload),
      ...expectationFindings(parts, read),
      ...releaseFindings(parts, forScripts, strict, read),
    );
    findings.push(...scripts.findings, ...interpreterFindings(parts, forScripts, strict, packages));
    for (const { from, what } of parts.oddPayload)
      findings.push({
        level: "error",
        file: from,
        line: 1,
        text: what,
        remedy: "A payload has files and folders only; let the module's program create links when it runs",
      });
    modules.push({ parts, keys: program.keys });
    const { description, priorities } = parts.header;
    const { keys, runsOn } = program;
    reports.push({
      name: parts.name,
      folder,
      description,
      priorities,
      keys,
      runsOn,
      unchecked: scripts.unchecked,
    });
  }
  findings.push(...betweenModules(modules));
  const once = new Map(findings.map((one) => [`${one.file}:${one.line} ${one.text}`, one]));
  findings.splice(0, findings.length, ...once.values());
  findings.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
  return { reports, findings };
}

function headerFindings({ file, header, name, script }: ModuleParts): ModuleFinding[] {
  const found: ModuleFinding[] = header.problems.map(({ line, text }) => ({
    level: "error",
    file,
    line,
    text: file.endsWith(moduleYaml) ? text : `header: ${text}`,
    remedy: file.endsWith(moduleYaml)
      ? "docs/module.md lists the keys of module.yaml"
      : "docs/modules.md shows the header of a module",
  }));
  for (const { line, value } of deadlines(script))
    if (!/^[1-9]\d{0,4}$/.test(value) || Number(value) > 86_400)
      found.push({
        level: "error",
        file,
        line,
        text: `tbuild-timeout: "${value}" is not a number of seconds from 1 to 86400`,
        remedy: "Write for example: # tbuild-timeout: 7200",
      });
  if (isOracles(name))
    found.push({
      level: "error",
      file,
      line: header.nameLine,
      text: `${name} is the name of one of Oracle's modules, which it would replace`,
      remedy: "Choose another name, and rename the folder and the script with it",
    });
  for (const target of targets) {
    const own = header.priorities[target];
    const same = Object.entries(shippedModules).find(
      ([, { priorities }]) => own !== undefined && priorities[target] === own,
    );
    if (same && !isOracles(name))
      found.push({
        level: "warning",
        file,
        line: header.lines[target] ?? 1,
        text: `${target}: ${own} is also the priority of Oracle's module ${same[0]}; their names decide which runs first`,
        remedy: "Choose a priority before or after it",
      });
  }
  return found;
}

function deadlines(script: Uint8Array): { readonly line: number; readonly value: string }[] {
  const lines = Buffer.from(script).toString("latin1").split(/\r?\n/);
  return lines.flatMap((text, index) => {
    const value = /^#\s*tbuild-timeout:\s*(.*?)\s*$/.exec(text)?.[1];
    return value === undefined ? [] : [{ line: index + 1, value }];
  });
}

function betweenModules(
  modules: readonly { parts: ModuleParts; keys: readonly string[] }[],
): ModuleFinding[] {
  const found: ModuleFinding[] = [];
  const [keys, names, paths] = [
    new Map<string, string>(),
    new Map<string, string>(),
    new Map<string, string>(),
  ];
  const claim = (
    map: Map<string, string>,
    what: string,
    { file, name }: ModuleParts,
    text: string,
    from = file,
  ) => {
    const other = map.get(what);
    if (other === undefined) map.set(what, name);
    else if (other !== name || map === names)
      found.push({
        level: "error",
        file: from,
        line: 1,
        text: `${text} ${what}, as the module ${other} does`,
        remedy: "Change one of them",
      });
  };
  const places = new Map<string, string>();
  for (const { parts, keys: own } of modules) {
    for (const target of targets) {
      const place = `${target}: ${parts.header.priorities[target]}`;
      const other = places.get(place);
      if (parts.header.priorities[target] === undefined) continue;
      places.set(place, other ?? parts.name);
      if (other !== undefined && other !== parts.name)
        found.push({
          level: "warning",
          file: parts.file,
          line: parts.header.lines[target] ?? 1,
          text: `${place} is also the priority of the module ${other}; which runs first depends on their names`,
          remedy: "Choose a priority before or after it",
        });
    }
    claim(names, parts.name, parts, "is named");
    for (const key of own) claim(keys, key, parts, "enumerates the key");
    for (const { path, from } of parts.payload) claim(paths, path, parts, "brings", from);
  }
  return found;
}
