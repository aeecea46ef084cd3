import { createSecureContext } from "node:tls";
import { Interrupted, TbuildError } from "../../errors.ts";
import { sleep } from "../../host/wait-for.ts";
import { type Answer, CertificateError, type Client, HttpError, httpClient } from "../../io/http.ts";
import { atMost } from "../../io/parallel.ts";
import { hidden } from "../hidden.ts";
import { saysLocked } from "../locked.ts";

/** How to reach the REST API of 3.3 and later: `https://HOST:7002/ovm/core/wsapi/rest` (Web Services API Developer's Guide 3.3). */
export interface RestLogin {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: () => Promise<string>;
  /** SHA-256 fingerprint, `AB:CD:…`; the only certificate that is accepted. Managers sign theirs themselves. */
  readonly certificate?: string | undefined;
  readonly oldAlgorithms: boolean;
}

export interface RestOptions {
  readonly login: RestLogin;
  readonly signal?: AbortSignal | undefined;
  /** Told of each request that changes something, without its body. */
  readonly onCommand?: ((shown: string) => void) | undefined;
  readonly onWait?: ((words: string) => void) | undefined;
  readonly lockMs?: number;
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Asked {
  readonly query?: Query;
  readonly body?: Json;
  /** What of the body must not be shown: the Manager may repeat it. */
  readonly secrets?: readonly string[];
}

/** An id as the API writes it: `{"type": "com.oracle.ovm.mgr.ws.model.Vm", "value": "0004fb…", "name": "vm001"}`. */
export interface RestId {
  readonly value: string;
  readonly name: string;
}

export interface RestClient extends AsyncDisposable {
  readonly name: string;
  get(path: string): Promise<Json>;
  /** Starts a job and waits for its end; gives the id of what it made, if it made anything. */
  order(
    method: "POST" | "PUT" | "DELETE",
    path: string,
    asked: Asked,
    deadlineMs: number,
  ): Promise<string | undefined>;
}

/** So many objects are asked for at once. */
const mostReads = 8;
const mostBytes = 64 * 2 ** 20;

export function restClient(options: RestOptions): RestClient {
  const { login, signal, onCommand, onWait, lockMs = 300_000 } = options;
  const name = `Oracle VM Manager ${login.host}`;
  const base = `https://${login.host}:${login.port}/ovm/core/wsapi/rest`;
  // TLS 1.0 is all that Java 6 and 7 speak; a site allows it explicitly.
  const context = login.oldAlgorithms
    ? createSecureContext({ minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" })
    : createSecureContext();
  const client: Client = httpClient({
    contextOf: async () => context,
    certificate: login.certificate ?? "none is trusted",
    signal,
    ...(onWait && { onWait }),
  });
  let authorization: Promise<string> | undefined;
  const reading = atMost(mostReads);

  async function ask(
    method: "GET" | "POST" | "PUT" | "DELETE",
    path: string,
    { query = {}, body }: Asked,
  ): Promise<Json> {
    authorization ??= login
      .password()
      .then((password) => `Basic ${Buffer.from(`${login.user}:${password}`).toString("base64")}`);
    const url = new URL(`${base}${path}`);
    for (const [key, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(key, String(value));
    const shown = `${method} ${path}${url.search}`;
    if (method !== "GET") onCommand?.(shown);
    const answer = await client
      .ask({
        url,
        method,
        isOnce: method !== "GET",
        headers: {
          accept: "application/json",
          authorization: await authorization,
          ...(body !== undefined && { "content-type": "application/json" }),
        },
        ...(body !== undefined && { body: Buffer.from(JSON.stringify(body)) }),
      })
      .catch((error) => {
        throw unreachable(error, method !== "GET", shown);
      });
    const text = await textOf(answer, shown);
    if (answer.status === 401 || answer.status === 403)
      throw new TbuildError("environment", `refuses the login of ${login.user}`, {
        subject: name,
        code: "not-trusted",
        hint: "Check manager.user and manager.password of the site.",
      });
    const json = jsonIn(text);
    if (!answer.ok) throw refused(shown, faultIn(json) ?? [answer.statusLine]);
    if (json === undefined && text.trim() !== "")
      throw new TbuildError("environment", `its answer cannot be read: ${shown}`, {
        subject: name,
        code: method === "GET" ? "failed" : "outcome-unknown",
        hint: "Is this port the Manager's web service? It is 7002 on most Managers.",
      });
    return json ?? null;
  }

  async function textOf(answer: Answer, shown: string): Promise<string> {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const piece of answer.body) {
        bytes += piece.length;
        if (bytes > mostBytes)
          throw new TbuildError("integrity", `answers with more than ${mostBytes / 2 ** 20} MiB`, {
            subject: name,
          });
        pieces.push(piece);
      }
    } catch (error) {
      throw unreachable(error, true, shown);
    }
    return Buffer.concat(pieces).toString("utf8");
  }

  function unreachable(error: unknown, isSent: boolean, shown: string): unknown {
    if (error instanceof CertificateError) return untrusted(error.shown);
    if (!(error instanceof HttpError)) return error;
    const isRefused = (error.cause as { code?: unknown } | undefined)?.code === "ECONNREFUSED";
    const isUnknown = isSent && !isRefused && !error.isFinal;
    return new TbuildError("environment", `${error.message}: ${shown}`, {
      subject: name,
      cause: error,
      code: isUnknown ? "outcome-unknown" : "no-connection",
      hint: isUnknown
        ? "Whether the request was carried out is not known."
        : "Is the Manager running, and is manager.port that of its web service?",
    });
  }

  function untrusted(shown: string): TbuildError {
    const isNew = login.certificate === undefined;
    return new TbuildError(
      "environment",
      isNew
        ? "its certificate is not known yet"
        : "its certificate is not the one that is trusted; somebody may be in between",
      {
        subject: name,
        code: "not-trusted",
        lines: [...(isNew ? [] : [`trusted: ${login.certificate}`]), `${isNew ? "" : "shown:   "}${shown}`],
        hint: isNew
          ? "Compare it on the Manager; then run `tbuild manager trust`, or set manager.certificate in the site."
          : "If the certificate was renewed, run `tbuild manager trust`, or change manager.certificate in the site.",
      },
    );
  }

  function refused(shown: string, lines: readonly string[]): TbuildError {
    return new TbuildError("environment", `refused: ${shown}`, {
      subject: name,
      code: lines.some(saysLocked) ? "locked" : "failed",
      lines,
      hint: "The job in the Manager's web interface tells more.",
    });
  }

  /** Polls until `summaryDone`: a job is done when its child jobs are, too. */
  async function waited(first: Json, shown: string, deadlineMs: number): Promise<string | undefined> {
    const id = idIn(member(first, "id"))?.value;
    if (id === undefined) return undefined;
    const until = Date.now() + deadlineMs;
    for (let job = first, pause = 20; ; pause = Math.min(5000, pause * 1.5)) {
      if (member(job, "summaryDone") === true) {
        const state = member(job, "jobRunState");
        if (state === "SUCCESS") return idIn(member(job, "resultId"))?.value;
        throw refused(shown, faultIn(job) ?? [`The job ended as ${String(state)}.`]);
      }
      if (Date.now() >= until) throw await overdue(id, shown, deadlineMs);
      await sleep(Math.min(pause, Math.max(0, until - Date.now())), signal);
      if (signal?.aborted) throw new Interrupted();
      job = await ask("GET", `/Job/${encodeURIComponent(id)}`, {});
    }
  }

  /** A job can stay in progress forever (Concepts Guide 3.3, 8.1); then it has to be aborted, which frees the objects that it locks. */
  async function overdue(id: string, shown: string, deadlineMs: number): Promise<TbuildError> {
    const isAborted = await ask("PUT", `/Job/${encodeURIComponent(id)}/abort`, {}).then(
      () => true,
      () => false,
    );
    return new TbuildError("environment", `not done within ${Math.round(deadlineMs / 1000)} s: ${shown}`, {
      subject: name,
      code: "outcome-unknown",
      hint: isAborted
        ? `Job ${id} was aborted. Set manager.commandMinutes or manager.copyMinutes if it needs longer.`
        : `Job ${id} is still in progress, and could not be aborted. Abort it in the web interface.`,
    });
  }

  return {
    name,
    get: (path) => reading(() => ask("GET", path, {})),
    async order(method, path, asked, deadlineMs) {
      const shown = `${method} ${path}`;
      const until = Date.now() + lockMs;
      for (let attempt = 0; ; attempt++)
        try {
          return await waited(await ask(method, path, asked), shown, deadlineMs);
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

function withoutSecrets(error: unknown, secrets: readonly string[]): unknown {
  return error instanceof TbuildError && secrets.length > 0
    ? error.with({ lines: hidden(error.lines, secrets), cause: undefined })
    : error;
}

/** The fingerprint of the certificate that a server shows; nothing is sent to it. */
export async function certificateOf(login: RestLogin, signal?: AbortSignal): Promise<string> {
  await using client = httpClient({
    certificate: "none is trusted",
    signal,
    limits: { patienceMs: 20_000 },
    contextOf: async () => createSecureContext(login.oldAlgorithms ? { minVersion: "TLSv1" } : {}),
  });
  const url = new URL(`https://${login.host}:${login.port}/ovm/core/wsapi/rest/Manager`);
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

export function member(json: Json | undefined, key: string): Json | undefined {
  return json !== null && typeof json === "object" && !Array.isArray(json)
    ? (json as Readonly<Record<string, Json>>)[key]
    : undefined;
}

export function idIn(json: Json | undefined): RestId | undefined {
  const [value, name] = [member(json, "value"), member(json, "name")];
  return typeof value === "string" ? { value, name: typeof name === "string" ? name : "" } : undefined;
}

/** A failed request has `errorCode` and `message`, a failed job `error.message` (python-ovmclient). */
function faultIn(json: Json | undefined): string[] | undefined {
  const error = member(json, "error") ?? json;
  const said = [member(error, "errorCode"), member(error, "wsErrorCode"), member(error, "message")].filter(
    (one) => typeof one === "string" && one !== "",
  ) as string[];
  return said.length === 0 ? undefined : said.flatMap((one) => one.split(/\r?\n/)).filter(Boolean);
}

function jsonIn(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
