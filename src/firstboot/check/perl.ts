import type { ModuleFile } from "../module.ts";
import { firstLine } from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";
import { hiddenIf, onlyWhether } from "./leaks.ts";

/** Whether Perl runs a file. */
export function isPerl(file: ModuleFile): boolean {
  return /^#!.*\bperl\b/.test(firstLine(file));
}

/**
 * What a program in Perl does with secrets of its environment, and what it waits for if module.yaml runs it. Perl's grammar is
 * known to perl alone, so its lines are searched.
 */
export function perlFindings(
  file: ModuleFile,
  secrets: readonly string[],
  runs: { readonly hasInput: boolean } | undefined,
): ModuleFinding[] {
  const lines = codeOf(Buffer.from(file.data).toString("utf8"));
  const found: ModuleFinding[] = [];
  const add = (line: number, text: string, remedy: string, level: ModuleFinding["level"] = "error") =>
    found.push({ level, file: file.from, line, text, remedy });
  for (const [index, text] of lines.entries()) {
    const leaked = leakIn(text, secrets);
    if (leaked)
      add(
        index + 1,
        `puts ${leaked.name} on the command line that ${leaked.by}, where every process list shows it`,
        "Hand it over by the environment or by standard input",
      );
    if (!runs) continue;
    const shown = shownIn(text, secrets);
    if (shown !== undefined) add(index + 1, `shows ${shown}: ${hiddenIf}`, onlyWhether, "warning");
    if (!runs.hasInput && /<STDIN>/.test(text))
      add(
        index + 1,
        "reads standard input at configure, and nothing is there: <STDIN>",
        "Take the value from the environment, or write input: json in module.yaml",
      );
  }
  const loop = runs ? endlessLoop(lines) : undefined;
  if (loop !== undefined)
    add(loop, "never ends: nothing leaves the loop", "Make it end, or start it as a service of the payload");
  return found;
}

// Without whole lines of comment, documentation and data. The other lines keep their numbers.
function codeOf(text: string): string[] {
  let [isPod, isOver] = [false, false];
  return text.split("\n").map((line) => {
    if (/^__(?:END|DATA)__\s*$/.test(line)) isOver = true;
    if (/^=[a-z]/.test(line)) isPod = true;
    const isCode = !isPod && !isOver && !/^\s*#/.test(line);
    if (/^=cut\b/.test(line)) isPod = false;
    return isCode ? line : "";
  });
}

function leakIn(text: string, secrets: readonly string[]) {
  const [, program, name = ""] =
    /(?:\b(system|exec|qx|open|readpipe)\b|`)[^#]*\$ENV\{['"]?(\w+)['"]?\}/.exec(text) ?? [];
  return secrets.includes(name)
    ? { name, by: program ? `${program} starts` : "the backquotes start" }
    : undefined;
}

// A secret in a text that goes to standard output or standard error.
function shownIn(text: string, secrets: readonly string[]): string | undefined {
  const [, words = ""] =
    /\b(?:print|printf|say|warn|die)\b\s*\(?\s*(?:STDOUT|STDERR)?\s*((?:"[^"]*"|\$ENV\{|'[^']*').*)$/.exec(
      text,
    ) ?? [];
  const [said = ""] = words.split(/;|\b(?:if|unless)\b/);
  const plain = said.replaceAll(/\b(?:length|defined|exists|crypt)\s*\(?\s*\$ENV\{[^}]*\}/g, "");
  return [...plain.matchAll(/\$ENV\{['"]?(\w+)['"]?\}/g)]
    .map(([, name = ""]) => name)
    .find((name) => secrets.includes(name));
}

function endlessLoop(lines: readonly string[]): number | undefined {
  const text = lines.join("\n");
  if (/\bfork\b|daemon/i.test(text)) return undefined;
  for (const loop of text.matchAll(
    /\b(?:while\s*\(\s*1?\s*\)|until\s*\(\s*0\s*\)|for\s*\(\s*;\s*;\s*\))\s*\{/g,
  )) {
    const body = blockAt(text, loop.index + loop[0].length);
    if (!/\b(?:last|exit|return|die|exec|croak|confess|goto)\b/.test(body))
      return text.slice(0, loop.index).split("\n").length;
  }
  return undefined;
}

function blockAt(text: string, from: number): string {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    if (text[at] === "{") depth++;
    if (text[at] === "}" && --depth === 0) return text.slice(from, at);
  }
  return text.slice(from);
}
