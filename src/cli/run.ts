import { CommanderError } from "commander";
import { exitCodes, Interrupted, TbuildError } from "../errors.ts";
import { makeProgram } from "./program.ts";
import { version } from "./version.ts";
import { coloursFor } from "./words.ts";

/** Runs one command line and gives its exit code. The one place where what was thrown becomes words. */
export async function run(args: readonly string[]): Promise<number> {
  // A reader that has seen enough (`| head`) is no failure.
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      process.exit(0);
    });
  try {
    await makeProgram().parseAsync(args, { from: "user" });
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    process.stderr.write(`${explained(error)}\n`);
    return codeOf(error);
  }
}

function codeOf(error: unknown): number {
  if (error instanceof Interrupted) return exitCodes.interrupted;
  return error instanceof TbuildError ? exitCodes[error.fault] : exitCodes.bug;
}

function explained(error: unknown): string {
  const colours = coloursFor(process.stderr);
  if (error instanceof Interrupted) return "interrupted; what was done is kept";
  if (!(error instanceof TbuildError))
    return [
      colours.red("this is a fault of tbuild"),
      error instanceof Error ? (error.stack ?? error.message) : String(error),
      `tbuild ${version()}, node ${process.version}; please report it with this text`,
    ].join("\n");
  const lines = error.lines.map((line) => (line === "" ? "" : `  ${line}`));
  return [
    `${colours.red("tbuild:")} ${colours.bold(error.message)}`,
    ...lines,
    ...(error.hint === undefined ? [] : [error.hint]),
  ].join("\n");
}
