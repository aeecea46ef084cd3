import type { Command } from "commander";

/** What every command file exports. The last argument is the command itself, for its options and the program's. */
export interface CommandFile {
  run(args: readonly unknown[], command: Command): Promise<void>;
}

/** Imports a command when it is run, and not before: so help is fast. */
export function lazily(load: () => Promise<CommandFile>) {
  return async (...args: unknown[]) => {
    const command = args.at(-1) as Command;
    const { run } = await load();
    await run(args.slice(0, -2), command);
  };
}
