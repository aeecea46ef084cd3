import { createSign } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:https";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { downloadAll } from "../../src/io/download.ts";
import { folderStore } from "../../src/store/folder/folder-store.ts";
import { noise, write } from "../disk-sample.ts";
import { connectProxy } from "../fakes/connect-proxy.ts";
import { type DockerRegistry, freePort, startRegistry } from "../fakes/docker-registry.ts";
import { missing } from "../fakes/missing.ts";
import { sampleManifest } from "../manifest-sample.ts";

const lacking = missing("docker-registry", "openssl");
const host = localHost();
const tbuild = resolve(import.meta.dirname, "../../dist/bin/main.js");
const password = "open sesame";
const htpasswd = "somebody:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";

// The real thing: the command, Docker's folder, and Debian's registries with a certificate and a password.
describe.skipIf(lacking)(`the way into a registry${lacking === undefined ? "" : ` (${lacking})`}`, () => {
  let folder: string;
  let docker: string;
  let registry: DockerRegistry | undefined;
  let tls: Tls;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-access-"));
    tls = await makeTls(folder);
    const store = folderStore(host, join(folder, "home/store"));
    const image = join(folder, "disk.img");
    await writeFile(image, "");
    await truncate(image, 4 * 2 ** 20);
    await write(image, noise("access", 2 ** 20), 2 ** 20);
    await store.publish(sampleManifest(await store.putDisk(image, "System")));
    await writeFile(join(folder, "htpasswd"), htpasswd);
  });
  beforeEach(async () => {
    docker = await mkdtemp(join(folder, "docker-"));
  });
  afterEach(async () => {
    await registry?.stop();
    registry = undefined;
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function start(auth = "", how = ""): Promise<string> {
    registry = await startRegistry(await mkdtemp(join(folder, "registry-")), auth, how);
    return registry.address;
  }

  /** `tbuild template push`, with Docker's folder and the helpers of this test. */
  async function push(address: string, { plain = false, env = {} as Record<string, string> } = {}) {
    const places = ["--home", join(folder, "home"), "--recipes", join(folder, "repo/recipes")];
    const argv = [process.execPath, tbuild, ...places, "template", "push", "ol6-sample", `${address}/team`];
    const { exitCode, stdout, stderr } = await host.run([...argv, ...(plain ? ["--plain-http"] : [])], {
      allow: [2, 3, 5],
      env: { DOCKER_CONFIG: docker, PATH: `${docker}:${process.env.PATH}`, ...env },
    });
    expect(stdout + stderr).not.toContain(password);
    expect(stdout + stderr).not.toContain(Buffer.from(`somebody:${password}`).toString("base64"));
    return { exitCode, said: stdout + stderr };
  }

  const config = (value: unknown) => writeFile(join(docker, "config.json"), JSON.stringify(value));
  const kept = (user: string, word: string) => ({ auth: Buffer.from(`${user}:${word}`).toString("base64") });

  describe("by its certificate", () => {
    const leaf = () => `{ certificate: ${tls.certificate}, key: ${tls.key} }`;

    it("says where to put an unknown authority's certificate, and uses it there", async () => {
      const address = await start("", leaf());
      const refused = await push(address);
      expect(refused.exitCode).toBe(3);
      expect(refused.said).toContain(`${address}: its certificate is not signed by a trusted authority`);
      expect(refused.said).toContain(
        `/etc/docker/certs.d/${address}/ca.crt or ${docker}/certs.d/${address}/ca.crt`,
      );

      await mkdir(join(docker, "certs.d", address), { recursive: true });
      await writeFile(join(docker, "certs.d", address, "ca.crt"), await readFile(tls.ca));
      expect(await push(address)).toMatchObject({ exitCode: 0 });
      await writeFile(join(docker, "certs.d", address, "ca.crt"), "no certificate");
      expect((await push(address)).said).toContain("ca.crt: contains no certificate");
    });

    it("accepts a self-signed one in that place, and an authority from NODE_EXTRA_CA_CERTS", async () => {
      const address = await start("", `{ certificate: ${tls.selfSigned}, key: ${tls.key} }`);
      expect((await push(address)).said).toContain("not signed by a trusted authority");
      expect(await push(address, { env: { NODE_EXTRA_CA_CERTS: tls.selfSigned } })).toMatchObject({
        exitCode: 0,
      });
      await mkdir(join(docker, "certs.d", address), { recursive: true });
      await writeFile(join(docker, "certs.d", address, "ca.crt"), await readFile(tls.selfSigned));
      expect(await push(address)).toMatchObject({ exitCode: 0 });
    });

    it("sends its own certificate if the registry requires one", async () => {
      const address = await start(
        "",
        `{ certificate: ${tls.certificate}, key: ${tls.key}, clientcas: ["${tls.ca}"] }`,
      );
      const ours = join(docker, "certs.d", address);
      await mkdir(ours, { recursive: true });
      await writeFile(join(ours, "ca.crt"), await readFile(tls.ca));
      expect((await push(address)).said).toContain(`${address}: requires a client certificate`);
      await writeFile(join(ours, "client.cert"), await readFile(tls.certificate));
      expect((await push(address)).said).toContain("client.cert: its key is missing");
      await writeFile(join(ours, "client.key"), await readFile(tls.key));
      expect(await push(address)).toMatchObject({ exitCode: 0, said: expect.stringContaining("sent") });
    });

    it("reports a wrong name, an expired certificate, and http instead of https or the reverse", async () => {
      const trusted = { env: { NODE_EXTRA_CA_CERTS: tls.ca } };
      const address = await start("", leaf());
      const named = address.replace("127.0.0.1", "localhost");
      expect((await push(named, trusted)).said).toContain(`${named}: its certificate is for another name`);
      expect((await push(address, { plain: true })).said).toContain(`${address}: accepts https only`);
      await registry?.stop();
      const expired = await start("", `{ certificate: ${tls.expired}, key: ${tls.key} }`);
      expect((await push(expired, trusted)).said).toContain(`${expired}: its certificate has expired`);
      await registry?.stop();
      const plain = await start();
      expect((await push(plain)).said).toMatch(/does not support https[\s\S]*--plain-http/);
    });
  });

  describe("through a proxy", () => {
    it("that requires a password; NO_PROXY connects directly", async () => {
      const address = await start("", `{ certificate: ${tls.certificate}, key: ${tls.key} }`);
      await using proxy = await connectProxy("me:p@ss");
      const trusted = { NODE_EXTRA_CA_CERTS: tls.ca };
      const through = (user: string) => `http://${user}127.0.0.1:${proxy.port}`;
      for (const name of ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"]) {
        const before = proxy.asked.length;
        const pushed = await push(address, { env: { ...trusted, [name]: through("me:p%40ss@") } });
        expect(pushed).toMatchObject({ exitCode: 0 });
        expect(new Set(proxy.asked.slice(before)), name).toEqual(new Set([address]));
      }
      const asked = proxy.asked.length;
      for (const user of ["", "me:wrong@"]) {
        const refused = await push(address, { env: { ...trusted, https_proxy: through(user) } });
        expect(refused.exitCode).toBe(3);
        expect(refused.said).toContain(
          `the proxy requires a user name and a password (through the proxy http://127.0.0.1:${proxy.port})`,
        );
        expect(refused.said).not.toContain("wrong@");
      }
      for (const NO_PROXY of ["127.0.0.1", "127.0.0.0/8", address, "*"])
        expect(
          await push(address, { env: { ...trusted, NO_PROXY, https_proxy: through("") } }),
        ).toMatchObject({ exitCode: 0 });
      expect(proxy.asked.length).toBe(asked);
    });
  });

  it("a download trusts the system's authorities, and uses a proxy, too", async () => {
    const address = await start("", `{ certificate: ${tls.certificate}, key: ${tls.key} }`);
    const url = `https://${address}/v2/`;
    await expect(downloadAll(url, { bundles: [] })).rejects.toThrow(/certificate/);
    expect((await downloadAll(url, { bundles: [join(folder, "none.pem"), tls.ca] })).toString()).toBe("{}");
    await using proxy = await connectProxy();
    await downloadAll(url, { bundles: [tls.ca], proxy: `127.0.0.1:${proxy.port}` });
    expect(proxy.asked).toEqual([address]);
  });

  describe("by a password", () => {
    const guarded = () => start(`auth: { htpasswd: { realm: here, path: ${folder}/htpasswd } }`);
    const plain = { plain: true };

    it("accepts the right one; if it is missing or wrong, says where it looked", async () => {
      const address = await guarded();
      const none = await push(address, plain);
      expect(none.exitCode).toBe(3);
      expect(none.said).toContain(`${address}: denies access`);
      expect(none.said).toContain(`no password for ${address} in ${docker}/config.json`);
      expect(none.said).toContain(`docker login ${address}`);
      await config({ auths: { [address]: kept("somebody", "wrong") } });
      const wrong = await push(address, plain);
      expect(wrong.exitCode).toBe(3);
      expect(wrong.said).toContain(`asked as somebody, whose password came from ${docker}/config.json`);
      await config({ auths: { [address]: kept("somebody", password) } });
      expect(await push(address, plain)).toMatchObject({ exitCode: 0 });
    });

    // Like Docker's helpers: `get`, the registry on stdin, JSON on stdout, and exit code 1 without a login.
    const helper = async (name: string, script: string) => {
      await writeFile(join(docker, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
      await chmod(join(docker, `docker-credential-${name}`), 0o755);
    };
    const answering = (address: string) => `[ "$1" = get ] || exit 9
read -r asked || true
if [ "$asked" != "${address}" ]; then echo "credentials not found in native keychain"; exit 1; fi
echo '{"ServerURL":"${address}","Username":"somebody","Secret":"${password}"}'`;

    it("asks the helper of this registry, or of all; without a login there, uses the file", async () => {
      const address = await guarded();
      await helper("ours", answering(address));
      await helper("empty", answering("another.example"));
      await config({ credHelpers: { [address]: "ours" }, credsStore: "missing" });
      expect(await push(address, plain)).toMatchObject({ exitCode: 0 });
      await config({ credsStore: "ours", auths: { [address]: {} } });
      expect(await push(address, plain)).toMatchObject({ exitCode: 0 });
      await config({ credsStore: "empty" });
      expect((await push(address, plain)).said).toContain(`no password for ${address} in`);
      await config({ credsStore: "empty", auths: { [address]: kept("somebody", password) } });
      expect(await push(address, plain)).toMatchObject({ exitCode: 0 });
    });

    it.each([
      ["missing", "", /docker-credential-missing: is not installed, or not on the PATH/],
      [
        "failing",
        "echo the keyring is locked >&2; exit 2",
        /failed with exit code 2[\s\S]*the keyring is locked/,
      ],
      ["garbled", `echo 'the secret is ${password}'`, /does not answer as a credential helper/],
      ["telling", `echo '{"Secret":"${password}"}'; exit 1`, /failed with exit code 1/],
    ])("says what a helper that is %s did, and who named it", async (name, script, words) => {
      const address = await guarded();
      if (script !== "") await helper(name, script);
      await config({ credHelpers: { [address]: name } });
      const { exitCode, said } = await push(address, plain);
      expect(exitCode).toBe(3);
      expect(said).toMatch(words);
      expect(said).toContain(`${docker}/config.json, it has the password for ${address}`);
    });
  });

  // Like Harbor and Docker Hub: the registry names the token server, which requires the password.
  it("by a token, over TLS, from a separate server", async () => {
    const port = await freePort();
    const realm = `https://127.0.0.1:${port}/service/token`;
    const asked: (string | null)[][] = [];
    const server = await tokenServer(port, tls, asked);
    try {
      const auth = `auth: { token: { realm: "${realm}", service: ours, issuer: us, rootcertbundle: ${tls.certificate} } }`;
      const address = await start(auth, `{ certificate: ${tls.certificate}, key: ${tls.key} }`);
      await mkdir(join(docker, "certs.d", address), { recursive: true });
      await writeFile(join(docker, "certs.d", address, "ca.crt"), await readFile(tls.ca));
      expect((await push(address)).said).toContain(`no password for ${address} in`);
      await config({ auths: { [address]: kept("somebody", "wrong") } });
      expect((await push(address)).said).toContain("asked as somebody");
      expect(asked).toEqual([]);
      await config({ auths: { [address]: kept("somebody", password) } });
      expect(await push(address)).toMatchObject({ exitCode: 0 });
      expect(asked.at(-1)?.[0]).toBe("ours");
      expect(asked.at(-1)?.[1]).toMatch(/^repository:team\/ol6-sample:(?:pull,push|push,pull)$/);

      // The token that `docker login` keeps instead of the password, to get other tokens.
      const count = asked.length;
      await config({ auths: { [address]: { ...kept("somebody", ""), identitytoken: "a wrong one" } } });
      expect((await push(address)).exitCode).toBe(3);
      await config({ auths: { [address]: { ...kept("somebody", ""), identitytoken: password } } });
      expect(await push(address)).toMatchObject({ exitCode: 0 });
      expect(asked.length).toBeGreaterThan(count);
    } finally {
      server.close();
    }
  });
});

interface Tls {
  readonly ca: string;
  readonly key: string;
  readonly certificate: string;
  readonly expired: string;
  readonly selfSigned: string;
}

/** An authority, and certificates for 127.0.0.1 that all have one key. */
async function makeTls(folder: string): Promise<Tls> {
  const at = (name: string) => join(folder, name);
  const names = "subjectAltName=IP:127.0.0.1";
  const openssl = (...args: string[]) => host.run(["openssl", ...args]);
  for (const key of ["ca.key", "server.key"])
    await openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", at(key));
  await openssl(
    "req",
    "-x509",
    "-key",
    at("ca.key"),
    "-subj",
    "/CN=our authority",
    "-days",
    "2",
    "-out",
    at("ca.pem"),
  );
  await openssl(
    ...["req", "-x509", "-key", at("server.key"), "-subj", "/CN=self", "-addext", names, "-days", "2"],
    ...["-out", at("self.pem")],
  );
  await openssl("req", "-new", "-key", at("server.key"), "-subj", "/CN=registry", "-out", at("server.csr"));
  await writeFile(at("names"), `${names}\n`);
  const sign = (to: string, days: string) =>
    openssl(
      ...[
        "x509",
        "-req",
        "-in",
        at("server.csr"),
        "-CA",
        at("ca.pem"),
        "-CAkey",
        at("ca.key"),
        "-CAcreateserial",
      ],
      ...["-extfile", at("names"), "-days", days, "-out", at(to)],
    );
  await sign("server.pem", "2");
  await sign("expired.pem", "-1");
  return {
    ca: at("ca.pem"),
    key: at("server.key"),
    certificate: at("server.pem"),
    expired: at("expired.pem"),
    selfSigned: at("self.pem"),
  };
}

async function tokenServer(port: number, tls: Tls, asked: (string | null)[][]): Promise<Server> {
  const [key, cert] = [await readFile(tls.key), await readFile(tls.certificate, "utf8")];
  const wanted = `Basic ${Buffer.from(`somebody:${password}`).toString("base64")}`;
  const server = createServer({ key, cert }, async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const isPost = request.method === "POST";
    const query = isPost
      ? new URLSearchParams(body)
      : new URL(request.url ?? "", "https://here").searchParams;
    const isKnown = isPost
      ? query.get("grant_type") === "refresh_token" && query.get("refresh_token") === password
      : request.headers.authorization === wanted;
    if (!isKnown) return void response.writeHead(401).end();
    asked.push([query.get("service"), query.get("scope")]);
    const [type, name, actions = ""] = (query.get("scope") ?? "").split(":");
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: "us",
      sub: "somebody",
      aud: "ours",
      iat: now,
      nbf: now - 9,
      exp: now + 99,
      jti: "1",
      access: [{ type, name, actions: actions.split(",") }],
    };
    const x5c = [cert.replace(/-----.*?-----|\s/g, "")];
    const text = [{ typ: "JWT", alg: "RS256", x5c }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    response.end(
      JSON.stringify({ token: `${text}.${createSign("RSA-SHA256").update(text).sign(key, "base64url")}` }),
    );
  });
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  return server;
}
