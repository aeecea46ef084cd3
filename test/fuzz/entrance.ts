import { execFileSync } from "node:child_process";

/** An entrance for foreign bytes. */
export interface Entrance {
  readonly name: string;
  /** Programs that make its inputs. */
  readonly needs?: readonly string[];
  /** The number of damaged inputs in `make check`; the torture tries a hundred times as many. */
  readonly tries?: number;
  /** Undamaged inputs, made by the usual programs. `folder` is for intermediate files. */
  inputs(folder: string): Promise<readonly (Buffer | string)[]>;
  /** Reads an input. `folder` is empty, and emptied afterwards. */
  enter(input: Buffer, folder: string): Promise<unknown>;
}

/** What a program writes. */
export function made(argv: readonly string[], input?: Buffer | string): Buffer {
  const [command = "", ...args] = argv;
  return execFileSync(command, args, {
    ...(input !== undefined && { input }),
    stdio: ["pipe", "pipe", "pipe"],
    maxBuffer: 1 << 28,
  });
}
