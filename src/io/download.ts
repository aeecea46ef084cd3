import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { Interrupted, TbuildError } from "../errors.ts";
import { ChangedError, HttpError, httpClient, RefusedError } from "./http.ts";
import { reasonOf } from "./http-words.ts";
import { type ProxyFor, proxyUrl } from "./proxies.ts";
import { systemContext } from "./system-certificates.ts";

export interface DownloadOptions {
  /** `http://proxy:3128`, which overrides the environment. */
  readonly proxy?: string;
  /** Used if `proxy` is not given. */
  readonly proxyFor?: ProxyFor;
  readonly signal?: AbortSignal;
  /** Files with certificates to trust besides Node's. Default: the system's. */
  readonly bundles?: readonly string[];
  /** The longest silence, in milliseconds. */
  readonly idleMs?: number;
}

/** Streams the content of a URL. Follows redirects. Throws an `environment` fault that says what went wrong. */
export async function download(url: string, options: DownloadOptions = {}): Promise<Readable> {
  if (url.startsWith("file:")) return opened(fileURLToPath(url));
  const { proxy, proxyFor, signal, bundles, idleMs } = options;
  let trusted: ReturnType<typeof systemContext> | undefined;
  const fixed = proxy === undefined ? undefined : proxyUrl(proxy, "proxy");
  const client = httpClient({
    signal,
    contextOf() {
      trusted ??= systemContext(bundles);
      return trusted;
    },
    ...(fixed ? { proxyFor: () => fixed } : proxyFor && { proxyFor }),
    ...(idleMs !== undefined && { limits: { silenceMs: idleMs, patienceMs: 2 * idleMs } }),
  });
  const body = bodyOf(url, client.read({ url: new URL(url) }));
  // Wait for the first piece, so that connection errors are thrown here.
  const first = await body.next();
  return Readable.from(
    (async function* () {
      if (first.done) return;
      yield first.value;
      yield* body;
    })(),
    { objectMode: false },
  );
}

/** The whole content. If it changes during the download, it is read again from the start. */
export async function downloadAll(url: string, options: DownloadOptions = {}): Promise<Buffer> {
  for (let tries = 1; ; tries++) {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of await download(url, options)) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    } catch (error) {
      const isChanged = error instanceof TbuildError && error.cause instanceof ChangedError;
      if (!isChanged || tries >= mostTries) throw error;
    }
  }
}

const mostTries = 3;

async function* bodyOf(url: string, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    if (error instanceof TbuildError || error instanceof Interrupted) throw error;
    if (error instanceof RefusedError) {
      error.answer.drop();
      throw unreachable(url, error.answer.statusLine);
    }
    if (!(error instanceof HttpError)) throw error;
    const { host, message } = error;
    throw unreachable(url, host === new URL(url).host ? message : `${host}: ${message}`, error);
  }
}

async function opened(path: string): Promise<Readable> {
  const stream = createReadStream(path);
  await new Promise<void>((resolve, reject) => {
    stream.once("open", () => resolve());
    stream.once("error", (error) => reject(unreachable(path, reasonOf(error))));
  });
  return stream;
}

function unreachable(url: string, why: string, cause?: unknown): TbuildError {
  return new TbuildError("environment", why, { subject: url, ...(cause !== undefined && { cause }) });
}
