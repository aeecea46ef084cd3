import { connect, type Socket } from "node:net";
import { TbuildError } from "../../errors.ts";

/** An event that qemu sends, such as SHUTDOWN or BLOCK_IO_ERROR. */
export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A session with a machine's monitor. Only one at a time: a second client waits for the first to close. */
export interface Qmp extends Disposable {
  run(command: string, parameters?: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** All events so far. */
  readonly events: readonly QmpEvent[];
  /** Resolves when qemu has ended. */
  readonly closed: Promise<void>;
}

export async function openQmp(socket: string, timeoutMs = 10_000): Promise<Qmp> {
  const line = await connected(socket);
  // Must not keep the process alive: a machine that is kept for inspection outlives the process that started it.
  line.unref();
  const events: QmpEvent[] = [];
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: unknown) => void }>();
  let last = 0;
  const closed = new Promise<void>((resolve) => line.once("close", resolve));
  void closed.then(() => {
    for (const one of waiting.values())
      one.reject(new TbuildError("environment", "qemu has exited", { subject: socket }));
  });
  let rest = "";
  line.setEncoding("utf8");
  line.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const one of lines) if (one.trim() !== "") answered(JSON.parse(one));
  });
  line.on("error", () => line.destroy());

  function answered(message: {
    id?: number;
    return?: unknown;
    error?: { desc: string };
    event?: string;
    data?: Record<string, unknown>;
  }): void {
    if (message.event !== undefined) events.push({ event: message.event, data: message.data ?? {} });
    const one = waiting.get(message.id ?? 0);
    if (!one) return;
    waiting.delete(message.id ?? 0);
    if (message.error) one.reject(new TbuildError("environment", message.error.desc, { subject: "qemu" }));
    else one.resolve(message.return);
  }
  const run = (command: string, parameters: Readonly<Record<string, unknown>> = {}) =>
    new Promise<unknown>((resolve, reject) => {
      const id = ++last;
      const timer = setTimeout(
        () =>
          reject(
            new TbuildError("environment", `no answer to ${command} in ${timeoutMs} ms`, { subject: "qemu" }),
          ),
        timeoutMs,
      );
      const done =
        <T>(end: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          end(value);
        };
      waiting.set(id, { resolve: done(resolve), reject: done(reject) });
      line.write(`${JSON.stringify({ execute: command, arguments: parameters, id })}\n`);
    });
  await run("qmp_capabilities");
  return { run, events, closed, [Symbol.dispose]: () => line.destroy() };
}

function connected(socket: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const line = connect(socket, () => resolve(line));
    line.once("error", (error) =>
      reject(new TbuildError("environment", error.message, { subject: socket, cause: error })),
    );
  });
}
