import { structuredPatch } from "diff";

/** The lines that differ between two texts, with three lines of context; each begins with `+`, `-`, a blank or `@@`. */
export function patchOf(from: string, to: string): string[] {
  return structuredPatch("a", "b", from, to, "", "", { context: 3 }).hunks.flatMap((hunk) => [
    `@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@`,
    ...hunk.lines,
  ]);
}
