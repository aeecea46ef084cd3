import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { describe, expect, it } from "vitest";
import type { Credentials } from "../../src/store/exchange/oci/credentials.ts";
import { parseReference } from "../../src/store/exchange/oci/reference.ts";
import { openRegistry, type Registry } from "../../src/store/exchange/oci/registry.ts";
import { cutAfter, type FaultServer, faultServer, serveRange } from "../fakes/fault-server.ts";

const somebody: Credentials = { user: "somebody", password: "open sesame", from: "config.json" };
const right = `Basic ${Buffer.from("somebody:open sesame").toString("base64")}`;
const blob = Buffer.from("a blob ".repeat(10_000));
const digest = `sha256:${createHash("sha256").update(blob).digest("hex")}` as const;
// A busy machine takes its time, too.
const limits = { silenceMs: 1_000, patienceMs: 3_000, slowMs: 2_000, slowBytes: 1000 };

function registryAt({ address }: FaultServer, who?: Credentials): Registry {
  return openRegistry(parseReference(`${address}/team/ol6-sample`), {
    plainHttp: true,
    limits,
    lookedIn: "config.json",
    ...(who && { credentials: async () => who }),
  });
}

async function refusal(act: Promise<unknown>): Promise<string> {
  const error = await act.then(
    () => expect.fail("it did not fail"),
    (error) => error,
  );
  expect(error).toMatchObject({ name: "TbuildError", fault: "environment" });
  const said = [error.message, ...error.lines, error.hint].join("\n");
  expect(said).not.toContain("open sesame");
  return said;
}

async function all(registry: Registry, size = blob.length): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of registry.readBlob(digest, size)) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe("a registry that wants a login", () => {
  it.each([
    ["Basic alone", ['Basic realm="x"']],
    ["oddly spelled", ["bASIC REALM = x"]],
    ["behind what is not supported", ["Negotiate", 'Basic realm="x"']],
    ["in one header with it", ['Negotiate YWJj==, NTLM, Basic realm="a, b"']],
    ["beside a Bearer whose realm is not an address", ['Bearer realm="Sonatype Nexus", Basic realm="x"']],
  ])("%s gets the password", async (_, challenges) => {
    await using server = await faultServer((request, response) =>
      request.headers.authorization === right
        ? response.end()
        : response.writeHead(401, { "www-authenticate": challenges }).end(),
    );
    expect(await registryAt(server, somebody).hasBlob(digest)).toBe(true);
    const said = await refusal(registryAt(server).hasBlob(digest));
    expect(said).toContain("it requires a login");
    expect(said).toContain("no password for");
    expect(said).not.toMatch(/wrong|expired/);
    const wrong = await refusal(registryAt(server, { ...somebody, password: "no" }).hasBlob(digest));
    expect(wrong).toContain("it does not accept the user name and password");
  });

  it("by a token gives it for the password, and Basic is tried where there is none", async () => {
    await using tokens = await faultServer((request, response) =>
      request.url?.startsWith("/none")
        ? response.writeHead(500).end()
        : response
            .writeHead(request.headers.authorization === right ? 200 : 401)
            .end(JSON.stringify({ access_token: "abc" })),
    );
    for (const path of ["token", "none"]) {
      await using server = await faultServer((request, response) =>
        request.headers.authorization === (path === "token" ? "Bearer abc" : right)
          ? response.end()
          : response
              .writeHead(401, {
                "www-authenticate": `Bearer Realm=http://${tokens.address}/${path}, service=s, Basic realm=x`,
              })
              .end(),
      );
      expect(await registryAt(server, somebody).hasBlob(digest)).toBe(true);
    }
    expect(tokens.asked[0]?.line).toContain("/token?service=s&scope=repository");
  });

  it("says what was refused: the login at the token server, or the token", async () => {
    await using tokens = await faultServer((request, response) =>
      request.headers.authorization === right
        ? response.end('{"token":"abc"}')
        : response.writeHead(401).end(),
    );
    await using server = await faultServer((_, response) =>
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${tokens.address}/"` }).end(),
    );
    const token = await refusal(registryAt(server, somebody).hasBlob(digest));
    expect(token).toContain(`it does not accept the token from ${tokens.address}`);
    expect(token).toContain("The login itself was accepted");
    const login = await refusal(registryAt(server, { ...somebody, password: "no" }).hasBlob(digest));
    expect(login).toContain(`its token server, ${tokens.address}, does not accept the login of somebody`);
    expect(await refusal(registryAt(server).hasBlob(digest))).toContain(", requires a login");
  });

  it.each([
    [401, ["Negotiate"], "it asks for Negotiate, which tbuild does not support"],
    [401, ["NTLM, Negotiate"], "it asks for NTLM or Negotiate"],
    [401, [], "it requires a login, but does not say which kind"],
    [403, [], "it refuses without asking for a login"],
  ])("by %i and %j gets an explanation", async (status, challenges, words) => {
    await using server = await faultServer((_, response) =>
      response
        .writeHead(status, challenges.length > 0 ? { "www-authenticate": challenges } : {})
        .end("denied"),
    );
    for (const who of [undefined, somebody]) {
      const said = await refusal(registryAt(server, who).getManifest("1.0.0"));
      expect(said).toContain(words);
      expect(said).not.toMatch(/password is wrong|wrong or/);
    }
    expect(server.asked.every(({ headers }) => headers.authorization === undefined)).toBe(true);
  });

  it("that forbids something to a logged-in user names the user", async () => {
    await using server = await faultServer((request, response) =>
      request.headers.authorization
        ? response.writeHead(403).end()
        : response.writeHead(401, { "www-authenticate": "Basic" }).end(),
    );
    expect(await refusal(registryAt(server, somebody).hasBlob(digest))).toContain(
      "somebody has no permission for that",
    );
  });
});

