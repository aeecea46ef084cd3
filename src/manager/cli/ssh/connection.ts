import { TbuildError } from "../../../errors.ts";
import { type ExecOptions, exec } from "./exec.ts";
import { type Login, nameOf } from "./login.ts";
import { openSsh } from "./open.ts";

/** An ssh connection to the CLI. Each command is a separate exec, as in the scripts of the Manager's users. */
export interface Connection {
  readonly isOpen: boolean;
  /**
   * The complete output of the CLI for `text`. Throws `no-connection` if it was certainly not sent, and
   * `outcome-unknown` if the connection or the time ended afterwards.
   */
  exec(text: string, options: ExecOptions): Promise<string>;
  close(): Promise<void>;
}

/** The host key that a server presents, without logging in. */
export async function hostKeyOf(login: Login, signal?: AbortSignal): Promise<string> {
  let seen: string | undefined;
  await openSsh({ ...login, hostKey: undefined }, signal, (key) => {
    seen = key;
    return false;
  }).catch((error) => {
    if (seen === undefined) throw error;
  });
  if (seen === undefined) throw new Error("an unknown host key was accepted");
  return seen;
}

export async function connect(login: Login, signal?: AbortSignal): Promise<Connection> {
  const password = login.password && (await login.password());
  let shown: string | undefined;
  const client = await openSsh(
    login,
    signal,
    (key) => {
      shown = key;
      return key === login.hostKey;
    },
    password,
  ).catch((error) => {
    if (shown !== undefined && shown !== login.hostKey) throw untrusted(login, shown);
    throw error;
  });
  let isOpen = true;
  client.on("close", () => {
    isOpen = false;
  });
  client.on("end", () => {
    isOpen = false;
  });
  client.on("error", () => {});
  return {
    get isOpen() {
      return isOpen;
    },
    exec: (text, options) => exec(client, nameOf(login), text, options, password),
    async close() {
      const closed = isOpen && new Promise<void>((done) => client.once("close", () => done()));
      client.end();
      // A server that does not answer must not block us.
      const timer = setTimeout(() => client.destroy(), 2000);
      await closed;
      clearTimeout(timer);
    },
  };
}

function untrusted(login: Login, shown: string): TbuildError {
  const isNew = login.hostKey === undefined;
  return new TbuildError(
    "environment",
    isNew
      ? "its host key is not known yet"
      : "its host key is not the trusted one; someone may intercept the connection",
    {
      subject: nameOf(login),
      code: "not-trusted",
      lines: [...(isNew ? [] : [`trusted: ${login.hostKey}`]), `${isNew ? "" : "shown:   "}${shown}`],
      hint: isNew
        ? "Compare it with `ssh-keygen -l` on the Manager; then run `tbuild manager trust`, or set manager.hostKey in the site."
        : "If the Manager was reinstalled, run `tbuild manager trust`, or change manager.hostKey in the site.",
    },
  );
}
