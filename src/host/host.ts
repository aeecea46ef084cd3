import type { Duplex } from "node:stream";

/** Runs commands: a machine, or something that only runs commands, such as the kernel that reads an image. */
export interface Runner {
  readonly name: string;
  /** Runs `argv` without a shell. Throws if it exits non-zero, is killed, or times out. */
  run(argv: readonly string[], options?: RunOptions): Promise<Output>;
}

/** Holds files. */
export interface Files {
  /** `undefined` if the file does not exist. */
  readFile(path: string): Promise<Uint8Array | undefined>;
  writeFile(path: string, data: Uint8Array, mode?: number): Promise<void>;
}

/** A machine: this one, or one over ssh. */
export interface Host extends Runner, Files {
  /** Starts `argv` and keeps it running for a dialogue. Ctrl-C at our terminal does not reach it. */
  talk(argv: readonly string[], options: TalkOptions): Promise<Talk>;
  /**
   * Starts `argv`, and gives its stdin and stdout as one stream of bytes, which closes when it ends. Destroying the stream
   * ends it.
   */
  join(argv: readonly string[]): Promise<Duplex>;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  /** Added to the command's part of tbuild's environment (`environmentFor`). Never for secrets: a process list shows it. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Exit codes that do not count as failure, besides 0. */
  readonly allow?: readonly number[];
  /** Called with each line of stdout and stderr as it arrives. */
  readonly onLine?: (line: string) => void;
}

export interface Output {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The raw bytes of stdout, for binary data. */
  readonly bytes: Uint8Array;
}

export interface TalkOptions {
  /** Called with each line of stdout and stderr as it arrives. */
  readonly onLine: (line: string) => void;
}

/** A program with a line-by-line dialogue. Its stdin closes when tbuild ends in any way. */
export interface Talk {
  say(line: string): void;
  sayNoMore(): void;
  kill(): void;
  /** Resolves with the exit code when the program has ended; `undefined` if a signal ended it. */
  readonly ended: Promise<number | undefined>;
}
