import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { Credentials } from "../../src/store/exchange/oci/credentials.ts";
import { parseReference } from "../../src/store/exchange/oci/reference.ts";
import { openRegistry, type Registry } from "../../src/store/exchange/oci/registry.ts";
import { cutAfter, type FaultServer, faultServer, serveRange } from "../fakes/fault-server.ts";

const somebody: Credentials = { user: "somebody", password: "open sesame", from: "config.json" };
const right = `Basic ${Buffer.from("somebody:open sesame").toString("base64")}`;
const blob = Buffer.from("a blob ".repeat(10_000));
const digest = `sha256:${createHash("sha256").update(blob).digest("hex")}` as const;
const limits = { silenceMs: 300, patienceMs: 900, slowMs: 600, slowBytes: 1000 };

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
    ["beside a Bearer whose realm is no address", ['Bearer realm="Sonatype Nexus", Basic realm="x"']],
  ])("%s gets the password", async (_, challenges) => {
    await using server = await faultServer((request, response) =>
      request.headers.authorization === right
        ? response.end()
        : response.writeHead(401, { "www-authenticate": challenges }).end(),
    );
    expect(await registryAt(server, somebody).hasBlob(digest)).toBe(true);
    const said = await refusal(registryAt(server).hasBlob(digest));
    expect(said).toContain("it wants a login");
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
  }, 60_000);

  it("says what was not accepted: the login at who gives tokens, or the token", async () => {
    await using tokens = await faultServer((request, response) =>
      request.headers.authorization === right
        ? response.end('{"token":"abc"}')
        : response.writeHead(401).end(),
    );
    await using server = await faultServer((_, response) =>
      response.writeHead(401, { "www-authenticate": `Bearer realm="http://${tokens.address}/"` }).end(),
    );
    const token = await refusal(registryAt(server, somebody).hasBlob(digest));
    expect(token).toContain(`it does not accept the token that ${tokens.address} gave`);
    expect(token).toContain("The login itself was accepted");
    const login = await refusal(registryAt(server, { ...somebody, password: "no" }).hasBlob(digest));
    expect(login).toContain(
      `${tokens.address}, which gives its tokens, does not accept the login of somebody`,
    );
    expect(await refusal(registryAt(server).hasBlob(digest))).toContain(
      "which gives its tokens, wants a login",
    );
  });

  it.each([
    [401, ["Negotiate"], "it asks for Negotiate, which tbuild does not support"],
    [401, ["NTLM, Negotiate"], "it asks for NTLM or Negotiate"],
    [401, [], "it wants a login and does not say which"],
    [403, [], "it forbids it, without asking for a login"],
  ])("by %i and %j is told what it is", async (status, challenges, words) => {
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

  it("that forbids something to who is logged in names them", async () => {
    await using server = await faultServer((request, response) =>
      request.headers.authorization
        ? response.writeHead(403).end()
        : response.writeHead(401, { "www-authenticate": "Basic" }).end(),
    );
    expect(await refusal(registryAt(server, somebody).hasBlob(digest))).toContain("somebody may not do that");
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
    expect(await refusal(all(registryAt(server)))).toMatch(/cannot be reached[\s\S]*nothing came for/);
  });

  it("is not fetched over http by a redirect, when https was asked", async () => {
    await using server = await faultServer((_, response) => response.end());
    const registry = openRegistry(parseReference(`${server.address}/a/b`), { limits });
    await expect(registry.hasBlob(digest)).rejects.toThrow(/does not support https/);
  });
});

it("tags come in pages, and what is no list of them is none", async () => {
  await using server = await faultServer((request, response) =>
    request.url?.includes("last=")
      ? response.end('{"tags":["1.1.0","stable"]}')
      : response
          .writeHead(200, { link: '</v2/team/ol6-sample/tags/list?n=1&last=1.0.0>; rel="next"' })
          .end('{"tags":["1.0.0"]}'),
  );
  expect(await registryAt(server).tags()).toEqual({ names: ["1.0.0", "1.1.0", "stable"] });
  for (const [status, body, link, lacking] of [
    [200, '{"tags":["1.0', "", "its answer is no list of tags"],
    [200, "<html>", "", "its answer is no list of tags"],
    [200, '{"tags":null}', "", undefined],
    [403, "denied", "", "403 Forbidden"],
    [404, "", "", "404 Not Found"],
    [405, "", "", "405 Method Not Allowed"],
    [200, '{"tags":[]}', '<http://other.invalid/more>; rel="next"', "its list goes on at other.invalid"],
  ] as const) {
    await using broken = await faultServer((_, response) =>
      response.writeHead(status, link ? { link } : {}).end(body),
    );
    expect(await registryAt(broken).tags()).toEqual({ names: [], ...(lacking && { lacking }) });
  }
});
