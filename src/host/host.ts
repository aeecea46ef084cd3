/** A machine that can run commands and hold files: this one, or one over ssh. */
export interface Host {
  readonly name: string;
  /** Runs `argv` without a shell. Throws when it exits non-zero, is killed, or times out. */
  run(argv: readonly string[], options?: RunOptions): Promise<Output>;
  /** Starts `argv` and leaves it running, to be spoken to. A Ctrl-C at our terminal does not reach it. */
  talk(argv: readonly string[], options: TalkOptions): Promise<Talk>;
  /** `undefined` when there is no such file. */
  readFile(path: string): Promise<Uint8Array | undefined>;
  writeFile(path: string, data: Uint8Array, mode?: number): Promise<void>;
  copyIn(local: string, remote: string): Promise<void>;
  copyOut(remote: string, local: string): Promise<void>;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  /** Added to what the command gets of tbuild's environment (`environmentFor`). Never for secrets: a process list shows them. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Exit codes that are an answer and no failure; 0 always is. */
  readonly allow?: readonly number[];
  /** Called with each line of stdout and stderr as it comes. */
  readonly onLine?: (line: string) => void;
}

export interface Output {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as it came, for binary data. */
  readonly bytes: Uint8Array;
}

export interface TalkOptions {
  /** Called with each line of stdout and stderr as it comes. */
  readonly onLine: (line: string) => void;
}

/** A program that is spoken to, line by line. Its stdin ends with tbuild, however that ends. */
export interface Talk {
  say(line: string): void;
  sayNoMore(): void;
  kill(): void;
  /** Resolves when it has ended, with its exit code; `undefined` when a signal ended it. */
  readonly ended: Promise<number | undefined>;
}
