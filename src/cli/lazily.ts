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
