import { TbuildError } from "../errors.ts";
import { amount } from "../io/units.ts";
import { type Place, placed } from "./located.ts";

export { suggestion } from "./suggestion.ts";

/** An error in a recipe or site, in words, with its position. */
export interface Finding {
  readonly at: Place;
  /** Dotted path, such as `seal.skip.0`. */
  readonly path: string;
  readonly text: string;
}

/** Throws one `usage` fault that lists every finding, in the order of the file. */
export function refuse(subject: string, findings: readonly Finding[]): void {
  if (findings.length === 0) return;
  const sorted = [...findings].sort(
    (a, b) => a.at.file.localeCompare(b.at.file) || a.at.line - b.at.line || a.at.column - b.at.column,
  );
  const count = amount(sorted.length, "fault");
  throw new TbuildError("usage", count, {
    subject,
    lines: sorted.map(
      (finding) => `${placed(finding.at)}: ${finding.path === "" ? "" : `${finding.path}: `}${finding.text}`,
    ),
  });
}

/** Two values of a recipe that exclude each other: the path of one, and of the other if the recipe has it. */
export interface Contradiction {
  readonly path: readonly PropertyKey[];
  readonly text: string;
  readonly against?: readonly PropertyKey[];
}
