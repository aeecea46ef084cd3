import { readFile } from "node:fs/promises";
import { Duplex } from "node:stream";
import { type ErrorCode, Interrupted, TbuildError } from "../errors.ts";
import { printable } from "../io/escape.ts";
import { fileFault } from "../io/file-fault.ts";
import { environmentFor } from "./environment.ts";
import type { Host, Output, RunOptions, Talk, TalkOptions } from "./host.ts";
import { replaceFile } from "./partial-file.ts";
import { installHint } from "./programs.ts";

/** This machine. `onCommand` is called with every argv before it runs. */
export function localHost(onCommand?: (argv: readonly string[]) => void): Host {
  return {
    name: "local",
    run(argv, options) {
      onCommand?.(argv);
      return runHere("local", argv, options);
    },
    talk(argv, options) {
      onCommand?.(argv);
      return talkHere(argv, options);
    },
    join(argv) {
      onCommand?.(argv);
      return joinHere(argv);
    },
    readFile: (path) => readFile(path).catch(absent),
    async writeFile(path, data, mode = 0o644) {
      await replaceFile(path, data, mode);
    },
  };
}

/** Runs `argv` on this machine on behalf of host `name`. All programs are started here. */
export async function runHere(
  name: string,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<Output> {
  const { execa } = await import("execa");
  const [command, ...args] = argv;
  if (command === undefined) throw new Error("empty argv");
  const child = execa(command, args, {
    encoding: "buffer",
    reject: false,
    stripFinalNewline: false,
    maxBuffer: 1 << 30,
    ...(options.input === undefined ? { stdin: "ignore" as const } : { input: options.input }),
    ...ownEnvironment(command, options.env),
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.timeoutMs !== undefined && { timeout: options.timeoutMs }),
    ...(options.signal && { cancelSignal: options.signal }),
  });
  // Its child processes may keep its output open for long, for example a shared ssh connection.
  child.once("exit", () => {
    if (child.killed) for (const stream of [child.stdout, child.stderr]) stream?.destroy();
  });
  if (options.onLine) {
    forEachLine(child.stdout, options.onLine);
    forEachLine(child.stderr, options.onLine);
  }
  const result = await child;
  if (options.signal?.aborted) throw new Interrupted();
  const bytes: Uint8Array = result.stdout ?? new Uint8Array();
  const stdout = new TextDecoder().decode(bytes);
  const stderr = new TextDecoder().decode(result.stderr ?? new Uint8Array());
  refuseStart(command, name, result);
  const { exitCode } = result;
  if (exitCode !== undefined && !result.timedOut)
    return accepted(name, argv, { exitCode, stdout, stderr, bytes }, options);
  const how = result.timedOut ? deadline(options) : ending(exitCode, result.signal);
  throw failed(name, argv, how, { stdout, stderr, cause: result });
}

/** The output of a command that ended by itself. Throws if its exit code is neither 0 nor allowed. */
export function accepted(
  host: string,
  argv: readonly string[],
  output: Output,
  { allow = [] }: RunOptions,
): Output {
  const { exitCode } = output;
  if (exitCode === 0 || allow.includes(exitCode)) return output;
  throw failed(host, argv, ending(exitCode, undefined), output);
}

/** The fault of a command that did not end before its deadline. */
export function late(host: string, argv: readonly string[], options: RunOptions): TbuildError {
  return failed(host, argv, deadline(options), { stdout: "", stderr: "" });
}

function deadline({ timeoutMs }: RunOptions): Ending {
  return { code: "timed-out", what: `did not finish within ${timeoutMs} ms` };
}

/**
 * Runs `argv` on this machine and yields its output as it arrives. The program ends when the caller stops reading. `input`
 * is its standard input: bytes, or the descriptor of an open file.
 */
export async function* streamHere(
  argv: readonly string[],
  input: Uint8Array | number,
): AsyncGenerator<Uint8Array> {
  const { execa } = await import("execa");
  const [command = "", ...args] = argv;
  const child = execa(command, args, {
    encoding: "buffer",
    buffer: { stdout: false, stderr: true },
    reject: false,
    stripFinalNewline: false,
    // Every descriptor is passed on, although execa's types know only 0.
    stdin: typeof input === "number" ? (input as 0) : ("pipe" as const),
    ...(typeof input !== "number" && { input }),
    ...ownEnvironment(command),
  });
  let isRead = false;
  try {
    yield* child.stdout as AsyncIterable<Uint8Array>;
    isRead = true;
  } finally {
    // A program that has written everything still needs a moment to exit, and its exit code counts.
    if (!isRead) child.kill("SIGKILL");
  }
  const { exitCode, code, signal, stderr } = await child;
  refuseStart(command, "local", { code, exitCode, signal });
  if (exitCode === 0) return;
  const said = { stdout: "", stderr: new TextDecoder().decode(stderr ?? new Uint8Array()) };
  throw failed("local", argv, ending(exitCode, signal), said);
}

/** Runs `argv` on this machine with our own terminal, such as an editor. Gives its exit code. */
export async function runOnTerminal(argv: readonly string[]): Promise<number> {
  const { execa } = await import("execa");
  const [command = "", ...args] = argv;
  const ignore = () => {};
  // Ctrl-C is for the program.
  process.on("SIGINT", ignore);
  try {
    const result = await execa(command, args, {
      stdio: "inherit",
      reject: false,
      ...ownEnvironment(command),
    });
    refuseStart(command, "local", result);
    return result.exitCode ?? 1;
  } finally {
    process.off("SIGINT", ignore);
  }
}

/** The descriptor by which `talkHere` passes a terminal on. */
export const terminalDescriptor = 4;

