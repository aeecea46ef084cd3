import { CommanderError } from "commander";
import { exitCodes, firstFault, Interrupted, TbuildError } from "../errors.ts";
import { systemFault } from "../io/file-fault.ts";
import { explained } from "./explained.ts";
import { stopWork } from "./interrupt.ts";
import { makeProgram } from "./program.ts";
import { withSystemPrograms } from "./search-path.ts";

/** Runs one command line and returns its exit code. The only place that turns errors into messages. */
export async function run(args: readonly string[]): Promise<number> {
  // A closed pipe (`| head`) is not a failure. Work in progress is stopped and cleans up.
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      if (!stopWork()) process.exit(process.exitCode ?? 0);
    });
  process.env.PATH = withSystemPrograms(process.env.PATH ?? "");
  try {
    await makeProgram().parseAsync(args, { from: "user" });
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (thrown) {
    const error = systemFault(firstFault(thrown)) ?? thrown;
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage;
    process.stderr.write(`${explained(error)}\n`);
    return codeOf(error);
  }
}

function codeOf(error: unknown): number {
  if (error instanceof Interrupted) return exitCodes.interrupted;
  return error instanceof TbuildError ? exitCodes[error.fault] : exitCodes.bug;
}
