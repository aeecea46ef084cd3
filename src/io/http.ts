import { STATUS_CODES } from "node:http";
import { type SecureContext, TLSSocket } from "node:tls";
import type { Dispatcher } from "undici";
import { Interrupted, TbuildError } from "../errors.ts";
import { type Answer, CertificateError, HttpError, type Question } from "./http-exchange.ts";
import { reasonOf } from "./http-words.ts";
import { type ProxyFor, shownProxy } from "./proxies.ts";
import { resumedBody } from "./resumed-body.ts";
import { retryAfterMs, waitBefore } from "./retry.ts";
import { type Limits, usualLimits, Watch } from "./watch.ts";

export {
  type Answer,
  CertificateError,
  ChangedError,
  HttpError,
  type Question,
  RefusedError,
} from "./http-exchange.ts";

export interface ClientOptions {
  readonly proxyFor?: ProxyFor;
  /** The trusted certificates for a host, and the client certificate to present. Default: Node's. */
  readonly contextOf?: (host: string) => Promise<SecureContext>;
  /**
   * The SHA-256 fingerprint (`AB:CD:…`) of the only certificate that is accepted from any server, whoever signed it and whatever
   * its name. It is compared before a request is sent. Not through a proxy.
   */
  readonly certificate?: string;
  readonly signal?: AbortSignal | undefined;
  /** Called every few seconds with what the client is waiting for. */
  readonly onWait?: (words: string) => void;
  readonly limits?: Partial<Limits>;
  /** Called before each request, including redirects. Returns headers for that URL only; throws if the request must not be sent. */
  readonly admit?: (url: URL) => Readonly<Record<string, string>>;
  /** Called with each refusal and the number of earlier calls. Return true to retry, for example after a login. */
  readonly again?: (answer: Answer, times: number) => Promise<boolean>;
}

/** The HTTP and HTTPS client for everything that tbuild requests. */
export interface Client extends AsyncDisposable {
  /** Sends a request and retries what may succeed later. Returns any response; throws `HttpError` if there is none. */
  ask(question: Question): Promise<Answer>;
  /**
   * The body of a GET. An interrupted transfer resumes where it stopped. `size` is the expected length in bytes, given for
   * content whose digest the caller checks. Throws `RefusedError` for any status but success, and `ChangedError` if the rest may
   * be of another file.
   */
  read(question: Omit<Question, "method">, size?: number): AsyncGenerator<Uint8Array>;
}

const mostHops = 10;
/** Statuses of a busy or failing server. */
const mostTries = 4;
const mostBusyTries = 8;
const busy = [429, 503];
const passing = [408, 425, 429, 500, 502, 503, 504];
const pieceBytes = 64 * 1024;

