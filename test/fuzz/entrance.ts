import { execFileSync } from "node:child_process";

/** A door through which bytes of somebody else come in. */
export interface Entrance {
  readonly name: string;
  /** Programs that make its inputs. */
  readonly needs?: readonly string[];
  /** How many damaged inputs `make check` tries; the torture tries a hundred times as many. */
  readonly tries?: number;
  /** Whole inputs, made by the programs that make them elsewhere. `folder` is for whatever lies between. */
  inputs(folder: string): Promise<readonly (Buffer | string)[]>;
  /** Takes an input in. `folder` is empty, and emptied afterwards. */
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
