import { type SecureContext, TLSSocket } from "node:tls";
import type { Dispatcher } from "undici";
import { CertificateError } from "./http-exchange.ts";
import { reasonOf } from "./http-words.ts";
import type { ProxyFor } from "./proxies.ts";
import type { Limits } from "./stall-watch.ts";

export type { Dispatcher } from "undici";

/** How connections are made. */
export interface Connecting {
  readonly proxyFor?: ProxyFor;
  /** The trusted certificates for a host, and the client certificate to present. Default: Node's. */
  readonly contextOf?: (host: string) => Promise<SecureContext>;
  /**
   * The SHA-256 fingerprint (`AB:CD:…`) of the only certificate that is accepted from any server, whoever signed it and whatever
   * its name. It is compared before a request is sent. Not through a proxy.
   */
  readonly certificate?: string;
}

/** undici's connections, by server and proxy. */
export class Dispatchers implements AsyncDisposable {
  readonly #connecting: Connecting;
  readonly #limits: Limits;
  readonly #made = new Map<string, Promise<Dispatcher>>();
  readonly #alerts = new Map<string, Error>();

  constructor(connecting: Connecting, limits: Limits) {
    this.#connecting = connecting;
    this.#limits = limits;
  }

  for(url: URL): Promise<Dispatcher> {
    const key = this.#keyOf(url);
    let made = this.#made.get(key);
    if (!made) {
      made = makeDispatcher(url, this.#connecting, this.#limits, (error) =>
        this.#alerts.set(url.host, error),
      );
      this.#made.set(key, made);
    }
    return made;
  }

  /** What the server said by TLS before it closed a connection. */
  alertOf(url: URL): Error | undefined {
    return this.#alerts.get(url.host);
  }

  /** undici has no timeout for a proxy that does not answer CONNECT. */
  async forget(url: URL): Promise<void> {
    const key = this.#keyOf(url);
    const stuck = await this.#made.get(key);
    this.#made.delete(key);
    await stuck?.destroy().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = await Promise.allSettled(this.#made.values());
    await Promise.allSettled(all.map((one) => one.status === "fulfilled" && one.value.destroy()));
  }

  #keyOf(url: URL): string {
    return `${url.origin} ${this.#connecting.proxyFor?.(url)?.href ?? ""}`;
  }
}

async function makeDispatcher(
  url: URL,
  { proxyFor, contextOf, certificate }: Connecting,
  limits: Limits,
  onAlert: (error: Error) => void,
): Promise<Dispatcher> {
  const { Agent, buildConnector, Pool, ProxyAgent } = await import("undici");
  const proxy = proxyFor?.(url);
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
