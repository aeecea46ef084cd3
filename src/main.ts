#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";
import { exitCodes } from "./errors.ts";
import { systemFault } from "./io/file-fault.ts";

// V8 compiles a function to fast machine code once it has run this much of its bytecode (by default 66 KiB). Most commands
// end before that pays: it costs them a quarter of their processor time. Packing a template takes the same with both. V8 of
// Node 22 and later has no such flag, and says so on every start.
if (process.versions.node.startsWith("20.")) setFlagsFromString("--interrupt-budget=1000000");

// This opens many files at once, which `ulimit -n` may not allow.
const { run } = await import("./cli/run.ts").catch((error) => {
  const fault = systemFault(error);
  if (fault === undefined) throw error;
  process.stderr.write(`tbuild: ${fault.message}\n`);
  process.exit(exitCodes.environment);
});
process.exitCode = await run(process.argv.slice(2));
