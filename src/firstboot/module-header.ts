import { type Target, targets } from "./targets.ts";

export interface Problem {
  readonly line: number;
  readonly text: string;
}

/** A module's header, and its faults. */
export interface ModuleHeader {
  readonly name: string | undefined;
  readonly nameLine: number;
  readonly description: string;
  readonly priorities: Readonly<Partial<Record<Target, number>>>;
  /** The line of each target. */
  readonly lines: Readonly<Partial<Record<Target, number>>>;
  /** Targets whose priority is not a number. */
  readonly faulty: readonly Target[];
  /** True if its start and its end were found. */
  readonly isComplete: boolean;
  readonly problems: Problem[];
}

/** The lines between BEGIN and END PLUGIN INFO. */
export function parseHeader(script: string): ModuleHeader {
  const lines = script.split("\n");
  const problems: Problem[] = [];
  const priorities: Partial<Record<Target, number>> = {};
  const targetLines: Partial<Record<Target, number>> = {};
  const faulty: Target[] = [];
  let [name, nameLine, description]: [string | undefined, number, string] = [undefined, 1, ""];
  if (!/^#!.*python/.test(lines[0] ?? "")) problems.push({ line: 1, text: "the first line names no Python" });
  const begin = lines.findIndex((line) => /^### BEGIN PLUGIN INFO\s*$/.test(line));
  const end = lines.findIndex((line, index) => index > begin && /^### END PLUGIN INFO\s*$/.test(line));
  if (begin < 0) problems.push({ line: 1, text: 'no line "### BEGIN PLUGIN INFO"' });
  else if (end < 0) problems.push({ line: begin + 1, text: 'no line "### END PLUGIN INFO" follows' });
  const again = lines.findIndex((line, index) => index > end && /^### BEGIN PLUGIN INFO\s*$/.test(line));
  if (begin >= 0 && end > begin && again >= 0)
    problems.push({ line: again + 1, text: "a second ### BEGIN PLUGIN INFO; only the first counts" });
  let last = "";
  for (let index = begin + 1; begin >= 0 && index < end; index++) {
    const line = lines[index] ?? "";
    const [, key, value = ""] = /^#\s?([\w-]+):\s*(.*?)\s*$/.exec(line) ?? [];
    const isMore = key === undefined && last === "description" && /^#\s{2,}\S/.test(line);
    if (isMore) description += ` ${line.slice(1).trim()}`;
    else if (key === undefined) problems.push({ line: index + 1, text: `not "# key: value": "${line}"` });
    else if (key === "name") [name, nameLine] = [value, index + 1];
    else if (key === "description") description = value;
    else if (!isTarget(key)) {
      const meant = key.toLowerCase();
      if (isTarget(meant)) faulty.push(meant);
      problems.push({
        line: index + 1,
        text: `"${key}" is not a target; ${isTarget(meant) ? `did you mean ${meant}?` : `there are ${targets.join(", ")}`}`,
      });
    } else if (!/^\d{1,2}$/.test(value)) {
      faulty.push(key);
      problems.push({ line: index + 1, text: `${key}: "${value}" is not a number from 0 to 99` });
    } else if (key in priorities) problems.push({ line: index + 1, text: `${key}: given twice` });
    else [priorities[key], targetLines[key]] = [Number(value), index + 1];
    last = key ?? last;
  }
  if (begin >= 0 && end > begin) {
    if (name === undefined) problems.push({ line: begin + 1, text: "no name" });
    else if (!/^[a-z][\w-]*$/i.test(name))
      problems.push({ line: nameLine, text: `"${name}" is not a name of a module` });
    if (description === "") problems.push({ line: begin + 1, text: "no description" });
    if (Object.keys(priorities).length + faulty.length === 0)
      problems.push({ line: begin + 1, text: "no target: it would never run" });
  }
  const isComplete = begin >= 0 && end > begin;
  return { name, nameLine, description, priorities, lines: targetLines, faulty, isComplete, problems };
}

function isTarget(word: string): word is Target {
  return (targets as readonly string[]).includes(word);
}
