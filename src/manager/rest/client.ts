import { createSecureContext } from "node:tls";
import { Interrupted, TbuildError } from "../../errors.ts";
import { sleep } from "../../host/wait-for.ts";
import { type Answer, CertificateError, type Client, httpClient } from "../../io/http.ts";
import { atMost } from "../../io/parallel.ts";
import { hidden } from "../hide-secrets.ts";
import { faultsOf, type RestFaults } from "./faults.ts";
import { jobResult } from "./jobs.ts";
import { faultIn, type Json, jsonIn } from "./json.ts";
import { type Query, type RestLogin, urlOf } from "./login.ts";

export interface RestOptions {
  readonly login: RestLogin;
  readonly signal?: AbortSignal | undefined;
  /** Called with each request that changes something, without its body. */
  readonly onCommand?: ((shown: string) => void) | undefined;
  readonly onWait?: ((words: string) => void) | undefined;
  readonly lockMs?: number;
}

export interface Asked {
  readonly query?: Query;
  readonly body?: Json;
  /** The secrets in the body, to hide, because the Manager may repeat them. */
  readonly secrets?: readonly string[];
}

export interface RestClient extends AsyncDisposable {
  readonly name: string;
  get(path: string): Promise<Json>;
  /** Starts a job and waits for its end. Returns the id of the object that it made, if any. */
  order(
    method: "POST" | "PUT" | "DELETE",
    path: string,
    asked: Asked,
    deadlineMs: number,
  ): Promise<string | undefined>;
}

/** The number of objects in one request. */
const mostReads = 8;
const mostBytes = 64 * 2 ** 20;

export function restClient(options: RestOptions): RestClient {
  const { login, signal, onCommand, onWait, lockMs = 300_000 } = options;
  const name = `Oracle VM Manager ${login.host}`;
  const faults = faultsOf(name, login);
  const client = clientOf(options);
  let authorization: Promise<string> | undefined;
  const reading = atMost(mostReads);

  async function ask(
    method: "GET" | "POST" | "PUT" | "DELETE",
    path: string,
    { query = {}, body }: Asked = {},
  ): Promise<Json> {
    authorization ??= login
      .password()
      .then((password) => `Basic ${Buffer.from(`${login.user}:${password}`).toString("base64")}`);
    const url = urlOf(login, path, query);
    const shown = `${method} ${path}${url.search}`;
    const isRead = method === "GET";
    if (!isRead) onCommand?.(shown);
    const answer = await client
      .ask({
        url,
        method,
        isOnce: !isRead,
        headers: {
          accept: "application/json",
          authorization: await authorization,
          ...(body !== undefined && { "content-type": "application/json" }),
        },
        ...(body !== undefined && { body: Buffer.from(JSON.stringify(body)) }),
      })
      .catch((error) => {
        throw faults.unreachable(error, !isRead, shown);
      });
    const text = await textOf(answer, faults, shown);
    if (answer.status === 401 || answer.status === 403) throw faults.badLogin();
    const json = jsonIn(text);
    if (!answer.ok) throw faults.refused(shown, faultIn(json) ?? [answer.statusLine]);
    if (json === undefined && text.trim() !== "") throw faults.unreadable(isRead, shown);
    return json ?? null;
  }

  return {
    name,
    get: (path) => reading(() => ask("GET", path)),
    async order(method, path, asked, deadlineMs) {
      const shown = `${method} ${path}`;
      const until = Date.now() + lockMs;
      for (let attempt = 0; ; attempt++)
        try {
          const job = await ask(method, path, asked);
          return await jobResult({ name, faults, ask, signal }, job, shown, deadlineMs);
        } catch (error) {
          const isLocked = error instanceof TbuildError && error.code === "locked";
          if (!isLocked || Date.now() >= until) throw withoutSecrets(error, asked.secrets ?? []);
          onWait?.(`${name}: an object is locked; trying again`);
          await sleep(Math.min(10_000, 500 * 2 ** attempt), signal);
          if (signal?.aborted) throw new Interrupted();
        }
    },
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
    },
  };
}

function clientOf({ login, signal, onWait }: RestOptions): Client {
  // Java 6 and 7 support only TLS 1.0. The site must allow it explicitly.
  const context = login.oldAlgorithms
    ? createSecureContext({ minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" })
    : createSecureContext();
  return httpClient({
    contextOf: async () => context,
    certificate: login.certificate ?? "none is trusted",
    signal,
    ...(onWait && { onWait }),
  });
}

async function textOf(answer: Answer, faults: RestFaults, shown: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const piece of answer.body) {
      bytes += piece.length;
      if (bytes > mostBytes) throw faults.tooLarge(mostBytes);
      pieces.push(piece);
    }
  } catch (error) {
    throw faults.unreachable(error, true, shown);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function withoutSecrets(error: unknown, secrets: readonly string[]): unknown {
  return error instanceof TbuildError && secrets.length > 0
    ? error.with({ lines: hidden(error.lines, secrets), cause: undefined })
    : error;
}

/** The fingerprint of the certificate that a server presents. Nothing is sent to it. */
export async function certificateOf(login: RestLogin, signal?: AbortSignal): Promise<string> {
  await using client = httpClient({
    certificate: "none is trusted",
    signal,
    limits: { patienceMs: 20_000 },
    contextOf: async () => createSecureContext(login.oldAlgorithms ? { minVersion: "TLSv1" } : {}),
  });
  const url = urlOf(login, "/Manager", {});
  try {
    await client.ask({ url, method: "GET", isOnce: true });
  } catch (error) {
    if (error instanceof CertificateError) return error.shown;
    throw new TbuildError("environment", error instanceof Error ? error.message : String(error), {
      subject: `Oracle VM Manager ${login.host}`,
      code: "no-connection",
      cause: error,
    });
  }
  throw new Error("an unknown certificate was accepted");
}
