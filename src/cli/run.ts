import { CommanderError } from "commander";
import { exitCodes, firstFault, Interrupted, TbuildError } from "../errors.ts";
import { fileFault, systemFault } from "../io/file-fault.ts";
import { explained } from "./explained.ts";
import { isWorking, stopWork } from "./interrupt.ts";
import { makeProgram } from "./program.ts";
import { withSystemPrograms } from "./search-path.ts";

/** Runs one command line and returns its exit code. The only place that turns errors into messages. */
export async function run(args: readonly string[]): Promise<number> {
  // A closed pipe (`| head`) is not a failure. Work in progress is stopped, and cleans up.
  let lost: unknown;
  for (const [stream, name] of [
    [process.stdout, "standard output"],
    [process.stderr, "standard error"],
  ] as const)
    stream.on("error", (error: NodeJS.ErrnoException) => {
      const isClosed = error.code === "EPIPE";
      if (!isClosed) lost ??= fileFault(error, name);
      if (stopWork()) return;
      process.exit(isClosed ? (process.exitCode ?? 0) : told(lost));
    });
  // Work in progress cleans up by itself. Other commands end at once, and their temporary files disappear
  // with the process.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      if (!isWorking()) process.exit(told(new Interrupted()));
    });
  process.env.PATH = withSystemPrograms(process.env.PATH ?? "");
  try {
    await makeProgram().parseAsync(args, { from: "user" });
  } catch (thrown) {
    const first = firstFault(thrown);
    const error = lost ?? systemFault(first) ?? first;
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    return told(error);
  }
  if (lost !== undefined) return told(lost);
  return typeof process.exitCode === "number" ? process.exitCode : 0;
}

function told(error: unknown): number {
  process.stderr.write(`${explained(error)}\n`);
  return codeOf(error);
}

function codeOf(error: unknown): number {
  if (error instanceof Interrupted) return exitCodes.interrupted;
  return error instanceof TbuildError ? exitCodes[error.fault] : exitCodes.bug;
}