describe("a blob", () => {
  it("that breaks off is whole in the end", async () => {
    await using server = await faultServer((request, response, before) =>
      before < 2 ? cutAfter(response, blob, 30_000) : serveRange(request, response, blob),
    );
    expect((await all(registryAt(server))).equals(blob)).toBe(true);
  });

  it("that is another one, or of another length, is refused", async () => {
    const other = Buffer.from(blob);
    other[100] = 1;
    await using server = await faultServer((request, response) => serveRange(request, response, other));
    await expect(all(registryAt(server))).rejects.toThrow(/returned different content for sha256/);
    await expect(all(registryAt(server), blob.length + 1)).rejects.toMatchObject({ fault: "integrity" });
  });

  it("of a registry that is busy for long names how long", async () => {
    await using server = await faultServer((_, response) =>
      response.writeHead(429, { "retry-after": "7200" }).end("toomanyrequests"),
    );
    const said = await refusal(all(registryAt(server)));
    expect(said).toContain("is too busy for the download");
    expect(said).toContain("in 2 hours");
  });

  it("of a registry that is silent is not waited for", async () => {
    await using server = await faultServer(() => {});
    expect(await refusal(all(registryAt(server)))).toMatch(/does not answer[\s\S]*received nothing for/);
  });

  it.each([
    [
      "ends before its end",
      (response) => response.writeHead(200, { "transfer-encoding": "chunked" }).end("half"),
    ],
    ["leads in a circle", (response, url) => response.writeHead(307, { location: url }).end()],
    ["leads to a file", (response) => response.writeHead(307, { location: "file:///etc/passwd" }).end()],
  ] satisfies [string, (response: ServerResponse, url: string) => void][])(
    "that %s is not called one that cannot be reached",
    async (_what, answer) => {
      await using server = await faultServer((request, response) => answer(response, request.url ?? "/"));
      const said = await refusal(all(registryAt(server)));
      expect(said).toContain("sent no usable answer");
      expect(said).not.toMatch(/the port|: redirects/);
    },
  );

  it("is not fetched over http by a redirect, when https was asked", async () => {
    await using server = await faultServer((_, response) => response.end());
    const registry = openRegistry(parseReference(`${server.address}/a/b`), { limits });
    await expect(registry.hasBlob(digest)).rejects.toThrow(/does not support https/);
  });
});

it("tags come in pages, and what is not a list of them is none", async () => {
  await using server = await faultServer((request, response) =>
    request.url?.includes("last=")
      ? response.end('{"tags":["1.1.0","stable"]}')
      : response
          .writeHead(200, { link: '</v2/team/ol6-sample/tags/list?n=1&last=1.0.0>; rel="next"' })
          .end('{"tags":["1.0.0"]}'),
  );
  expect(await registryAt(server).tags()).toEqual({ names: ["1.0.0", "1.1.0", "stable"] });
  for (const [status, body, link, lacking] of [
    [200, '{"tags":["1.0', "", "its answer is not a list of tags"],
    [200, "<html>", "", "its answer is not a list of tags"],
    [200, '{"tags":null}', "", undefined],
    [403, "denied", "", "403 Forbidden"],
    [404, "", "", "404 Not Found"],
    [405, "", "", "405 Method Not Allowed"],
    [200, '{"tags":[]}', '<http://other.invalid/more>; rel="next"', "its list continues at other.invalid"],
  ] as const) {
    await using broken = await faultServer((_, response) =>
      response.writeHead(status, link ? { link } : {}).end(body),
    );
    expect(await registryAt(broken).tags()).toEqual({ names: [], ...(lacking && { lacking }) });
  }
});

