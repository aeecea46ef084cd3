import { createReadStream } from "node:fs";
import { type IncomingMessage, request as plainRequest, type RequestOptions } from "node:http";
import { request as tlsRequest } from "node:https";
import type { Readable } from "node:stream";
import { connect as tlsConnect } from "node:tls";
import { fileURLToPath } from "node:url";
import { TbuildError } from "../errors.ts";

export interface DownloadOptions {
  /** `http://proxy:3128`. */
  readonly proxy?: string;
  readonly signal?: AbortSignal;
  /** How long nothing may come. */
  readonly idleMs?: number;
}

/** What a URL holds, as a stream. Follows redirects; whatever is in the way is an `environment` fault that says what. */
export async function download(url: string, options: DownloadOptions = {}): Promise<Readable> {
  if (url.startsWith("file:")) return opened(fileURLToPath(url));
  let here = url;
  for (let hops = 0; hops < 5; hops++) {
    const response = await answered(here, options);
    const { statusCode = 0, headers } = response;
    if (statusCode >= 200 && statusCode < 300) return response;
    response.resume();
    if (statusCode < 300 || statusCode >= 400 || headers.location === undefined)
      throw unreachable(url, `${statusCode} ${response.statusMessage ?? ""}`.trim());
    here = new URL(headers.location, here).href;
  }
  throw unreachable(url, "it goes on redirecting");
}

/** All of it. */
export async function downloadAll(url: string, options: DownloadOptions = {}): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of await download(url, options)) chunks.push(chunk as Buffer);
  } catch (error) {
    throw error instanceof TbuildError ? error : unreachable(url, reasonOf(error));
  }
  return Buffer.concat(chunks);
}

async function opened(path: string): Promise<Readable> {
  const stream = createReadStream(path);
  await new Promise<void>((resolve, reject) => {
    stream.once("open", () => resolve());
    stream.once("error", (error) => reject(unreachable(path, reasonOf(error))));
  });
  return stream;
}

async function answered(url: string, options: DownloadOptions): Promise<IncomingMessage> {
  const { proxy, signal, idleMs = 15_000 } = options;
  const secure = url.startsWith("https:");
  try {
    const common: RequestOptions = { ...(signal && { signal }), timeout: idleMs };
    const how = proxy === undefined ? common : await through(new URL(proxy), new URL(url), common);
    return await new Promise<IncomingMessage>((resolve, reject) => {
      const send = secure ? tlsRequest : plainRequest;
      const sent = proxy !== undefined && !secure ? plainRequest(how, resolve) : send(url, how, resolve);
      sent.once("timeout", () => sent.destroy(new Error(`nothing came for ${idleMs / 1000} s`)));
      sent.once("error", reject);
      sent.end();
    });
  } catch (error) {
    throw unreachable(url, `${reasonOf(error)}${proxy === undefined ? "" : ` (through ${proxy})`}`);
  }
}

// A proxy is asked for plain http by the whole URL, and for https to connect us through.
async function through(proxy: URL, target: URL, common: RequestOptions): Promise<RequestOptions> {
  const at = { host: proxy.hostname, port: proxy.port || 80 };
  if (target.protocol === "http:")
    return { ...common, ...at, path: target.href, headers: { host: target.host } };
  const to = `${target.hostname}:${target.port || 443}`;
  const socket = await new Promise<import("node:net").Socket>((resolve, reject) => {
    const asked = plainRequest({ ...common, ...at, method: "CONNECT", path: to, headers: { host: to } });
    asked.once("connect", (response, connection) =>
      response.statusCode === 200
        ? resolve(connection)
        : reject(new Error(`the proxy answers ${response.statusCode}`)),
    );
    asked.once("timeout", () => asked.destroy(new Error("the proxy does not answer")));
    asked.once("error", reject);
    asked.end();
  });
  return {
    ...common,
    agent: false,
    createConnection: () => tlsConnect({ socket, servername: target.hostname }),
  };
}

function unreachable(url: string, why: string): TbuildError {
  return new TbuildError("environment", `${url}: ${why}`);
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const words: Record<string, string> = {
    ENOTFOUND: "no such host",
    EAI_AGAIN: "the name cannot be resolved",
    ECONNREFUSED: "nobody listens there",
    ECONNRESET: "the connection was cut",
    ETIMEDOUT: "no answer",
    ENOENT: "no such file",
    ENETUNREACH: "the network cannot be reached",
  };
  return words[code ?? ""] ?? message;
}