export function httpClient(options: ClientOptions = {}): Client {
  const limits = { ...usualLimits, ...options.limits };
  const { signal, onWait } = options;
  const dispatchers = new Map<string, Promise<Dispatcher>>();

  const alerts = new Map<string, Error>();
  const keyOf = (url: URL) => `${url.origin} ${options.proxyFor?.(url)?.href ?? ""}`;
  /** undici has no timeout for a proxy that does not answer CONNECT. */
  const forget = async (url: URL) => {
    const stuck = await dispatchers.get(keyOf(url));
    dispatchers.delete(keyOf(url));
    await stuck?.destroy().catch(() => {});
  };
  const dispatcherFor = (url: URL): Promise<Dispatcher> => {
    const proxy = options.proxyFor?.(url);
    const key = keyOf(url);
    let found = dispatchers.get(key);
    if (!found) {
      found = makeDispatcher(url, proxy, options, limits, (error) => alerts.set(url.host, error));
      dispatchers.set(key, found);
    }
    return found;
  };

  const watchFor = (url: URL) =>
    new Watch(limits, onWait && ((seconds) => onWait(`${url.host} has said nothing for ${seconds} s`)));

  /** One request, and the requests that it is redirected to. */
  async function follow(question: Question, watch: Watch): Promise<Answer> {
    let { url, method, body } = question;
    const seen = new Set<string>();
    for (;;) {
      const { authorization, ...headers } = question.headers ?? {};
      const own = url.origin === question.url.origin && authorization !== undefined ? { authorization } : {};
      const admitted = options.admit?.(url) ?? {};
      const answer = await once(
        { url, method, headers: { ...headers, ...own, ...admitted }, ...(body && { body }) },
        watch,
      );
      const location = answer.header("location");
      if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined) return answer;
      answer.drop();
      if (!URL.canParse(location, url.href))
        throw new HttpError(url.host, "redirects to what is no address", { isFinal: true });
      seen.add(`${method} ${url.href}`);
      url = new URL(location, url);
      if (!/^https?:$/.test(url.protocol))
        throw new HttpError(url.host, `redirects to a ${url.protocol} address`, { isFinal: true });
      if (question.isSecret && url.origin !== question.url.origin)
        throw new HttpError(question.url.host, `redirects a login to ${url.host}; nothing was sent there`, {
          isFinal: true,
        });
      if (answer.status === 303 && method !== "HEAD") [method, body] = ["GET", undefined];
      if (seen.has(`${method} ${url.href}`))
        throw new HttpError(question.url.host, "redirects in a circle", { isFinal: true });
      if (seen.size > mostHops)
        throw new HttpError(question.url.host, `redirects more than ${mostHops} times`, { isFinal: true });
    }
  }

  async function once(question: Question, watch: Watch): Promise<Answer> {
    const { url, method, headers = {}, body } = question;
    const dispatcher = await dispatcherFor(url);
    const stalled = watch.begin();
    const stop = signal ? AbortSignal.any([stalled, signal]) : stalled;
    try {
      const response = await unlessStopped(
        stop,
        dispatcher.request({
          origin: url.origin,
          path: `${url.pathname}${url.search}`,
          method,
          headers: { ...headers, ...(body && { "content-length": String(body.length) }) },
          ...(body && { body: pieces(body, watch) as never }),
          signal: stop,
          headersTimeout: 0,
          bodyTimeout: 0,
        }),
      );
      if (response.statusCode === 407) {
        response.body.on("error", () => {}).destroy();
        throw new HttpError(url.host, "the proxy wants a user name and a password", { isFinal: true });
      }
      watch.moved(0);
      watch.pause();
      return answerOf(url, headers.authorization, response, watch);
    } catch (error) {
      watch.end();
      if (stop.aborted && options.proxyFor?.(url)) await forget(url);
      if (signal?.aborted) throw new Interrupted();
      throw through(stalled.aborted ? stalled.reason : error, url);
    }
  }

  /** Names the proxy if there was one: its faults are not the server's. */
  function through(error: unknown, url: URL): unknown {
    if (error instanceof TbuildError || error instanceof Interrupted) return error;
    if (error instanceof HttpError && error.cause !== undefined) return error;
    const alert = alerts.get(url.host);
    if (alert) return new HttpError(url.host, reasonOf(alert), { cause: alert });
    const proxy = options.proxyFor?.(url);
    const why = error instanceof HttpError ? error.message : reasonOf(error);
    return new HttpError(url.host, proxy ? `${why} (through the proxy ${shownProxy(proxy)})` : why, {
      cause: error,
      ...(error instanceof HttpError && { isFinal: error.isFinal }),
    });
  }

  async function pauseFor(ms: number, watch: Watch): Promise<void> {
    watch.wait();
    const { setTimeout: sleep } = await import("node:timers/promises");
    await sleep(ms, undefined, signal ? { signal } : {}).catch(() => {
      throw new Interrupted();
    });
  }

  async function asked(question: Question, watch: Watch): Promise<Answer> {
    const { host } = question.url;
    let times = 0;
    for (let attempt = 1; ; attempt++) {
      let answer: Answer;
      try {
        answer = await follow(question, watch);
      } catch (error) {
        const wait = waitBefore(attempt);
        if (!(error instanceof HttpError) || error.isFinal || question.isOnce) throw error;
        if (attempt >= mostTries || watch.left() <= wait) throw error;
        await pauseFor(wait, watch);
        continue;
      }
      if (!passing.includes(answer.status) || question.isOnce) {
        const isAgain = !answer.ok && times < mostTries && (await askedAgain(answer, times));
        if (!isAgain) return answer;
        answer.drop();
        // A login is not a failed attempt.
        attempt--;
        times++;
        continue;
      }
      const told = retryAfterMs(answer.header("retry-after"), Date.now());
      const wait = told ?? waitBefore(attempt);
      const most = busy.includes(answer.status) ? mostBusyTries : mostTries;
      if (attempt >= most || wait >= watch.left()) return answer;
      answer.drop();
      if (wait >= 2000) onWait?.(`${host} is busy; asking again in ${Math.ceil(wait / 1000)} s`);
      await pauseFor(wait, watch);
    }
  }

  // A connection with an unread response would keep the process alive.
  async function askedAgain(answer: Answer, times: number): Promise<boolean> {
    try {
      return (await options.again?.(answer, times)) ?? false;
    } catch (error) {
      answer.drop();
      throw error;
    }
  }

  return {
    async ask(question) {
      return asked(question, watchFor(question.url));
    },

    read(question, size) {
      const watch = watchFor(question.url);
      return resumedBody(question, size, {
        watch,
        limits,
        ask: (one) => asked(one, watch),
        pauseFor: (ms) => pauseFor(ms, watch),
      });
    },

    async [Symbol.asyncDispose]() {
      const all = await Promise.allSettled(dispatchers.values());
      await Promise.allSettled(all.map((one) => one.status === "fulfilled" && one.value.destroy()));
    },
  };

  function answerOf(
    url: URL,
    authorization: string | undefined,
    response: Dispatcher.ResponseData,
    watch: Watch,
  ): Answer {
    const { statusCode: status, headers, body } = response;
    const all = (name: string) => [headers[name] ?? []].flat();
    const text = STATUS_CODES[status] ?? "";
    return {
      status,
      statusLine: `${status} ${text}`.trim(),
      ok: status >= 200 && status < 300,
      url,
      authorization,
      header: (name) => all(name)[0],
      headers: all,
      body: watched(url, body, watch),
      drop() {
        // If nobody reads the response, its interruption is not an error.
        watch.end();
        body.on("error", () => {});
        body.dump({ limit: 64 * 1024 }).catch(() => {});
      },
    };
  }

  async function* watched(url: URL, body: AsyncIterable<Uint8Array>, watch: Watch) {
    try {
      watch.wait();
      for await (const piece of body) {
        watch.moved(piece.length);
        watch.pause();
        yield piece;
        watch.wait();
      }
    } catch (error) {
      if (signal?.aborted) throw new Interrupted();
      throw through(error, url);
    } finally {
      watch.end();
    }
  }
}

