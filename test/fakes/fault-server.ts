import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface FaultServer extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** The requests, as `GET /path`, with their headers. */
  readonly asked: { readonly line: string; readonly headers: IncomingMessage["headers"] }[];
}

/** A server on the loopback that misbehaves as `handler` says. The number counts earlier requests. */
export async function faultServer(
  handler: (request: IncomingMessage, response: ServerResponse, before: number) => void,
): Promise<FaultServer> {
  const asked: FaultServer["asked"] = [];
  const server = createServer((request, response) => {
    const before = asked.push({ line: `${request.method} ${request.url}`, headers: request.headers }) - 1;
    handler(request, response, before);
    // A body that the handler does not read must not keep the connection busy.
    if (request.readableFlowing === null && request.listenerCount("readable") === 0) request.resume();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** Sends `data` and cuts the connection after `at` bytes. */
export function cutAfter(response: ServerResponse, data: Buffer, at: number): void {
  response.writeHead(200, { "content-length": data.length });
  response.write(data.subarray(0, at), () => setTimeout(() => response.destroy(), 10));
}

/** The answer of a server that supports ranges. */
export function serveRange(request: IncomingMessage, response: ServerResponse, data: Buffer): void {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const headers = { "content-length": data.length - from };
  if (from === 0) response.writeHead(200, headers);
  else
    response.writeHead(206, {
      ...headers,
      "content-range": `bytes ${from}-${data.length - 1}/${data.length}`,
    });
  response.end(data.subarray(from));
}
