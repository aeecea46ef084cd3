import stringWidth from "string-width";
import wrapAnsi from "wrap-ansi";

// If the last column has less room than this, the terminal wraps it better.
const leastWidth = 24;

/** The width of the terminal that standard output goes to; no limit if it is not a terminal. */
function terminalWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
}

/** The rows of a table as lines of text. */
export function table(rows: readonly (readonly string[])[], width = terminalWidth()): string {
  return tableRows(rows, width).join("\n");
}

/**
 * Aligns columns to their widest cell, except the last one. The last column is wrapped to fit into `width`,
 * so a row may have several lines. A word that is too long, such as a path to copy, is not broken.
 */
export function tableRows(rows: readonly (readonly string[])[], width = terminalWidth()): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, widthOf(cell));
  return rows.map((row) => {
    const start = row
      .slice(0, -1)
      .map((cell, i) => `${cell}${" ".repeat((widths[i] ?? 0) - widthOf(cell))}  `)
      .join("");
    const last = row.at(-1) ?? "";
    const room = width - widthOf(start);
    if (room < leastWidth || widthOf(last) <= room) return `${start}${last}`.trimEnd();
    const indent = " ".repeat(widthOf(start));
    return `${start}${wrapAnsi(last, room)}`.replaceAll("\n", `\n${indent}`);
  });
}

// A shortcut: almost every cell is ASCII, and string-width splits each cell into graphemes.
function widthOf(text: string): number {
  return /^[ -~]*$/.test(text) ? text.length : stringWidth(text);
}
