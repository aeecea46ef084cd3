import type { Client, ClientChannel } from "ssh2";
import { Interrupted, TbuildError } from "../../../errors.ts";

export interface ExecOptions {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

const mostBytes = 64 * 2 ** 20;
const mostGreeting = 2 ** 16;

/** The complete output of the CLI for `text`, as in `Connection.exec`. */
export function exec(
  client: Client,
  name: string,
  text: string,
  { deadlineMs, signal }: ExecOptions,
  password: string | undefined,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    const warnings: Buffer[] = [];
    let bytes = 0;
    let hasPassword = password !== undefined;
    let stream: ClientChannel | undefined;
    const fail = (error: unknown) => {
      end();
      stream?.destroy();
      reject(error);
    };
    const unknown = (why: string) =>
      fail(
        new TbuildError("environment", why, {
          subject: name,
          code: stream ? "outcome-unknown" : "no-connection",
          ...(stream && { hint: "Whether the command was run is unknown." }),
        }),
      );
    const onAbort = () => fail(new Interrupted());
    const timer = setTimeout(
      () => unknown(`did not finish within ${durationOf(deadlineMs)}`),
      Math.min(deadlineMs, 2 ** 31 - 1),
    );
    const onLost = () => unknown("closed the connection during the command");
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      client.off("close", onLost);
    };
    if (signal?.aborted) return onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    client.once("close", onLost);
    try {
      client.exec(text, (error, channel) => {
        if (error) return unknown(`refuses the command: ${error.message}`);
        stream = channel;
        const take = (into: Buffer[]) => (piece: Buffer) => {
          bytes += piece.length;
          if (bytes > mostBytes)
            return fail(
              new TbuildError("integrity", `sent an answer of more than ${mostBytes / 2 ** 20} MiB`, {
                subject: name,
              }),
            );
          into.push(piece);
          // After a login with a key, the CLI itself may ask for the password, once for each client address.
          if (hasPassword && bytes < mostGreeting && asksForPassword(Buffer.concat(into).toString("utf8"))) {
            hasPassword = false;
            channel.write(`${password}\n`);
          }
        };
        channel.on("data", take(pieces));
        // Apart, so that a warning of Java's does not come in the middle of a row.
        channel.stderr.on("data", take(warnings));
        channel.on("error", () => {});
        channel.once("close", () => {
          end();
          resolve(Buffer.concat(pieces.length > 0 ? pieces : warnings).toString("utf8"));
        });
      });
    } catch {
      unknown("has closed the connection");
    }
  });
}

/** Whether the last line is a password prompt. After the head of an answer, it is a truncated value instead. */
function asksForPassword(said: string): boolean {
  const lines = said.split(/[\r\n]+/);
  return (
    /^(?:[^\s=][^=]*)?password: ?$/i.test(lines.at(-1) ?? "") &&
    !lines.some((line) => /^(?:OVM> ?)*Command:/.test(line))
  );
}

function durationOf(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 100) / 10} s` : `${Math.round(ms / 60_000)} min`;
}
