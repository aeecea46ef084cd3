import { closeSync, openSync } from "node:fs";
import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { runProgram } from "../../guest/files/run-program.ts";
import { readRelease } from "../../guest/release.ts";
import { localHost } from "../../host/local.ts";
import { type PlannedChange, planChange } from "../../image/change/planned-change.ts";
import { openImageFile } from "../../image/open.ts";
import type { Ended, ProgramOptions, Terminal } from "../../image/programs.ts";
import { type ChangeFlags, type Changing, changeImages, type Worked } from "../change-images.ts";
import { farPath } from "../named-image.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<ChangeFlags>();
  const [image, words] = [String(args[0]), args[1] as string[]];
  if (farPath(image))
    throw new TbuildError("environment", "programs cannot be run in a remote image", {
      subject: image,
      hint: "Run tbuild on that machine, or copy the image here.",
    });
  const order = await orderOf(words, flags);
  try {
    await changeImages([image], flags, running(order));
  } finally {
    await order.close();
  }
}

/** The program to run, with its input and output. */
interface Order {
  readonly argv: readonly string[];
  readonly terminal?: number;
  readonly options: ProgramOptions;
  close(): Promise<void>;
}

async function orderOf(words: readonly string[], { json }: ChangeFlags): Promise<Order> {
  const onOutput = (to: "stdout" | "stderr", data: Uint8Array) =>
    new Promise<void>((resolve) => {
      const stream = to === "stdout" && !json ? process.stdout : process.stderr;
      stream.write(data, () => resolve());
    });
  const close = async () => {};
  if (words.length > 0)
    return { argv: words.length === 1 ? ["/bin/sh", "-c", ...words] : words, options: { onOutput }, close };
  if (!process.stdin.isTTY) {
    const parts: Buffer[] = [];
    for await (const part of process.stdin) parts.push(part as Buffer);
    const input = Buffer.concat(parts);
    return { argv: ["/bin/sh", "-s"], options: { input, onOutput }, close };
  }
  return onTerminal();
}

// User-mode Linux switches the terminal to raw mode, and does not switch it back if it is killed.
async function onTerminal(): Promise<Order> {
  const { rows = 24, columns = 80 } = process.stdout;
  const size: Terminal = { rows, columns, kind: process.env.TERM ?? "vt100" };
  const host = localHost();
  const saved = (await host.run(["stty", "-F", "/dev/tty", "-g"])).stdout.trim();
  const terminal = openSync("/dev/tty", "r+");
  return {
    argv: ["/bin/sh", "-c", "[ ! -x /bin/bash ] || exec /bin/bash -l; exec /bin/sh -l"],
    terminal,
    options: { onTerminal: size },
    async close() {
      closeSync(terminal);
      await host.run(["stty", "-F", "/dev/tty", saved]);
    },
  };
}

function running({ argv, terminal, options }: Order): Changing<Worked> {
  return {
    verb: "change",
    ownsOutput: true,
    remarks: () => [],
    stays: "the image was not changed, or can be restored by `tbuild undo`",
    async plan(file, given) {
      const { watch: { signal } = {} } = given;
      const stop = signal && { signal };
      const before = () => openImageFile(localHost(), file, { readOnly: true, ...(stop && { watch: stop }) });
      const planned = await planChange(
        localHost(),
        file,
        async ({ tree }) => {
          const { programs } = tree;
          if (!programs) throw new Error("opened without programs");
          const release = await readRelease(tree).catch((error) => {
            if (error instanceof TbuildError && error.code === "other-guest") return undefined;
            throw error;
          });
          if (terminal !== undefined)
            process.stderr.write(
              `A shell in a copy of ${file}${release ? ` (${release.name})` : ""}, without a network.\nWhen it ends, tbuild shows what changed, and asks whether to keep it.\n`,
            );
          const ended = await runProgram({ tree, programs }, argv, before, { ...options, ...stop });
          if (terminal === undefined) refuseFailed(ended, file, argv);
          else if (ended.changed.length === 0) process.stderr.write("Nothing changed.\n");
          const done = ended.changed.map(({ path, kind }) =>
            kind === "dir" && path !== "/" ? `${path}/` : path,
          );
          return {
            pending: done.length === 0 ? [] : [{ name: "sh", done: done.sort() }],
            ...(release && { release }),
          };
        },
        { ...given, programs: terminal === undefined ? {} : { terminal }, ...(stop && { watch: stop }) },
      );
      return planned.result.pending.length === 0 ? withoutChange(planned) : planned;
    },
  };
}

// Mounting a file system changes a few bytes of it, even if no file changes.
function withoutChange(planned: PlannedChange<Worked>): PlannedChange<Worked> {
  return { ...planned, pieces: [], alongside: [] };
}

function refuseFailed({ exitCode }: Ended, image: string, argv: readonly string[]): void {
  if (exitCode === 0) return;
  throw new TbuildError("guest", `ended with exit code ${exitCode}`, {
    subject: `${image}: ${argv.at(argv[1] === "-c" ? 2 : 0)}`,
    hint: "The image was not changed.",
  });
}
