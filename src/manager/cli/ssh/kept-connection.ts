import { TbuildError } from "../../../errors.ts";
import { type Connection, connect } from "./connection.ts";
import type { Login } from "./login.ts";

/** How long an idle connection stays open. Until then, it keeps the process alive. */
const idleMs = 3000;

/** A connection that is opened on demand, and kept for the next command. */
export interface KeptConnection {
  /** Sends a command, and returns its output. */
  sent(text: string, deadlineMs: number): Promise<string>;
  closed(): Promise<void>;
}

export function connectionTo(login: Login, signal: AbortSignal | undefined): KeptConnection {
  let connection: Promise<Connection> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let users = 0;

  async function opened(): Promise<Connection> {
    const known = await connection?.catch(() => undefined);
    if (known?.isOpen) return known;
    connection = connect(login, signal);
    connection.catch(() => {});
    return connection;
  }

  async function closed(): Promise<void> {
    clearTimeout(timer);
    // Immediately, so that no command uses a connection that is about to end.
    const known = connection;
    connection = undefined;
    await (await known?.catch(() => undefined))?.close();
  }

  async function sent(text: string, deadlineMs: number): Promise<string> {
    clearTimeout(timer);
    users++;
    try {
      const one = await opened();
      try {
        return await one.exec(text, { deadlineMs, signal });
      } catch (error) {
        // The channel of an unfinished command must not be reused.
        await closed();
        // It was certainly not sent: the connection had already ended.
        if (!(error instanceof TbuildError) || error.code !== "no-connection") throw error;
        return await (await opened()).exec(text, { deadlineMs, signal });
      }
    } finally {
      users--;
      if (users === 0) {
        timer = setTimeout(() => void closed(), idleMs);
        timer.unref();
      }
    }
  }

  return { sent, closed };
}
