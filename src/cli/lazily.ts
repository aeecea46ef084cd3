import { setFlagsFromString } from "node:v8";
import type { Command } from "commander";

/** The export of every command file. The last argument is the command itself, with its options and the program's. */
export interface CommandFile {
  run(args: readonly unknown[], command: Command): Promise<void>;
}

/** Imports a command's code when it runs, so help is fast. */
export function lazily(load: () => Promise<CommandFile>) {
  return async (...args: unknown[]) => {
    const command = args.at(-1) as Command;
    const { run } = await load();
    await run(args.slice(0, -2), command);
  };
}

/**
 * The same for a command that holds a guest's files in memory. A guest can have a million files, so the heap
 * may exceed the used memory by a third only, instead of doubling. Builds use the default: with a small heap,
 * packing would collect garbage three times as often, which takes a third of its processor time.
 */
export function lazilyInGuests(load: () => Promise<CommandFile>) {
  const run = lazily(load);
  return async (...args: unknown[]) => {
    setFlagsFromString("--heap-growing-percent=30");
    await run(...args);
  };
}