// In pieces, so that what went can be counted: a body at once would be one write.
async function* pieces(body: Uint8Array, watch: Watch): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += pieceBytes) {
    const piece = body.subarray(at, at + pieceBytes);
    yield piece;
    watch.moved(piece.length);
  }
}

async function makeDispatcher(
  url: URL,
  proxy: URL | undefined,
  { contextOf, certificate }: ClientOptions,
  limits: Limits,
  onAlert: (error: Error) => void,
): Promise<Dispatcher> {
  const { Agent, buildConnector, Pool, ProxyAgent } = await import("undici");
  const tls = async (one: URL) =>
    one.protocol === "https:" && contextOf ? { secureContext: await contextOf(one.host) } : {};
  const connect = {
    ...(await tls(url)),
    timeout: limits.silenceMs,
    // A resumed session shows no certificate that could be compared.
    ...(certificate !== undefined && { rejectUnauthorized: false, maxCachedSessions: 0 }),
  };
  if (!proxy) {
    // undici reports only that a connection ended. Only the socket knows the server's alert; TLS 1.3 sends one for a missing
    // client certificate after the handshake.
    const open = buildConnector(connect);
    return new Agent({
      connect: (how, done) =>
        open(how, (...result) => {
          result[1]?.prependListener("error", (error: NodeJS.ErrnoException) => {
            if (error.code?.startsWith("ERR_SSL_")) onAlert(error);
          });
          const refused = certificate === undefined ? undefined : refusedBy(certificate, url, result[1]);
          if (refused) {
            result[1]?.destroy();
            done(refused, null);
          } else done(...result);
        }),
    });
  }
  const user = proxy.username === "" ? undefined : proxy;
  const password = (text: string) => decodeURIComponent(text);
  return new ProxyAgent({
    uri: proxy.origin,
    // For http, the proxy gets the full URL; for https, a CONNECT.
    proxyTunnel: url.protocol === "https:",
    ...(user && {
      token: `Basic ${Buffer.from(`${password(user.username)}:${password(user.password)}`).toString("base64")}`,
    }),
    requestTls: connect as never,
    proxyTls: { ...(await tls(proxy)), timeout: limits.silenceMs } as never,
    clientFactory(origin, more) {
      const pool = new Pool(origin, { ...more, headersTimeout: limits.silenceMs });
      const ask: (options: Dispatcher.ConnectOptions) => Promise<Dispatcher.ConnectData> =
        pool.connect.bind(pool);
      // undici would treat the socket's failure as its own connection's, and reconnect forever.
      const connectThrough = (how: Dispatcher.ConnectOptions) =>
        ask(how).catch((cause) => {
          throw Object.assign(new Error(reasonOf(cause), { cause }), { code: "TBUILD_PROXY" });
        });
      return Object.assign(pool, { connect: connectThrough as never });
    },
  });
}

function refusedBy(certificate: string, { host }: URL, socket: unknown): Error | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const shown = socket.getPeerCertificate().fingerprint256 ?? "none";
  return shown.toUpperCase() === certificate.toUpperCase() ? undefined : new CertificateError(host, shown);
}

/** undici ignores the signal until it is connected. */
function unlessStopped<T>(stop: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stopped = () => reject(stop.reason);
    stop.addEventListener("abort", stopped, { once: true });
    if (stop.aborted) stopped();
    work.then(resolve, reject).finally(() => stop.removeEventListener("abort", stopped));
  });
}
