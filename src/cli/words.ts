import stringWidth from "string-width";
import wrapAnsi from "wrap-ansi";
import { amount } from "../io/units.ts";
import type { Signature } from "../store/records/signature.ts";

export { clock, size } from "../io/units.ts";

/** `2 days`, `5 hours`, `1 min`: since a moment in ISO 8601. */
export function age(since: string, now = Date.now()): string {
  const minutes = Math.max(0, (now - Date.parse(since)) / 60_000);
  const units: [string, number][] = [
    ["year", 525_600],
    ["month", 43_800],
    ["day", 1440],
    ["hour", 60],
  ];
  const [unit, length] = units.find(([, length]) => minutes >= length) ?? ["min", 1];
  const count = Math.floor(minutes / length);
  return unit === "min" ? `${count} min` : amount(count, unit);
}

export function progressBar(share: number, width: number): string {
  const full = Math.min(width, Math.round(share * width));
  return "█".repeat(full) + "░".repeat(width - full);
}

export interface Colours {
  readonly green: (text: string) => string;
  readonly red: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
}

/** Colours on a terminal, none elsewhere. */
export function coloursFor(stream: NodeJS.WriteStream): Colours {
  const wanted = stream.isTTY && process.env.NO_COLOR === undefined && process.env.TERM !== "dumb";
  const sgr = (open: number, close: number) => (text: string) =>
    wanted ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    green: sgr(32, 39),
    red: sgr(31, 39),
    yellow: sgr(33, 39),
    cyan: sgr(36, 39),
    bold: sgr(1, 22),
    dim: sgr(2, 22),
  };
}

// With less room beside the other columns, the terminal wraps better.
const leastWidth = 24;

/** The columns of the terminal that standard output is, or no limit. */
function terminalWidth(): number {
  return process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY;
}

/** The rows of a table as lines of text. */
export function table(rows: readonly (readonly string[])[], width = terminalWidth()): string {
  return tableRows(rows, width).join("\n");
}

/**
 * Aligns columns to their widest cell, except the last one. On `width` columns, the last one is wrapped beside the others,
 * so a row may have several lines. A word that is longer than its place, such as a path to copy, stays whole.
 */
export function tableRows(rows: readonly (readonly string[])[], width = terminalWidth()): string[] {
  const widths: number[] = [];
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, stringWidth(cell));
  return rows.map((row) => {
    const start = row
      .slice(0, -1)
      .map((cell, i) => `${cell}${" ".repeat((widths[i] ?? 0) - stringWidth(cell))}  `)
      .join("");
    const last = row.at(-1) ?? "";
    const room = width - stringWidth(start);
    if (room < leastWidth || stringWidth(last) <= room) return `${start}${last}`.trimEnd();
    const indent = " ".repeat(stringWidth(start));
    return `${start}${wrapAnsi(last, room)}`.replaceAll("\n", `\n${indent}`);
  });
}

/** Suggests committing new records. Rehearsals do not belong in the repo (`tbuild init` makes git ignore them). */
export function commitIt(template: string): string {
  return template.endsWith("-rehearsal") ? "" : "; commit it";
}

/** Describes the validity of a template's signature. */
export function signatureWords(signature: Signature, colours: Colours): string {
  if (signature.state === "good") return colours.green(`good, by ${signature.by}`);
  if (signature.state === "unsigned") return "none";
  if (signature.state === "stranger")
    return colours.yellow(`valid, but allowed_signers does not contain the key ${signature.key}`);
  return colours.red(`BAD: ${signature.why}`);
}
