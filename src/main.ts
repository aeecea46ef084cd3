#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";
import { exitCodes } from "./errors.ts";
import { systemFault } from "./io/file-fault.ts";

// The heap of a guest of a million files grows to a third more than what is in use, not to double; it takes no longer.
setFlagsFromString("--heap-growing-percent=30");

// This opens many files at once, which `ulimit -n` may not allow.
const { run } = await import("./cli/run.ts").catch((error) => {
  const fault = systemFault(error);
  if (fault === undefined) throw error;
  process.stderr.write(`tbuild: ${fault.message}\n`);
  process.exit(exitCodes.environment);
});
process.exitCode = await run(process.argv.slice(2));
