import { TbuildError } from "../errors.ts";
import { type Place, placed } from "./located.ts";

/** One thing that is wrong with a recipe or site, in words, and where it stands. */
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
  const count = sorted.length === 1 ? "1 fault" : `${sorted.length} faults`;
  throw new TbuildError("usage", count, {
    subject,
    lines: sorted.map(
      (finding) => `${placed(finding.at)}: ${finding.path === "" ? "" : `${finding.path}: `}${finding.text}`,
    ),
  });
}

/** `; did you mean "x"?` if one of `words` is close to `word`, otherwise a short list of `words`. */
export function suggestion(word: string, words: readonly string[]): string {
  const most = Math.max(2, Math.floor(word.length / 3));
  const best = words
    .filter((w) => Math.abs(w.length - word.length) <= most)
    .map((w) => ({ w, d: distance(word.toLowerCase(), w.toLowerCase()) }))
    .sort((a, b) => a.d - b.d)[0];
  if (best && best.d <= most) return `; did you mean "${best.w}"?`;
  return words.length > 0 && words.length <= 12 ? `; available: ${words.join(", ")}` : "";
}

// Levenshtein distance, one row at a time.
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
