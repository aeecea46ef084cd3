import { stringify } from "yaml";
import { majorOf, Recipe } from "../../recipe/recipe.ts";
import { partsOf } from "../check.ts";
import type { KickstartPart } from "../part.ts";
import { sections } from "../table.ts";
import { takeCommand } from "./commands.ts";
import { settle } from "./drop-refused.ts";
import { Findings, type LeftOut, type Standing } from "./findings.ts";
import { readLine } from "./read-line.ts";
import { takeSection } from "./sections.ts";
import { finishServices } from "./services.ts";
import { finishStorage } from "./storage-members.ts";

export { releaseOfKickstart } from "./release.ts";

/** A recipe made from a kickstart, and the parts that it does not contain. */
export interface ImportedKickstart {
  readonly recipe: Readonly<Record<string, unknown>>;
  /** By line; findings without a line come last. */
  readonly left: readonly LeftOut[];
  /**
   * Settings that are the same in every template, by line. With the recipe and `left`, they cover the whole
   * kickstart.
   */
  readonly same: readonly Standing[];
}

/**
 * Converts a kickstart to a recipe on the base recipe of its release. Every word of every line ends up in one
 * of three places: the recipe, the list of what is left out and why, or the list of settings that every
 * template has.
 */
export async function importKickstart(text: string, name: string, base: Recipe): Promise<ImportedKickstart> {
  const { release } = base;
  const found = new Findings(release);
  // Kickstarts for OL5 often end their sections with %end, which its installer reads as a line of the script.
  const reader = Math.max(6, majorOf(release));
  const parts = partsOf(withoutTemplates(text, found), reader, () => {});
  // The installer creates groups before accounts, whatever the order of the lines.
  for (const part of parts.filter(isGroup)) take(part, found);
  for (const part of parts.filter((one) => !isGroup(one))) take(part, found);
  finishStorage(found);
  finishServices(found);
  const recipe: Record<string, unknown> = {
    extends: `${release}-base`,
    name,
    version: "1.0.0",
    summary: `Imported from a kickstart for Oracle Linux ${majorOf(release)}`,
  };
  for (const [key, value] of Object.entries(found.values())) {
    const shape = Recipe.shape[key as keyof typeof Recipe.shape];
    if (shape.safeParse(value).success) recipe[key] = value;
    else found.leave({ line: 0, text: key }, "has a value that a recipe cannot express");
  }
  await settle(recipe, found, base);
  const last = (line: number) => (line === 0 ? Number.POSITIVE_INFINITY : line);
  const byLine = (a: Standing, b: Standing) => last(a.line) - last(b.line);
  return { recipe, left: found.left.sort(byLine), same: found.same.sort(byLine) };
}

/** The recipe as a file, with what was left out in comments. */
export function importedText({ recipe, left, same }: ImportedKickstart, from: string): string {
  const told = ({ line, text }: Standing) =>
    `# ${line === 0 ? "" : `line ${line}: `}${shortened(printable(text.trim()))}`;
  const lines = left.map((one) => `${told(one)}  (${shortened(printable(one.why))})`);
  return [
    "# yaml-language-server: $schema=../docs/recipe.schema.json",
    `# Made from ${printable(from)}. Left out:`,
    ...(lines.length > 0 ? lines : ["# nothing"]),
    ...(same.length > 0 ? ["# The same in every template:", ...same.map(told)] : []),
    stringify(recipe, { lineWidth: 0, blockQuote: "literal" }),
  ].join("\n");
}

// A YAML comment may contain anything but control characters and line breaks.
function printable(text: string): string {
  return text.replace(/\t/g, " ").replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}

function shortened(text: string): string {
  return text.length > 4000 ? `${text.slice(0, 4000)}…` : text;
}

// A line of a template engine, such as `% if x:`, is not a section.
function withoutTemplates(text: string, found: Findings): string {
  const lines = text.replace(/^\uFEFF/, "").split(text.includes("\n") ? /\r?\n/ : "\r");
  let inSection = false;
  return lines
    .map((line, index) => {
      const word = /^\s*(%\S*)/.exec(line)?.[1] ?? "";
      if (word in sections) inSection = true;
      else if (word === "%end") inSection = false;
      else if (!inSection && /^%(?![A-Za-z])/.test(word)) {
        found.leave(
          { line: index + 1, text: line },
          "a line of a template engine; render the template first",
        );
        return "";
      }
      return line;
    })
    .join("\n");
}

function isGroup({ kind, name }: KickstartPart): boolean {
  return kind === "command" && name === "group";
}

function take(part: KickstartPart, found: Findings): void {
  if (part.kind === "section") {
    takeSection(part, found);
    return;
  }
  const read = readLine(part, majorOf(found.release));
  if (read === undefined) found.leave(part, "a quotation mark is not closed");
  else takeCommand(read, found);
}
