import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { TbuildError } from "../errors.ts";
import { reasonOf } from "../io/file-fault.ts";
import { type ManagerOptions, portOf } from "./options.ts";

/** A local file at an unguessable URL. */
export interface Served extends AsyncDisposable {
  readonly urls: readonly string[];
  /** Whether a file was requested. */
  wasAsked(): boolean;
}

/** Serves files by http to the Manager's servers, each under its own name, until it is closed. */
export async function serveFiles(
  files: Readonly<Record<string, string>>,
  options: Pick<ManagerOptions, "host" | "port" | "via" | "here">,
): Promise<Served> {
  const { here } = options;
  const address = here.address ?? (await ownAddress({ host: options.host, port: portOf(options) }));
  const secret = randomBytes(12).toString("hex");
  let asked = false;
  const server = createServer((request, response) => {
    const [, given, name = ""] = (request.url ?? "").split("/");
    const file = given === secret ? files[decoded(name)] : undefined;
    if (file !== undefined) asked = true;
    answer(file, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((done, failed) => {
    server.once("error", (cause: NodeJS.ErrnoException) =>
      failed(
        new TbuildError("environment", `cannot be served on: ${reasonOf(cause)}`, {
          subject: `port ${here.port ?? "any"}`,
          hint: "Choose another port in manager.here of the site.",
          cause,
        }),
      ),
    );
    // Listens on all addresses: behind a router, the address that servers see may not be one of this
    // machine's.
    server.listen(here.port ?? 0, address === "127.0.0.1" ? address : undefined, done);
  });
  const { port } = server.address() as AddressInfo;
  const at = address.includes(":") ? `[${address}]` : address;
  return {
    urls: Object.keys(files).map((name) => `http://${at}:${port}/${secret}/${encodeURIComponent(name)}`),
    wasAsked: () => asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

// Programs that fetch large files ask for their size first, and for the rest after a break.
async function answer(
  file: string | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method } = request;
  const found = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (file === undefined || !found?.isFile() || (method !== "GET" && method !== "HEAD")) {
    response.writeHead(404, { "content-length": 0 }).end();
    return;
  }
  const { size } = found;
  const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
  const start = from === undefined ? 0 : Number(from);
  if (start > 0 && start >= size) {
    response.writeHead(416, { "content-range": `bytes */${size}`, "content-length": 0 }).end();
    return;
  }
  response.writeHead(from === undefined ? 200 : 206, {
    "content-type": "application/octet-stream",
    "content-length": size - start,
    "accept-ranges": "bytes",
    ...(from !== undefined && { "content-range": `bytes ${start}-${size - 1}/${size}` }),
  });
  if (method === "HEAD") response.end();
  else
    createReadStream(file, { start })
      .on("error", () => response.destroy())
      .pipe(response);
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return "";
  }
}

/** The address from which this machine reaches another one. */
function ownAddress({ host, port }: { readonly host: string; readonly port: number }): Promise<string> {
  return new Promise((done, failed) => {
    const line = connect({ host, port, timeout: 20_000 });
    line.once("connect", () => {
      done((line.localAddress ?? "").replace(/^::ffff:/, ""));
      line.destroy();
    });
    const end = (cause?: Error) => {
      line.destroy();
      failed(
        new TbuildError("environment", "cannot be reached", {
          subject: `Oracle VM Manager ${host}:${port}`,
          code: "no-connection",
          cause,
        }),
      );
    };
    line.once("error", end);
    line.once("timeout", () => end());
  });
}

/** The hint if an import fails before any server has requested a file. */
export function notAsked({ urls }: Served): string {
  return `No server connected to ${new URL(urls[0] ?? "").origin}. Can the servers reach this machine there? Set manager.here in the site.`;
}
