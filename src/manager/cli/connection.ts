import { createHash } from "node:crypto";
import ssh2, { type Algorithms, type AnyAuthMethod, type ClientChannel, type ConnectConfig } from "ssh2";
import { Interrupted, TbuildError } from "../../errors.ts";

/** How to log in to the CLI, `ssh -p 10000 admin@manager` (Command Line Interface User's Guide 3.4, chapter 2). */
export interface Login {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Asked for when the server wants it. */
  readonly password?: () => Promise<string>;
  /** A private key in PEM or OpenSSH format. */
  readonly key?: string;
  /** `SHA256:…`; the only host key that is accepted. */
  readonly hostKey?: string | undefined;
  readonly oldAlgorithms: boolean;
}

export interface ExecOptions {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** An ssh connection to the CLI. Each command is a separate exec, as in the scripts of the Manager's users. */
export interface Connection {
  readonly isOpen: boolean;
  /**
   * All that the CLI prints for `text`. Throws `no-connection` if it was certainly not sent, and `outcome-unknown` if
   * the connection or the time ended afterwards.
   */
  exec(text: string, options: ExecOptions): Promise<string>;
  close(): Promise<void>;
}

const mostBytes = 64 * 2 ** 20;
const connectMs = 20_000;

// Old Managers have keys and ciphers of the time of their Java; a site allows them explicitly.
const modern: Algorithms = {
  serverHostKey: [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
  ],
};
const old: Algorithms = {
  serverHostKey: { append: ["ssh-dss"], prepend: [], remove: [] },
  kex: {
    append: [
      "diffie-hellman-group14-sha1",
      "diffie-hellman-group-exchange-sha1",
      "diffie-hellman-group1-sha1",
    ],
    prepend: [],
    remove: [],
  },
  cipher: { append: ["aes256-cbc", "aes192-cbc", "aes128-cbc", "3des-cbc"], prepend: [], remove: [] },
  hmac: { append: ["hmac-md5"], prepend: [], remove: [] },
};

/** The fingerprint of a host key, as `ssh-keygen -l` prints it. */
export function fingerprint(key: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`;
}

/** The host key that a server shows, without logging in. */
export async function hostKeyOf(login: Login, signal?: AbortSignal): Promise<string> {
  let seen: string | undefined;
  await open({ ...login, hostKey: undefined }, signal, (key) => {
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
  const client = await open(
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
      // A server that does not answer must not keep us.
      const timer = setTimeout(() => client.destroy(), 2000);
      await closed;
      clearTimeout(timer);
    },
  };
}

function open(
  login: Login,
  signal: AbortSignal | undefined,
  accepts: (fingerprint: string) => boolean,
  password?: string,
): Promise<ssh2.Client> {
  const client = new ssh2.Client();
  return new Promise((resolve, reject) => {
    const stop = () => {
      client.destroy();
      reject(new Interrupted());
    };
    if (signal?.aborted) return stop();
    signal?.addEventListener("abort", stop, { once: true });
    const end = () => signal?.removeEventListener("abort", stop);
    let isReady = false;
    client.once("ready", () => {
      isReady = true;
      client.setNoDelay(true);
      end();
      resolve(client);
    });
    client.on("error", (error: Error & { level?: string; code?: string }) => {
      end();
      client.destroy();
      reject(connectFault(login, error));
    });
    client.once("close", () => {
      end();
      if (!isReady) reject(connectFault(login, new Error("the connection was closed")));
    });
    client.on("keyboard-interactive", (_name, _instructions, _language, prompts, finish) =>
      finish(prompts.map(() => password ?? "")),
    );
    const config: ConnectConfig = {
      host: login.host,
      port: login.port,
      username: login.user,
      readyTimeout: connectMs,
      keepaliveInterval: 15_000,
      keepaliveCountMax: 4,
      algorithms: login.oldAlgorithms ? old : modern,
      hostVerifier: (key: Buffer) => accepts(fingerprint(key)),
      // The types of ssh2 know fewer forms of this than it takes.
      authHandler: authentication(login, password) as never,
    };
    try {
      client.connect(config);
    } catch (error) {
      end();
      reject(connectFault(login, error as Error));
    }
  });
}

/**
 * Key first, then the password once: as `password` or, if the server does not offer that, `keyboard-interactive`. After a key
 * the Manager may still ask for the password (Command Line Interface User's Guide 3.2 and 3.3, vmcli-ssh-key).
 */
function authentication({ user, key }: Login, password: string | undefined) {
  const tried = new Set<string>();
  return (
    left: readonly string[] | null,
    isPartial: boolean | null,
    next: (method: AnyAuthMethod | false) => void,
  ) => {
    if (isPartial) tried.delete("secret");
    const offers = (method: string) => left === null || left.includes(method);
    if (key !== undefined && offers("publickey") && !tried.has("publickey")) {
      tried.add("publickey");
      next({ type: "publickey", username: user, key });
    } else if (left === null) next({ type: "none", username: user });
    else if (password === undefined || tried.has("secret")) next(false);
    else {
      tried.add("secret");
      if (offers("password")) next({ type: "password", username: user, password });
      else if (offers("keyboard-interactive"))
        next({
          type: "keyboard-interactive",
          username: user,
          prompt: (_name, _instructions, _language, prompts, finish) => finish(prompts.map(() => password)),
        });
      else next(false);
    }
  };
}

function exec(
  client: ssh2.Client,
  name: string,
  text: string,
  { deadlineMs, signal }: ExecOptions,
  password: string | undefined,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
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
          ...(stream && { hint: "Whether the command was carried out is not known." }),
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
        if (error) return unknown(`does not take a command: ${error.message}`);
        stream = channel;
        const take = (piece: Buffer) => {
          bytes += piece.length;
          if (bytes > mostBytes)
            return fail(
              new TbuildError("integrity", `answers with more than ${mostBytes / 2 ** 20} MiB`, {
                subject: name,
              }),
            );
          pieces.push(piece);
          // After a key login the CLI itself may ask, once for each address of a client.
          if (hasPassword && /password: ?$/i.test(piece.toString())) {
            hasPassword = false;
            channel.write(`${password}\n`);
          }
        };
        channel.on("data", take);
        channel.stderr.on("data", take);
        channel.on("error", () => {});
        channel.once("close", () => {
          end();
          resolve(Buffer.concat(pieces).toString("utf8"));
        });
      });
    } catch {
      unknown("has closed the connection");
    }
  });
}

export function nameOf({ host }: { readonly host: string }): string {
  return `Oracle VM Manager ${host}`;
}

export function durationOf(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 100) / 10} s` : `${Math.round(ms / 60_000)} min`;
}

function untrusted(login: Login, shown: string): TbuildError {
  const isNew = login.hostKey === undefined;
  return new TbuildError(
    "environment",
    isNew
      ? "its host key is not known yet"
      : "its host key is not the one that is trusted; somebody may be in between",
    {
      subject: nameOf(login),
      code: "not-trusted",
      lines: [...(isNew ? [] : [`trusted: ${login.hostKey}`]), `${isNew ? "" : "shown:   "}${shown}`],
      hint: isNew
        ? "Compare it with `ssh-keygen -l` on the Manager; then run `tbuild manager trust`, or set manager.hostKey in the site."
        : "If the Manager was installed anew, run `tbuild manager trust`, or change manager.hostKey in the site.",
    },
  );
}

function connectFault(login: Login, error: Error & { level?: string; code?: string }): TbuildError {
  const fault = (what: string, details: { hint?: string; code?: "no-connection" | "not-trusted" }) =>
    new TbuildError("environment", what, { subject: nameOf(login), cause: error, ...details });
  if (error.level === "client-authentication")
    return fault(`refuses the login of ${login.user}`, {
      code: "not-trusted",
      hint:
        login.password === undefined
          ? "Set manager.password in the site. After a restart the Manager wants it even if there is a key."
          : "Check manager.user and manager.password of the site. If only keys fail, log in by hand once: the Manager wants the password after its restart.",
    });
  if (error.level === "handshake")
    return fault(`no common ssh algorithms (${error.message})`, {
      hint: "If the Manager is old, set manager.oldAlgorithms: true in the site.",
    });
  const place = `${login.host}:${login.port}`;
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: `nothing listens on ${place}`,
    ENOTFOUND: `there is no host ${login.host}`,
    EAI_AGAIN: `the name ${login.host} cannot be resolved`,
    EHOSTUNREACH: `${place} cannot be reached`,
    ENETUNREACH: `${place} cannot be reached`,
    ETIMEDOUT: `no answer from ${place}`,
  };
  const why = words[error.code ?? ""] ?? `no connection to ${place}: ${error.message}`;
  return fault(why, {
    code: "no-connection",
    hint: "Is the Manager running, with its service ovmcli? `service ovmcli status` there tells.",
  });
}