/** Starts `argv` on this machine, in its own session. `terminal` is the descriptor of a terminal that it gets as well. */
export async function talkHere(
  argv: readonly string[],
  options: TalkOptions & { readonly env?: Readonly<Record<string, string>>; readonly terminal?: number },
): Promise<Talk> {
  const { execa } = await import("execa");
  const [command = "", ...args] = argv;
  const child = execa(command, args, {
    encoding: "buffer",
    buffer: false,
    reject: false,
    // Every descriptor is passed on, although execa's types know few.
    stdio: ["pipe", "pipe", "pipe", "ignore", (options.terminal ?? "ignore") as "ignore"],
    detached: true,
    ...ownEnvironment(command, options.env),
  });
  forEachLine(child.stdout, options.onLine);
  forEachLine(child.stderr, options.onLine);
  // The program may have ended; `ended` reports that.
  child.stdin.on("error", () => {});
  let isKilled = false;
  // A process that it started in another session, such as ssh's shared connection, may still keep its output open.
  child.once("exit", () => {
    if (isKilled) for (const stream of [child.stdout, child.stderr]) stream.destroy();
  });
  return {
    say: (line) => void child.stdin.write(`${line}\n`),
    sayNoMore: () => void child.stdin.end(),
    kill() {
      isKilled = true;
      killSession(child.pid);
    },
    ended: child.then(({ exitCode }) => exitCode),
  };
}

/** Starts `argv` on this machine, in its own session, and returns its stdin and stdout. */
export async function joinHere(
  argv: readonly string[],
  env?: Readonly<Record<string, string>>,
): Promise<Duplex> {
  const { execa } = await import("execa");
  const [command = "", ...args] = argv;
  const child = execa(command, args, {
    buffer: false,
    reject: false,
    stdin: "pipe",
    stderr: "ignore",
    detached: true,
    ...ownEnvironment(command, env),
  });
  if (child.pid === undefined) throw notInstalled(command, "local");
  const { stdin, stdout } = child;
  // An ended process ignores it.
  stdin.on("error", () => {});
  const line = new Duplex({
    allowHalfOpen: false,
    read: () => void stdout.resume(),
    write: (data, _, done) => void stdin.write(data, () => done()),
    final: (done) => void stdin.end(() => done()),
    destroy(error, done) {
      if (child.exitCode === null) killSession(child.pid);
      done(error);
    },
  });
  stdout.on("data", (data) => void (line.push(data) || stdout.pause()));
  stdout.on("end", () => line.push(null));
  return line;
}

function ownEnvironment(program: string, env: RunOptions["env"] = {}) {
  return { env: { ...environmentFor(program), ...env }, extendEnv: false };
}

// With all its child processes.
function killSession(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** `argv` quoted as one shell line, for people and for ssh, which passes a string to the remote shell. */
export function shellQuoted(argv: readonly string[]): string {
  return argv
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(" ");
}

/** A command as one shell line, with the variables and the folder that it runs with. */
export function shellCommand(argv: readonly string[], { env = {}, cwd }: RunOptions = {}): string {
  const settings = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  const command = shellQuoted(settings.length > 0 ? ["env", ...settings, ...argv] : argv);
  return cwd === undefined ? command : `cd ${shellQuoted([cwd])} && ${command}`;
}

interface Started {
  /** The code of the system's error. */
  readonly code?: string | undefined;
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
}

/** Throws if a program could not be started. */
function refuseStart(command: string, host: string, { code, exitCode, signal }: Started): void {
  if (code === "ENOENT") throw notInstalled(command, host);
  if (code === undefined || exitCode !== undefined || signal !== undefined) return;
  const fault = fileFault(Object.assign(new Error(code), { code }), `${command} on ${host}`);
  if (fault instanceof TbuildError) throw fault;
}

/** The fault of a missing program. */
export function notInstalled(command: string, host: string): TbuildError {
  return new TbuildError("environment", `not installed on ${host}`, {
    subject: command,
    code: "not-installed",
    hint: installHint(command),
  });
}

interface Ending {
  readonly code: ErrorCode;
  readonly what: string;
  readonly exitCode?: number;
}

function ending(exitCode: number | undefined, signal: string | undefined): Ending {
  if (exitCode === undefined) return { code: "command-failed", what: `killed by ${signal ?? "a signal"}` };
  return { code: "command-failed", what: `exit code ${exitCode}`, exitCode };
}

function failed(
  host: string,
  argv: readonly string[],
  how: Ending,
  said: { readonly stdout: string; readonly stderr: string; readonly cause?: unknown },
): TbuildError {
  const text = said.stderr.trim() === "" ? said.stdout : said.stderr;
  const lines = text
    .trim()
    .split("\n")
    .slice(-12)
    .map(printable)
    .filter((line) => line !== "");
  // Programs run in the C locale, where this is strerror(ENOSPC). Their exit codes do not reveal it.
  const isFull = text.includes("No space left on device");
  return new TbuildError("environment", `${how.what} on ${host}`, {
    subject: argv[0],
    code: isFull ? "disk-full" : how.code,
    exitCode: how.exitCode,
    lines,
    command: shortened(shellQuoted(argv)),
    cause: said.cause,
  });
}

/** A command for people: one line, with long scripts shortened. */
export function shortened(command: string): string {
  const line = printable(command.replaceAll(/\s*\n\s*/g, "; "));
  return line.length > 160 ? `${line.slice(0, 159)}…` : line;
}

function forEachLine(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  if (!stream) return;
  const decoder = new TextDecoder();
  let rest = "";
  stream.on("data", (chunk: Buffer) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  stream.on("end", () => {
    if (rest !== "") onLine(rest);
  });
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
  throw error;
}
