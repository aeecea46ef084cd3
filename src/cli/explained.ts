import { Interrupted, TbuildError } from "../errors.ts";
import { printable } from "../io/escape.ts";
import { version } from "./version.ts";
import { coloursFor } from "./words.ts";

/** Describes a thrown error for people. */
export function explained(error: unknown): string {
  const colours = coloursFor(process.stderr);
  if (error instanceof Interrupted) return error.message;
  if (!(error instanceof TbuildError))
    return [
      colours.red("this is a bug in tbuild"),
      error instanceof Error ? (error.stack ?? error.message) : String(error),
      `tbuild ${version()}, node ${process.version}; please report it with this text`,
    ].join("\n");
  const lines = error.lines.map((line) => (line === "" ? "" : `  ${printable(line)}`));
  return [
    `${colours.red("tbuild:")} ${colours.bold(printable(error.message))}`,
    ...lines,
    ...(error.hint === undefined ? [] : [printable(error.hint)]),
  ].join("\n");
}
