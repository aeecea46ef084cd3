import { chmod, open, readFile, rm, symlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import type { Output, RunOptions, Talk } from "../../host/host.ts";
import { accepted, late, shellCommand, shellQuoted, talkHere, terminalDescriptor } from "../../host/local.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import { printable } from "../../io/escape.ts";
import { writeFile } from "../../io/write-file.ts";
import type { ScriptRunner } from "./run-script.ts";

/** Runs commands as root under a separate kernel, until it ends. */
export interface UmlMachine extends ScriptRunner {
  runScript(script: Uint8Array, options?: RunOptions): Promise<Output>;
  /** Runs a command whose output is passed on as it arrives. Resolves with its exit code. */
  stream(argv: readonly string[], options?: StreamOptions): Promise<number>;
  end(): Promise<void>;
}

export interface StreamOptions {
  readonly input?: Uint8Array;
  readonly onOutput?: (to: "stdout" | "stderr", data: Uint8Array) => Promise<void>;
  readonly signal?: AbortSignal;
}

export interface UmlOptions {
  readonly readOnly: boolean;
  /** Of the machine; unused memory costs nothing. Default: 256. */
  readonly memoryMiB?: number;
  /** The descriptor of a terminal of this machine. It becomes `/dev/tty1` there. */
  readonly terminal?: number;
  readonly signal?: AbortSignal;
}

/** A machine that is controlled through a shared folder with request, input and output. The console signals completion. */
export async function umlMachine(image: string, options: UmlOptions): Promise<UmlMachine> {
  const { signal, terminal } = options;
  const temporary = await temporaryFolder("uml");
  const folder = temporary.path;
  const agent = join(folder, "agent");
  await writeFile(agent, agentScript(folder));
  await chmod(agent, 0o755);
  const said: string[] = [];
  const waiting = new Map<string, (code: number) => void>();
  let ended = false;
  // A name without commas or blanks, which the kernel's command line cannot express.
  const disk = join(folder, "disk");
  await symlink(resolve(image), disk);
  const talk = await talkHere(
    ["sh", "-c", holdingScript, "sh", folder, ...kernelArgv(disk, options, folder, agent)],
    {
      ...(terminal !== undefined && { terminal }),
      onLine(line) {
        const [, what = "", code = "0"] = /^tbuild-agent (\w+) (\d+)$/.exec(line.trim()) ?? [];
        if (what === "") said.push(line);
        else waiting.get(what)?.(Number(code));
      },
    },
  );
  const gone = talk.ended.then(() => {
    ended = true;
    checkInterrupted(signal);
    throw new TbuildError("environment", "the kernel stopped before the work was done", {
      subject: "uml",
      lines: said.slice(-8).map(printable),
    });
  });
  gone.catch(() => {});
  // Its work is discarded with it, because it only reads, or changes a copy.
  const stop = () => talk.kill();
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();
  const answer = (what: string) =>
    Promise.race([
      gone,
      new Promise<number>((resolve) => waiting.set(what, resolve)).finally(() => waiting.delete(what)),
    ]);
  const end = async () => {
    signal?.removeEventListener("abort", stop);
    if (!ended) await sayGoodbye(talk);
    await temporary[Symbol.asyncDispose]();
  };
  try {
    await withDeadline(answer("ready"));
  } catch (error) {
    talk.kill();
    await end();
    throw error;
  }
  return { ...commandsOn({ folder, talk, answer }), end };
}

/** A running machine: its shared folder, the dialogue with its agent, and the exit code that it reports for a command. */
interface Link {
  readonly folder: string;
  readonly talk: Talk;
  readonly answer: (name: string) => Promise<number>;
}

function commandsOn({ folder, talk, answer }: Link): Omit<UmlMachine, "end"> {
  const stop = () => talk.kill();
  // A command can be stopped only by stopping the machine.
  const ending = async (done: Promise<number>, argv: readonly string[], options: RunOptions) => {
    options.signal?.addEventListener("abort", stop);
    if (options.signal?.aborted) stop();
    try {
      return await (options.timeoutMs === undefined
        ? done
        : withDeadline(done, options.timeoutMs, late("User-mode Linux", argv, options)));
    } catch (error) {
      checkInterrupted(options.signal);
      talk.kill();
      throw error;
    } finally {
      options.signal?.removeEventListener("abort", stop);
    }
  };
  let count = 0;
  const started = async (argv: readonly string[], options: RunOptions, script?: Uint8Array) => {
    const name = `r${++count}`;
    const file = (kind: string) => join(folder, `${name}.${kind}`);
    await writeFile(file("in"), options.input ?? "");
    await writeFile(file("sh"), script ?? `${shellCommand(argv, options)}\n`);
    const done = answer(name);
    talk.say(name);
    const clear = async () => {
      for (const kind of ["in", "sh", "out", "err"]) await rm(file(kind), { force: true });
    };
    return { file, clear, done: ending(done, argv, options) };
  };
  const run = async (argv: readonly string[], options: RunOptions, script?: Uint8Array) => {
    const { file, clear, done } = await started(argv, options, script);
    const exitCode = await done;
    const [bytes, stderr] = [await readFile(file("out")), await readFile(file("err"), "utf8")];
    await clear();
    const stdout = bytes.toString("utf8");
    for (const line of linesOf(stdout + stderr)) options.onLine?.(line);
    return accepted("User-mode Linux", argv, { exitCode, stdout, stderr, bytes }, options);
  };
  return {
    name: "uml",
    async stream(argv, { onOutput, ...options } = {}) {
      const { file, clear, done } = await started(argv, options);
      const exitCode = await passedOn(done, onOutput, file);
      await clear();
      return exitCode;
    },
    run: (argv, options = {}) => run(argv, options),
    runScript: (script, options = {}) => run(["sh"], options, script),
  };
}

// The output grows in two files. Nothing announces that, so they are looked at ten times a second.
async function passedOn(
  done: Promise<number>,
  onOutput: StreamOptions["onOutput"],
  file: (kind: string) => string,
): Promise<number> {
  if (!onOutput) return done;
  const read = { stdout: 0, stderr: 0 };
  const passOn = async () => {
    for (const [to, kind] of [["stdout", "out"] as const, ["stderr", "err"] as const])
      for await (const data of from(file(kind), read[to])) {
        read[to] += data.length;
        await onOutput(to, data);
      }
  };
  let isDone = false;
  const over = done.finally(() => {
    isDone = true;
  });
  over.catch(() => {});
  while (!isDone) {
    await Promise.race([over.catch(() => {}), new Promise((resolve) => setTimeout(resolve, 100))]);
    await passOn();
  }
  return over;
}

async function* from(file: string, start: number): AsyncGenerator<Buffer> {
  const handle = await open(file, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (handle) yield* handle.createReadStream({ start }) as AsyncIterable<Buffer>;
}

// The kernel ends when tbuild ends, at any moment: it only reads, or changes a copy. It consists of many processes, all in the
// group that it leads. So it replaces the shell, and the process that passes it our commands kills the group.
const holdingScript = `
folder=$1
shift
exec 3<&0
mkfifo -m 600 "$folder/words" || exit 1
{
  cat <&3 > "$folder/words"
  rm -rf "$folder"
  kill -KILL 0
} > /dev/null 2>&1 ${terminalDescriptor}<&- &
exec "$@" < "$folder/words" 3<&-`;

/**
 * Arguments of Debian's kernel that leave out what takes two thirds of its start: 256 terminals of BSD's kind, and compressed
 * swap.
 */
export const quickStart = ["quiet", "pty.legacy_count=0", "initcall_blacklist=init_zswap"];

function kernelArgv(
  image: string,
  { readOnly, memoryMiB = 256, terminal }: UmlOptions,
  folder: string,
  agent: string,
): string[] {
  const root = ["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", `init=${agent}`];
  const tty = terminal === undefined ? [] : [`con1=fd:${terminalDescriptor}`];
  const console = ["con=null", "con0=fd:0,fd:1", ...tty, ...quickStart];
  // Without a policy, SELinux would hide the labels on the disk.
  const security = "lsm=yama";
  // Read only, and without User-mode Linux's lock of the file, which would keep our own qemu-img from reading it.
  const mode = readOnly ? "rc" : "";
  return [
    ...["linux.uml", `mem=${memoryMiB}M`, `ubd0${mode}=${image}`, ...root, ...console, security],
    ...[`uml_dir=${folder}/`, "umid=machine"],
  ];
}

function agentScript(folder: string): string {
  return [
    "#!/bin/sh",
    "export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C",
    "mount -t tmpfs tmpfs /mnt && mkdir /mnt/guest /mnt/io",
    "mount -t proc proc /proc",
    "mount -t sysfs sysfs /sys",
    `mount -t hostfs -o ${shellQuoted([folder])} none /mnt/io`,
    "cd /mnt/io",
    "echo; echo tbuild-agent ready 0",
    "while read -r name && [ $name != end ]; do",
    // A subshell, because starting a program costs some hundred milliseconds here.
    "  ( . ./$name.sh ) < $name.in > $name.out 2> $name.err",
    "  code=$?; echo; echo tbuild-agent $name $code",
    "done",
    // If the other side disconnects in the middle of a message, the finished work is written, and no more
    // commands can follow.
    "umount -R /mnt/guest; sync; echo o > /proc/sysrq-trigger; sleep 60",
    "",
  ].join("\n");
}

async function sayGoodbye(talk: Talk): Promise<void> {
  talk.say("end");
  try {
    await withDeadline(talk.ended);
  } catch (error) {
    talk.kill();
    throw error;
  }
}

const noAnswer = new TbuildError("environment", "no answer within 60 s", { subject: "uml" });

async function withDeadline<T>(work: Promise<T>, ms = 60_000, fault = noAnswer): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(fault), ms);
  });
  return Promise.race([work, over]).finally(() => clearTimeout(timer));
}

function linesOf(text: string): string[] {
  return text === "" ? [] : text.replace(/\n$/, "").split("\n");
}
