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
