import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { challengesIn } from "../../src/io/challenges.ts";
import { downloadAll } from "../../src/io/download.ts";
import { type ClientOptions, httpClient } from "../../src/io/http.ts";
import { proxiesOf } from "../../src/io/proxies.ts";
import { retryAfterMs } from "../../src/io/retry.ts";
import { cutAfter, type FaultServer, faultServer, serveRange } from "../fakes/fault-server.ts";

const data = randomBytes(300_000);
const quick = { silenceMs: 300, patienceMs: 900, slowMs: 600, slowBytes: 1000 };

async function read({ address }: FaultServer, options: ClientOptions = {}, size?: number): Promise<Buffer> {
  await using client = httpClient(options);
  const pieces: Uint8Array[] = [];
  for await (const piece of client.read({ url: new URL(`http://${address}/file`) }, size)) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function ask({ address }: FaultServer, options: ClientOptions = {}, body?: Uint8Array) {
  await using client = httpClient(options);
  const answer = await client.ask({
    url: new URL(`http://${address}/`),
    method: body ? "PUT" : "GET",
    ...(body && { body }),
  });
  answer.drop();
  return answer.status;
}

describe("a body that breaks off", () => {
  it.each([1, 10, 70_000, 299_999])("is resumed after %i bytes", async (at) => {
    await using server = await faultServer((request, response, before) =>
      before === 0 ? cutAfter(response, data, at) : serveRange(request, response, data),
    );
    expect((await read(server, {}, data.length)).equals(data)).toBe(true);
    expect(server.asked.length).toBe(2);
  });

  it("is read again if the server supports no ranges", async () => {
    await using server = await faultServer((_, response, before) =>
      before === 0 ? cutAfter(response, data, 100_000) : response.end(data),
    );
    expect((await read(server, {}, data.length)).equals(data)).toBe(true);
  });

  it("is given up if no more data comes", async () => {
    await using server = await faultServer((_, response) => cutAfter(response, data, 10));
    await expect(read(server, { limits: quick }, data.length)).rejects.toThrow(/the connection was cut/);
    expect(server.asked.length).toBeLessThan(6);
  });

  it("that another part is given for is refused", async () => {
    await using server = await faultServer((_, response, before) => {
      if (before === 0) return cutAfter(response, data, 1000);
      response.writeHead(206, { "content-range": `bytes 5-${data.length - 1}/${data.length}` });
      response.end(data.subarray(5));
    });
    await expect(read(server, {}, data.length)).rejects.toThrow(/sent another part/);
  });

  it("with another length than it must have is refused before it is read", async () => {
    await using server = await faultServer((_, response) => {
      response.writeHead(200, { "content-length": 10 }).end("0123456789");
    });
    await expect(read(server, {}, 11)).rejects.toThrow(/offers 10 bytes, but 11 were expected/);
  });
});

describe("a file that changes during its download", () => {
  const other = randomBytes(300_000);
  const old = { etag: '"1"', "last-modified": "Sun, 29 Nov 2026 10:00:00 GMT" };
  const cases: [string, Record<string, string>, Record<string, string>, "whole" | "part"][] = [
    ["says so by its ETag, in a whole answer", old, { ...old, etag: '"2"' }, "whole"],
    ["says so by its ETag, in a part", old, { ...old, etag: '"2"' }, "part"],
    ["says so by its time", { "last-modified": old["last-modified"] }, { "last-modified": "later" }, "part"],
    ["says so by a weak ETag", { etag: 'W/"1"' }, { etag: 'W/"2"' }, "whole"],
    ["is longer now", { etag: '"1"' }, { etag: '"1"', "content-range": "bytes 1000-400000/400001" }, "part"],
    ["says nothing and has other bytes", {}, {}, "whole"],
  ];
  it.each(cases)("is not mixed: it %s", async (_, first, second, how) => {
    await using server = await faultServer((request, response, before) => {
      for (const [name, value] of Object.entries(before === 0 ? first : second))
        response.setHeader(name, value);
      if (before === 0) return cutAfter(response, data, 1000);
      if (how === "whole") return response.end(other);
      const range = second["content-range"] ?? "bytes 1000-299999/300000";
      return response
        .writeHead(request.headers.range ? 206 : 200, { "content-range": range })
        .end(other.subarray(1000));
    });
    await expect(read(server)).rejects.toThrow("it changed during the download");
  });

  it("is read again from the start, where it is read as a whole", async () => {
    await using server = await faultServer((_, response, before) => {
      response.setHeader("etag", before === 0 ? '"1"' : '"2"');
      return before === 0 ? cutAfter(response, data, 1000) : response.end(other);
    });
    expect((await downloadAll(`http://${server.address}/`)).equals(other)).toBe(true);
  });

  it("starts again if the server sends the whole file instead of a range", async () => {
    await using server = await faultServer((_, response, before) =>
      before === 0 ? cutAfter(response, data, 100_000) : response.end(data),
    );
    expect((await read(server)).equals(data)).toBe(true);
    expect(server.asked.at(-1)?.headers.range).toBeUndefined();
  });
});

describe("a server that is slow", () => {
  it("or silent is not waited for forever, and the wait is reported", async () => {
    await using server = await faultServer(() => {});
    await expect(ask(server, { limits: quick })).rejects.toThrow(/received nothing for 0\.\d s/);
  });

  it("and silent within a body is not waited for either", async () => {
    await using server = await faultServer((_, response) => {
      response.writeHead(200, { "content-length": 100 }).write("abc");
    });
    await expect(read(server, { limits: quick }, 100)).rejects.toThrow(/received nothing for/);
  });

  it("because it drips byte by byte is given up", async () => {
    await using server = await faultServer((_, response) => {
      response.writeHead(200, { "content-length": 100_000 });
      const timer = setInterval(() => response.write("."), 20);
      response.on("close", () => clearInterval(timer));
    });
    await expect(
      read(server, { limits: { ...quick, silenceMs: 5000, patienceMs: 5000 } }, 100_000),
    ).rejects.toThrow(/received only \d+ bytes in [\d.]+ s/);
  });

  it("is not blamed for our own delays", async () => {
    await using server = await faultServer((request, response) => serveRange(request, response, data));
    await using client = httpClient({ limits: quick });
    let bytes = 0;
    for await (const piece of client.read({ url: new URL(`http://${server.address}/`) }, data.length)) {
      bytes += piece.length;
      if (bytes === piece.length) await new Promise((done) => setTimeout(done, 1200));
    }
    expect(bytes).toBe(data.length);
    expect(server.asked.length).toBe(1);
  });
});

describe("a server that is busy", () => {
  it.each([429, 503])("by %i is asked again when it says, in seconds or by a date", async (status) => {
    for (const when of ["1", new Date(Date.now() + 1000).toUTCString()]) {
      await using server = await faultServer((_, response, before) =>
        before === 0 ? response.writeHead(status, { "retry-after": when }).end() : response.end("ok"),
      );
      const begun = Date.now();
      expect(await ask(server)).toBe(200);
      expect(Date.now() - begun).toBeGreaterThan(status === 429 && when === "1" ? 950 : 200);
    }
  });

  it("for longer than we wait returns its answer immediately", async () => {
    await using server = await faultServer((_, response) =>
      response.writeHead(429, { "retry-after": "3600" }).end(),
    );
    expect(await ask(server)).toBe(429);
    expect(server.asked.length).toBe(1);
  });

  it.each([500, 502, 504])("or fails with %i is asked again, uploads too", async (status) => {
    await using server = await faultServer((_, response, before) =>
      response.writeHead(before < 2 ? status : 201).end(),
    );
    expect(await ask(server, {}, data)).toBe(201);
  });

  it("or refuses for good is asked once", async () => {
    await using server = await faultServer((_, response) => response.writeHead(404).end());
    expect(await ask(server)).toBe(404);
    expect(server.asked.length).toBe(1);
  });
});

it.each([
  ["7", 7000],
  ["0", 250],
  ["Sun, 06 Nov 1960 08:49:37 GMT", 250],
  ["Thu, 01 Jan 1970 00:01:00 GMT", 60_000],
  ["Thursday, 01-Jan-70 00:01:00 GMT", 60_000],
  ["Thu Jan  1 00:01:00 1970", 60_000],
  ["soon", undefined],
  ["-5", undefined],
  ["", undefined],
  [undefined, undefined],
])("Retry-After %j means %j ms", (text, ms) => expect(retryAfterMs(text, 0)).toBe(ms));

describe("redirects", () => {
  it.each([
    ["in a circle", () => "/", /redirects in a loop/],
    ["without end", (n: number) => `/${n}`, /redirects more than 10 times/],
    ["to a file", () => "file:///etc/passwd", /redirects to a file: address/],
    ["to what is not an address", () => "http://[", /redirects to an invalid address/],
  ])("%s are refused", async (_, to, words) => {
    await using server = await faultServer((_, response, before) =>
      response.writeHead(302, { location: to(before) }).end(),
    );
    await expect(ask(server)).rejects.toThrow(words);
  });

  it("give a password to no other host", async () => {
    await using other = await faultServer((_, response) => response.end());
    await using server = await faultServer((_, response) =>
      response.writeHead(307, { location: `http://${other.address}/there` }).end(),
    );
    await using client = httpClient();
    const headers = { authorization: "Basic c2VjcmV0" };
    (await client.ask({ url: new URL(`http://${server.address}/`), method: "GET", headers })).drop();
    expect(server.asked[0]?.headers.authorization).toBe(headers.authorization);
    expect(other.asked.map(({ line }) => line)).toEqual(["GET /there"]);
    expect(other.asked[0]?.headers.authorization).toBeUndefined();
  });
});

describe("proxies of the environment", () => {
  const proxy = (url: string, environment: Record<string, string>) =>
    proxiesOf((name) => environment[name])(new URL(url))?.href;
  const https = { HTTPS_PROXY: "http://proxy:3128" };

  it("are named in either case, lower case first, by scheme, and without a scheme of their own", () => {
    expect(proxy("https://a.example/", https)).toBe("http://proxy:3128/");
    expect(proxy("http://a.example/", https)).toBeUndefined();
    expect(proxy("https://a.example/", { ...https, https_proxy: "other:1" })).toBe("http://other:1/");
    expect(proxy("https://a.example/", { ...https, https_proxy: "" })).toBeUndefined();
    expect(proxy("http://a.example/", { HTTP_PROXY: "proxy:3128" })).toBe("http://proxy:3128/");
    expect(proxy("http://a.example/", { ALL_PROXY: "proxy:3128" })).toBe("http://proxy:3128/");
    expect(() => proxy("http://a.example/", { all_proxy: "socks5://u:secret@proxy" })).toThrow(
      /^all_proxy: socks5/,
    );
  });

  it.each([
    ["*", "a.example", true],
    ["example.com", "example.com", true],
    ["example.com", "a.example.com", true],
    ["example.com", "badexample.com", false],
    [".example.com", "a.example.com", true],
    ["*.example.com", "a.example.com", true],
    ["EXAMPLE.com.", "a.example.com", true],
    ["other, example.com", "a.example.com", true],
    ["other example.com", "a.example.com", true],
    ["example.com:443", "example.com", true],
    ["example.com:8443", "example.com", false],
    ["10.0.0.0/8", "10.20.30.40", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["192.168.*", "192.168.3.4", true],
    ["10.1.2.3", "10.1.2.3", true],
    ["fd00::/8", "[fd00::1]", true],
    ["[fd00::1]:443", "[fd00::1]", true],
    ["", "example.com", false],
    [",,", "example.com", false],
  ])("NO_PROXY %j and %s: direct is %s", (NO_PROXY, host, direct) => {
    expect(proxy(`https://${host}/`, { ...https, NO_PROXY }) === undefined).toBe(direct);
    expect(proxy(`https://${host}/`, { ...https, no_proxy: NO_PROXY }) === undefined).toBe(direct);
  });

  it("are not asked for this machine, unless they run on it", () => {
    expect(proxy("https://localhost:5000/", https)).toBeUndefined();
    expect(proxy("https://127.0.0.1:5000/", https)).toBeUndefined();
    expect(proxy("https://127.0.0.1:5000/", { https_proxy: "http://127.0.0.1:3128" })).toBeDefined();
  });

  it("are asked by the whole URL for http, with the password that they want", async () => {
    await using server = await faultServer((request, response) =>
      response.writeHead(request.headers["proxy-authorization"] ? 200 : 407).end(),
    );
    const through = (user: string) => ({
      proxyFor: proxiesOf((name) => (name === "http_proxy" ? `http://${user}${server.address}` : undefined)),
    });
    await using client = httpClient(through("me:p%40ss@"));
    const url = new URL("http://registry.invalid/v2/");
    const answer = await client.ask({ url, method: "GET" });
    answer.drop();
    expect(answer.status).toBe(200);
    expect(server.asked[0]?.line).toBe("GET http://registry.invalid/v2/");
    expect(server.asked[0]?.headers["proxy-authorization"]).toBe(
      `Basic ${Buffer.from("me:p@ss").toString("base64")}`,
    );
    await using without = httpClient(through(""));
    await expect(without.ask({ url, method: "GET" })).rejects.toThrow(
      `the proxy requires a user name and a password (through the proxy http://${server.address})`,
    );
  });

  it("are asked to connect for https, and one that refuses is named", async () => {
    await using server = await faultServer((_, response) => response.writeHead(403).end());
    const client = httpClient({ proxyFor: () => new URL(`http://${server.address}`), limits: quick });
    await expect(client.ask({ url: new URL("https://registry.invalid/"), method: "GET" })).rejects.toThrow(
      /through the proxy http:/,
    );
  });
});

describe("WWW-Authenticate", () => {
  it.each([
    [['Basic realm="here"'], [["basic", { realm: "here" }]]],
    [
      ['Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push"'],
      [["bearer", { realm: "https://a/t", service: "s", scope: "repository:a/b:pull,push" }]],
    ],
    [["bearer REALM=https://a/t , Service = s"], [["bearer", { realm: "https://a/t", service: "s" }]]],
    [
      ["Negotiate", 'Basic realm="x"'],
      [
        ["negotiate", {}],
        ["basic", { realm: "x" }],
      ],
    ],
    [
      ['Negotiate, Basic realm="x, y", Bearer realm="z"'],
      [
        ["negotiate", {}],
        ["basic", { realm: "x, y" }],
        ["bearer", { realm: "z" }],
      ],
    ],
    [
      ["Negotiate YWJj==, BASIC realm=x"],
      [
        ["negotiate", {}],
        ["basic", { realm: "x" }],
      ],
    ],
    [
      ['Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"'],
      [
        ["newauth", { realm: "apps", type: "1", title: 'Login to "apps"' }],
        ["basic", { realm: "simple" }],
      ],
    ],
    [
      ['Bearer realm="unended', 'Basic realm="x"'],
      [
        ["bearer", {}],
        ["basic", { realm: "x" }],
      ],
    ],
    [["Basic"], [["basic", {}]]],
    [[", ,Basic realm=x,"], [["basic", { realm: "x" }]]],
    [[""], []],
    [["=,;;,Basic"], [["basic", {}]]],
  ])("%j is read", (headers, expected) => {
    expect(challengesIn(headers).map(({ scheme, parameters }) => [scheme, parameters])).toEqual(expected);
  });
});