describe("a token", () => {
  /** Gives `token1`, `token2` …, and says which scopes were asked for. */
  const tokenServer = async (scopes: string[][]) =>
    await faultServer((request, response, before) => {
      scopes.push(new URL(request.url ?? "", "http://here").searchParams.getAll("scope"));
      response.end(JSON.stringify({ token: `token${before + 1}` }));
    });
  const challenge = (address: string, more = "") => ({
    "www-authenticate": `Bearer realm="http://${address}/token",service="s",scope="repository:team/ol6-sample:pull,push"${more}`,
  });

  it("that expires during a download is replaced, and the download goes on", async () => {
    await using tokens = await tokenServer([]);
    await using server = await faultServer((request, response, before) => {
      const wanted = before < 2 ? "Bearer token1" : "Bearer token2";
      if (request.headers.authorization !== wanted)
        return response.writeHead(401, challenge(tokens.address)).end();
      return before < 3 ? cutAfter(response, blob, 30_000) : serveRange(request, response, blob);
    });
    expect((await all(registryAt(server, somebody))).equals(blob)).toBe(true);
    expect(tokens.asked).toHaveLength(2);
    expect(server.asked.at(-1)?.headers.range).toBe("bytes=30000-");
  });

  it("that expires between the two requests of an upload is replaced", async () => {
    await using tokens = await tokenServer([]);
    const received: number[] = [];
    await using server = await faultServer(async (request, response) => {
      const wanted = request.method === "POST" ? "Bearer token1" : "Bearer token2";
      const bytes = await sizeOf(request);
      if (request.headers.authorization !== wanted)
        return response.writeHead(401, challenge(tokens.address)).end();
      received.push(bytes);
      return request.method === "POST"
        ? response.writeHead(202, { location: "/up" }).end()
        : response.writeHead(201).end();
    });
    await registryAt(server, somebody).putBlob(digest, blob);
    expect(received).toEqual([0, blob.length]);
  });

  it("for less than a request needs is replaced by one for both, also after a 403", async () => {
    for (const status of [401, 403]) {
      const scopes: string[][] = [];
      await using tokens = await tokenServer(scopes);
      await using server = await faultServer((request, response) => {
        const isWrite = request.method === "POST";
        const { authorization } = request.headers;
        if (authorization === "Bearer token2" || (authorization === "Bearer token1" && !isWrite))
          return response.writeHead(isWrite ? 201 : 200).end();
        const actions = isWrite ? "push,pull" : "pull";
        const more = isWrite ? " repository:team/ol6-base:pull" : "";
        return response
          .writeHead(isWrite && authorization ? status : 401, {
            "www-authenticate": `Bearer realm="http://${tokens.address}/",scope="repository:team/ol6-sample:${actions}${more}",error="insufficient_scope"`,
          })
          .end();
      });
      const registry = registryAt(server, somebody);
      expect(await registry.hasBlob(digest)).toBe(true);
      expect(await registry.mountBlob(digest, "team/ol6-base")).toBe(true);
      expect(scopes).toEqual([
        ["repository:team/ol6-sample:pull"],
        ["repository:team/ol6-sample:pull,push", "repository:team/ol6-base:pull"],
      ]);
    }
  });

  it("or a password that another request has just got is used by all", async () => {
    await using server = await faultServer((request, response) =>
      request.headers.authorization === right
        ? response.end()
        : setTimeout(() => response.writeHead(401, { "www-authenticate": "Basic" }).end(), 50),
    );
    const registry = registryAt(server, somebody);
    expect(await Promise.all([1, 2, 3].map(() => registry.hasBlob(digest)))).toEqual([true, true, true]);
  });

  it("is not asked for over http when https was asked, and a login goes to no other server", async () => {
    await using elsewhere = await faultServer((_, response) => response.end('{"token":"abc"}'));
    await using tokens = await faultServer((_, response) =>
      response.writeHead(307, { location: `http://${elsewhere.address}/` }).end(),
    );
    await using server = await faultServer((_, response) =>
      response.writeHead(401, challenge(tokens.address)).end(),
    );
    const who = { ...somebody, isRefreshToken: true };
    const said = await refusal(registryAt(server, who).hasBlob(digest));
    expect(said).toContain(`redirects a login to ${elsewhere.address}; nothing was sent there`);
    expect(elsewhere.asked).toEqual([]);
  });
});

