import ssh2, { type Algorithms, type AnyAuthMethod, type ConnectConfig } from "ssh2";
import { Interrupted, TbuildError } from "../../../errors.ts";
import { fingerprint } from "./fingerprint.ts";
import { type Login, nameOf } from "./login.ts";

const connectMs = 20_000;

// Old Managers have the keys and ciphers of their old Java. The site must allow them explicitly.
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

/** An ssh connection that is logged in. */
export function openSsh(
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
      // ssh2 accepts more forms of this than its types allow.
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
 * Key first, then the password once: as `password` or, if the server does not offer that,
 * `keyboard-interactive`. After a login with a key, the Manager may still ask for the password (Command Line
 * Interface User's Guide 3.2 and 3.3, vmcli-ssh-key).
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

function connectFault(login: Login, error: Error & { level?: string; code?: string }): TbuildError {
  const fault = (what: string, details: { hint?: string; code?: "no-connection" | "not-trusted" }) =>
    new TbuildError("environment", what, { subject: nameOf(login), cause: error, ...details });
  if (error.level === "client-authentication")
    return fault(`refuses the login of ${login.user}`, {
      code: "not-trusted",
      hint:
        login.password === undefined
          ? "Set manager.password in the site. After its restart, the Manager asks for it even if there is a key."
          : "Check manager.user and manager.password of the site. If only the key fails, log in by hand once: after its restart, the Manager asks for the password.",
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
    hint: "Is the Manager running, with its service ovmcli? Check there with: service ovmcli status",
  });
}
