import { STATUS_CODES } from "node:http";
import { Interrupted, TbuildError } from "../errors.ts";
import type { Dispatcher, Dispatchers } from "./http-dispatchers.ts";
import { type Answer, HttpError, type Question } from "./http-exchange.ts";
import { reasonOf } from "./http-words.ts";
import { type ProxyFor, shownProxy } from "./proxies.ts";
import type { Watch } from "./stall-watch.ts";

/** The settings for every request of a client. */
export interface Sending {
  readonly dispatchers: Dispatchers;
  readonly proxyFor: ProxyFor | undefined;
  readonly signal: AbortSignal | undefined;
}

const pieceBytes = 64 * 1024;

/** One request, and its answer up to the body. A redirect is an answer like any other. */
export async function sendOnce(sending: Sending, question: Question, watch: Watch): Promise<Answer> {
  const { dispatchers, proxyFor, signal } = sending;
  const { url, method, headers = {}, body } = question;
  const dispatcher = await dispatchers.for(url);
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
      throw new HttpError(url.host, "the proxy requires a user name and a password", { isFinal: true });
    }
    watch.moved(0);
    watch.pause();
    return answerOf(sending, url, headers.authorization, response, watch);
  } catch (error) {
    watch.end();
    if (stop.aborted && proxyFor?.(url)) await dispatchers.forget(url);
    if (signal?.aborted) throw new Interrupted();
    throw through(sending, stalled.aborted ? stalled.reason : error, url);
  }
}

/** Names the proxy if there was one: its faults are not the server's. */
function through({ dispatchers, proxyFor }: Sending, error: unknown, url: URL, isAnswered = false): unknown {
  if (error instanceof TbuildError || error instanceof Interrupted) return error;
  if (error instanceof HttpError && error.cause !== undefined) return error;
  const alert = dispatchers.alertOf(url);
  if (alert) return new HttpError(url.host, reasonOf(alert), { cause: alert });
  const proxy = proxyFor?.(url);
  const why = error instanceof HttpError ? error.message : reasonOf(error);
  return new HttpError(url.host, proxy ? `${why} (through the proxy ${shownProxy(proxy)})` : why, {
    cause: error,
    isAnswered,
    ...(error instanceof HttpError && { isFinal: error.isFinal }),
  });
}

function answerOf(
  sending: Sending,
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
    body: watched(sending, url, body, watch),
    drop() {
      // If nobody reads the response, its interruption is not an error.
      watch.end();
      body.on("error", () => {});
      body.dump({ limit: 64 * 1024 }).catch(() => {});
    },
  };
}

async function* watched(sending: Sending, url: URL, body: AsyncIterable<Uint8Array>, watch: Watch) {
  try {
    watch.wait();
    for await (const piece of body) {
      watch.moved(piece.length);
      watch.pause();
      yield piece;
      watch.wait();
    }
  } catch (error) {
    if (sending.signal?.aborted) throw new Interrupted();
    throw through(sending, error, url, true);
  } finally {
    watch.end();
  }
}

// In pieces, so that the sent bytes can be counted: otherwise the body would be one write.
async function* pieces(body: Uint8Array, watch: Watch): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < body.length; at += pieceBytes) {
    const piece = body.subarray(at, at + pieceBytes);
    yield piece;
    watch.moved(piece.length);
  }
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