describe("an upload", () => {
  it.each([
    ["a path", () => "/v2/up?state=a%2Bb%20c+d~", "/v2/up?state=a%2Bb%20c+d~&digest="],
    ["relative to the request", () => "17?x", "/v2/team/ol6-sample/blobs/uploads/17?x&digest="],
    ["an address without a scheme", (address: string) => `//${address}/up`, "/up?digest="],
    ["an address", (address: string) => `http://${address}/up?a=1`, "/up?a=1&digest="],
  ])("whose place is %s arrives there, with the query as it was given", async (_, location, wanted) => {
    await using server = await faultServer((request, response) =>
      request.method === "POST"
        ? response.writeHead(202, { location: location(request.headers.host ?? "") }).end()
        : response.writeHead(201).end(),
    );
    await registryAt(server).putBlob(digest, blob);
    expect(server.asked.at(-1)?.line).toBe(`PUT ${wanted}${encodeURIComponent(digest)}`);
  });

  it("at another server is made there, without the login", async () => {
    await using storage = await faultServer((_, response) => response.writeHead(201).end());
    await using server = await faultServer((request, response) =>
      request.headers.authorization === right
        ? response.writeHead(202, { location: `http://${storage.address}/up` }).end()
        : response.writeHead(401, { "www-authenticate": "Basic" }).end(),
    );
    await registryAt(server, somebody).putBlob(digest, blob);
    expect(storage.asked[0]?.headers.authorization).toBeUndefined();
  });

  it.each([
    ["names none", {}, "refused an upload|returned no address"],
    ["names what is not an address", { location: "http://[" }, "returned no address for the upload"],
  ])("whose answer %s is refused", async (_, headers, words) => {
    await using server = await faultServer((_, response) => response.writeHead(202, headers).end());
    expect(await refusal(registryAt(server).putBlob(digest, blob))).toMatch(new RegExp(words));
  });

  it("that breaks off or is gone starts again as another one", async () => {
    const places: string[] = [];
    await using server = await faultServer((request, response) => {
      if (request.method === "HEAD") return response.writeHead(404).end();
      if (request.method === "POST")
        return response.writeHead(202, { location: `/up${places.push("") - 1}` }).end();
      if (request.url?.startsWith("/up0")) return request.socket.destroy();
      return response.writeHead({ 1: 404, 2: 416 }[Number(request.url?.[3])] ?? 201).end();
    });
    await registryAt(server).putBlob(digest, blob);
    expect(places).toHaveLength(4);
  });

  it("whose answer is lost is not made twice", async () => {
    let isThere = false;
    await using server = await faultServer(async (request, response) => {
      if (request.method === "HEAD") return response.writeHead(isThere ? 200 : 404).end();
      if (request.method === "POST") return response.writeHead(202, { location: "/up" }).end();
      isThere = (await sizeOf(request)) === blob.length;
      return request.socket.destroy();
    });
    await registryAt(server).putBlob(digest, blob);
    expect(server.asked.filter(({ line }) => line.startsWith("PUT"))).toHaveLength(1);
  });

  it("is not begun where another repository has the blob; where it has not, the upload that began is ended", async () => {
    for (const isMounted of [true, false]) {
      await using server = await faultServer((_, response) =>
        isMounted
          ? response.writeHead(201).end()
          : response.writeHead(202, { location: "/up?state=1" }).end(),
      );
      expect(await registryAt(server).mountBlob(digest, "team/ol6-base")).toBe(isMounted);
      expect(server.asked.map(({ line }) => line)).toEqual([
        `POST /v2/team/ol6-sample/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=team%2Fol6-base`,
        ...(isMounted ? [] : ["DELETE /up?state=1"]),
      ]);
    }
  });
});

async function sizeOf(request: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0;
  for await (const piece of request) bytes += piece.length;
  return bytes;
}
