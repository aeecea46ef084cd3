import { request as ask, createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { randomFrom } from "../fuzz/mutations.ts";

export interface UnreliableProxy extends AsyncDisposable {
  readonly address: string;
  /** How often each fault happened. */
  readonly faults: Readonly<Record<string, number>>;
}

/**
 * A proxy before a real registry, on the loopback. It requires tokens that last for a few requests, and fails about every
 * third request like real registries do. The seed decides how.
 */
export async function unreliableProxy(target: string, seed: number): Promise<UnreliableProxy> {
  const random = randomFrom(seed);
  const faults: Record<string, number> = {};
  const happens = (name: string) => {
    faults[name] = (faults[name] ?? 0) + 1;
  };
  let [token, uses] = [0, 0];

  const server = createServer((request, response) => {
    if (request.url?.startsWith("/token")) {
      uses = 0;
      return response.end(JSON.stringify({ token: `t${++token}` }));
    }
    if (request.headers.authorization !== `Bearer t${token}` || ++uses > 7) {
      if (token > 0) happens("expired");
      const realm = `Bearer realm="http://${request.headers.host}/token", Negotiate`;
      return refuse(request, response, 401, { "www-authenticate": realm });
    }
    const dice = random(1000) / 1000;
    if (dice < 0.06) {
      happens("429");
      return refuse(request, response, 429, { "retry-after": "0" });
    }
    if (dice < 0.1) {
      happens("503");
      return refuse(request, response, 503, { "retry-after": new Date(Date.now()).toUTCString() });
    }
    if (dice < 0.14) {
      happens("502");
      return refuse(request, response, 502, {});
    }
    if (dice < 0.18) {
      happens("cut");
      return request.socket.destroy();
    }
    const isCutUp = dice < 0.26 && request.method === "PUT";
    const isLost = dice >= 0.26 && dice < 0.34 && request.method === "PUT";
    const isCutDown = dice >= 0.18 && dice < 0.3 && request.method === "GET";
    return forward(request, response, { isCutUp, isLost, isCutDown });
  });

  function forward(
    request: IncomingMessage,
    response: ServerResponse,
    { isCutUp, isLost, isCutDown }: Record<"isCutUp" | "isLost" | "isCutDown", boolean>,
  ) {
    const { authorization: _, ...headers } = request.headers;
    const url = new URL(request.url ?? "/", `http://${target}`);
    const onward = ask(url, { method: request.method, headers }, (answer) => {
      if (isLost) {
        happens("answer lost");
        answer.resume();
        return request.socket.destroy();
      }
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      const most = isCutDown ? Number(answer.headers["content-length"] ?? 0) / 2 : Number.POSITIVE_INFINITY;
      let bytes = 0;
      answer.on("data", (piece: Buffer) => {
        bytes += piece.length;
        response.write(piece);
        if (bytes < most) return;
        happens("download cut");
        answer.destroy();
        response.destroy();
      });
      answer.on("end", () => response.end());
      answer.on("error", () => response.destroy());
      return answer;
    });
    onward.on("error", () => response.destroy());
    if (!isCutUp) return request.pipe(onward);
    const most = Number(request.headers["content-length"] ?? 0) / 2;
    let bytes = 0;
    return request.on("data", (piece: Buffer) => {
      bytes += piece.length;
      onward.write(piece);
      if (bytes < most) return;
      happens("upload cut");
      onward.destroy();
      request.destroy();
    });
  }

  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    faults,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: Record<string, string>,
) {
  request.resume();
  response.writeHead(status, headers).end();
}
