#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";
import { exitCodes } from "./errors.ts";
import { systemFault } from "./io/file-fault.ts";

// V8 optimizes a function once it has run this many bytes of its bytecode (by default 66 KiB). Most commands end before that
// pays off: the optimization takes a quarter of their processor time. Long commands, such as packing, are not slower. V8 of Node
// 22 and later does not know the flag, and would print an error at every start.
if (process.versions.node.startsWith("20.")) setFlagsFromString("--interrupt-budget=1000000");

// This opens many files at once, which `ulimit -n` may not allow.
const { run } = await import("./cli/run.ts").catch((error) => {
  const fault = systemFault(error);
  if (fault === undefined) throw error;
  process.stderr.write(`tbuild: ${fault.message}\n`);
  process.exit(exitCodes.environment);
});
process.exitCode = await run(process.argv.slice(2));
