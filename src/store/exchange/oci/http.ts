import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp,
} from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import type { SecureContext } from "node:tls";

export interface Question {
  readonly url: URL;
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface Answer {
  readonly status: number;
  readonly statusText: string;
  readonly ok: boolean;
  header(name: string): string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  /** For who does not read the body. */
  drop(): void;
}

export interface Client {
  /** Follows no redirect. What fails on the way is thrown as Node tells it. */
  ask(question: Question): Promise<Answer>;
}

const silenceMs = 300_000;

/** HTTP as registries speak it; `fetch` takes neither a certificate of one's own nor a client's. */
export function httpClient(
  contextOf: (host: string) => Promise<SecureContext>,
  signal: AbortSignal | undefined,
): Client {
  const http = new HttpAgent({ keepAlive: true });
  const agents = new Map<string, Promise<HttpsAgent>>();
  const agentFor = (host: string) => {
    const agent =
      agents.get(host) ??
      contextOf(host).then((secureContext) => new HttpsAgent({ keepAlive: true, secureContext }));
    agents.set(host, agent);
    return agent;
  };
  return {
    async ask({ url, method, headers = {}, body }) {
      const options = {
        method,
        headers: { ...headers, ...(body && { "content-length": String(body.length) }) },
        timeout: silenceMs,
        ...(signal && { signal }),
      };
      const request =
        url.protocol === "https:"
          ? requestHttps(url, { ...options, agent: await agentFor(url.host) })
          : requestHttp(url, { ...options, agent: http });
      return answerOf(await sent(request, body));
    },
  };
}

function sent(request: ClientRequest, body: Uint8Array | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", reject);
    request.on("timeout", () => request.destroy(new Error(`silent for ${silenceMs / 1000} s`)));
    request.end(body);
  });
}

function answerOf(message: IncomingMessage): Answer {
  const status = message.statusCode ?? 0;
  return {
    status,
    statusText: message.statusMessage ?? "",
    ok: status >= 200 && status < 300,
    header(name) {
      const value = message.headers[name];
      return Array.isArray(value) ? value.join(", ") : value;
    },
    body: message,
    drop() {
      // An answer that breaks off while nobody reads it is nobody's failure.
      message.on("error", () => {});
      message.resume();
    },
  };
}
