/**
 * Runs programs of an image's guest. They run under a kernel of their own, without a network, and do not reach the files of
 * this machine.
 */
export interface Programs {
  /** Runs a program until it ends. Everything that it started then ends as well. */
  run(argv: readonly string[], options?: ProgramOptions): Promise<Ended>;
  /** Sets the SELinux labels of files. */
  label(labels: ReadonlyMap<string, string>): Promise<void>;
}

export interface ProgramOptions {
  readonly input?: Uint8Array;
  /** Called with output as it arrives. Unused for a program on the terminal. */
  readonly onOutput?: (to: "stdout" | "stderr", data: Uint8Array) => Promise<void>;
  /** The program runs on the terminal that was given when the image was opened. */
  readonly onTerminal?: Terminal;
  readonly signal?: AbortSignal;
}

/** What a program must know of a terminal: its size in characters, and its kind, such as `xterm`. */
export interface Terminal {
  readonly rows: number;
  readonly columns: number;
  readonly kind: string;
}

/** How a program ended, and what changed meanwhile. */
export interface Ended {
  readonly exitCode: number;
  /** New and changed files and folders. A folder is changed if a file in it was added or removed. */
  readonly changed: readonly ChangedFile[];
}

export interface ChangedFile {
  readonly path: string;
  readonly kind: "file" | "dir" | "link" | "other";
  readonly label?: string;
}

/** What an image must be opened with to run programs. */
export interface ProgramsWish {
  /** The descriptor of a terminal of this machine. */
  readonly terminal?: number;
}
