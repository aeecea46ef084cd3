import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Certificate } from "./certificate.ts";
import { listening } from "./listening.ts";
import { type Asked, type Reply, route } from "./rest-routes.ts";
import { Refusal, type World } from "./world.ts";

/** The REST API of the simulated Manager, over TLS on a loopback port. */
export interface RestServer {
  readonly port: number;
  /** PEM. */
  readonly certificate: string;
  close(): Promise<void>;
}

export interface RestServerOptions {
  readonly port?: number;
  readonly certificate: Certificate;
  readonly onRequest?: (text: string) => void;
}

const base = "/ovm/core/wsapi/rest";
const mostBody = 2 ** 20;

export async function restServer(world: World, options: RestServerOptions): Promise<RestServer> {
  const server: Server = createServer(options.certificate, (request, response) => {
    void answer(world, request, response, options.onRequest).catch(() => response.destroy());
  });
  await listening(server, options.port);
  return {
    port: (server.address() as AddressInfo).port,
    certificate: options.certificate.cert,
    async close() {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
  onRequest: RestServerOptions["onRequest"],
): Promise<void> {
  const url = new URL(request.url ?? "/", "https://localhost");
  const { method = "GET" } = request;
  const send = ({ status, json }: Reply) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(json));
  };
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > mostBody) return send({ status: 413, json: { message: "The body is too large." } });
    pieces.push(piece);
  }
  const { user, password } = world.settings;
  const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  if (request.headers.authorization !== wanted)
    return send({ status: 401, json: { message: "Not authorized." } });
  // The address alone, without a resource, is an error (Web Services API Developer's Guide 3.3).
  if (!url.pathname.startsWith(`${base}/`)) return send({ status: 404, json: { message: "Not found." } });
  const path = url.pathname.slice(base.length).split("/").filter(Boolean).map(decodeURIComponent);
  onRequest?.(`${method} /${path.join("/")}${url.search}`);
  const fault = path[0] === "Job" ? undefined : world.fault(`rest ${method} ${path.join("/")}`);
  if (fault?.kind === "disconnects-before") return void response.destroy();
  if (fault?.kind === "garbage") {
    response.writeHead(200, { "content-type": "text/html" });
    return void response.end("<html>502 Bad Gateway</html>");
  }
  let body: unknown;
  try {
    body = bytes === 0 ? undefined : JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch {
    return send({ status: 400, json: { message: "The body is not JSON." } });
  }
  try {
    const asked: Asked = { method, path, query: url.searchParams, body };
    const reply = await route(world, asked);
    if (fault?.kind === "disconnects-after") return void response.destroy();
    if (fault?.kind === "no-id" && typeof reply.json === "object" && reply.json !== null)
      Object.assign(reply.json, { resultId: null });
    send(reply);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    send({ status: 400, json: { errorCode: error.code, message: error.message } });
  }
}
