import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { examine } from "../../src/build/doctor.ts";
import { homeAt } from "../../src/build/home.ts";
import type { OpenedSite } from "../../src/build/opened-site.ts";
import { kickstartOf } from "../../src/build/recipe-kickstart.ts";
import { readRepository } from "../../src/build/repository-metadata.ts";
import { serveRepositories } from "../../src/build/repository-server.ts";
import { localHost } from "../../src/host/local.ts";
import { downloadAll } from "../../src/io/download.ts";
import { assignment } from "../../src/recipe/merge.ts";
import { Site } from "../../src/recipe/site.ts";

let folder: string;
let servers: Server[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-doctor-"));
  servers = [];
});
afterEach(async () => {
  for (const server of servers) server.closeAllConnections();
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  await rm(folder, { recursive: true, force: true });
});

async function listening(handler: Parameters<typeof createServer>[1]): Promise<number> {
  const server = createServer(handler as never);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return (server.address() as AddressInfo).port;
}

/** A repository as createrepo writes it. */
async function repository(
  id: string,
  names: readonly string[],
  compress: "gz" | "xz" = "gz",
): Promise<string> {
  const at = join(folder, id, "repodata");
  await mkdir(at, { recursive: true });
  const entry = (name: string, arch: string) =>
    `<package type="rpm">\n<name>${name}</name><arch>${arch}</arch><format><rpm:provides><rpm:entry name="${name}-virtual"/></rpm:provides><rpm:requires><rpm:entry name="needed-by-${name}"/></rpm:requires></format></package>`;
  const xml = `<?xml version="1.0"?>\n<metadata>${[...names.map((name) => entry(name, "x86_64")), entry("other-arch", "i686")].join("\n")}</metadata>`;
  const packed =
    compress === "gz"
      ? gzipSync(xml)
      : execFileSync("xz", ["-c"], { input: xml, stdio: ["pipe", "pipe", "inherit"] });
  await writeFile(join(at, `primary.xml.${compress}`), packed);
  await writeFile(join(at, "comps.xml"), "<comps><group><id>base</id><name>Base</name></group></comps>");
  await writeFile(
    join(at, "repomd.xml"),
    `<repomd><data type="group"><location href="repodata/comps.xml"/></data><data type="primary"><checksum type="sha256">x</checksum><location href="repodata/primary.xml.${compress}"/></data></repomd>`,
  );
  return join(folder, id);
}

const additions = [
  "libovmapi",
  "xenstoreprovider",
  "python-simplejson",
  "ovmd",
  "ovm-template-config",
  ...["authentication", "datetime", "firewall", "network", "selinux", "ssh", "system", "user"].map(
    (m) => `ovm-template-config-${m}`,
  ),
];

function opened(mirrors: Record<string, string>, sets: string[] = []): OpenedSite {
  const root = resolve(import.meta.dirname, "../..");
  return {
    home: homeAt(folder),
    host: localHost(),
    hypervisor: undefined as never,
    store: undefined as never,
    records: undefined as never,
    openRegistry: undefined as never,
    results: undefined as never,
    site: Site.parse({ mirrors }),
    recipes: join(root, "recipes"),
    kickstarts: join(root, "kickstart"),
    values: sets.map((text) => assignment(text, "--set") ?? expect.fail()),
    environment: () => undefined,
    tbuild: "test",
  };
}

const options = { rehearse: false, signal: new AbortController().signal, progress() {} };

describe("the metadata of a repository", () => {
  it.each(["gz", "xz"] as const)(
    "packed by %s lists packages, what they provide, and groups",
    async (kind) => {
      const at = await repository("a", ["bash", "ksh"], kind);
      await using server = await serveRepositories({ a: at });
      const found = await readRepository(`http://127.0.0.1:${server.port}/a`, localHost());
      expect([...found.names]).toEqual(["bash", "ksh"]);
      expect([...found.provides].sort()).toEqual(["bash-virtual", "ksh-virtual", "other-arch-virtual"]);
      expect([...found.groups]).toEqual(["base", "Base"]);
      expect(found.packages).toBe(2);
    },
  );

  it("that is truncated or missing is reported", async () => {
    const at = await repository("a", ["bash"]);
    await writeFile(join(at, "repodata/primary.xml.gz"), gzipSync("<metadata>".repeat(50)).subarray(0, 30));
    await expect(readRepository(`file://${at}`, localHost())).rejects.toThrow(
      /primary\.xml\.gz: cannot be read/,
    );
    await writeFile(join(at, "repodata/repomd.xml"), "<html>");
    await expect(readRepository(`file://${at}`, localHost())).rejects.toThrow(/is not a repository index/);
    await expect(readRepository(`file://${folder}/none`, localHost())).rejects.toThrow(
      /repomd\.xml: no such file/,
    );
  });

  it("is found through redirects and through a proxy", async () => {
    const at = await repository("a", ["bash"]);
    await using server = await serveRepositories({ a: at });
    const moved = await listening((asked, answer) =>
      answer.writeHead(302, { location: `http://127.0.0.1:${server.port}${asked.url}` }).end(),
    );
    expect((await readRepository(`http://127.0.0.1:${moved}/a/`, localHost())).packages).toBe(1);
    const asked: string[] = [];
    const proxy = await listening((incoming, answer) => {
      asked.push(incoming.url ?? "");
      const path = new URL(incoming.url ?? "").pathname;
      request({ port: server.port, path }, (response) => response.pipe(answer)).end();
    });
    const found = await readRepository("http://yum.example.com/a/", localHost(), {
      proxy: `http://127.0.0.1:${proxy}`,
    });
    expect(found.packages).toBe(1);
    expect(asked[0]).toBe("http://yum.example.com/a/repodata/repomd.xml");
  });

  it("that never comes ends with a timeout", async () => {
    const silent = await listening(() => {});
    await expect(downloadAll(`http://127.0.0.1:${silent}/`, { idleMs: 100 })).rejects.toThrow(
      /received nothing for 0\.1 s/,
    );
    await expect(downloadAll("http://127.0.0.1:9/")).rejects.toThrow(/connection refused/);
    await expect(
      downloadAll("https://yum.example.com/", {
        proxy: `http://127.0.0.1:${await listening((_a, b) => b.end())}`,
        idleMs: 300,
      }),
    ).rejects.toThrow(/yum\.example\.com/);
  });
});

describe("tbuild doctor", () => {
  it("finds a recipe's packages in its mirrors, and the disc missing", async () => {
    const [latest, uek, addons] = [
      await repository("latest", ["ksh"]),
      await repository("uek", []),
      await repository("addons", additions),
    ];
    await using server = await serveRepositories({ latest });
    const mirrors = {
      ol6_latest: `http://127.0.0.1:${server.port}/latest/`,
      ol6_UEKR4: uek,
      ol6_addons: addons,
    };
    const found = await examine(
      opened(mirrors, [
        "packages.install=[ksh, ksh-virtual, other-arch.i686, '@base', 'ovm-template-config-*']",
      ]),
      "ol6-base",
      options,
    );
    expect(found.map(({ what, ok }) => [what, ok])).toEqual([
      ["kickstart", true],
      ["disc", false],
      ["repository ol6_latest", true],
      ["repository ol6_UEKR4", true],
      ["repository ol6_addons", true],
      ["packages", true],
    ]);
  });

  it("reports a password that is not where the recipe says", async () => {
    const mirrors = Object.fromEntries(
      ["ol6_latest", "ol6_UEKR4", "ol6_addons"].map((id) => [id, join(folder, "none")]),
    );
    const users = ["a", "b"].map(
      (name, i) => `{ name: ${name}, uid: 100${i}, group: root, password: { env: OF_${name} } }`,
    );
    const shop = opened(mirrors, [`users=[${users}]`]);
    const environment = (name: string) => (name === "OF_a" ? "secret" : undefined);
    const found = await examine({ ...shop, environment }, "ol6-base", options);
    expect(found.filter(({ what }) => what.startsWith("password"))).toEqual([
      { what: "password of a", ok: true, text: "is there" },
      { what: "password of b", ok: false, text: "the password of b: there is no environment variable OF_b" },
    ]);
  });

  it("names packages that no repository has, with the nearest name, and unreachable repositories", async () => {
    const mirrors = {
      ol6_latest: await repository("latest", ["strace"]),
      ol6_UEKR4: "http://127.0.0.1:9/",
      ol6_addons: await repository("addons", additions.slice(1)),
    };
    const found = await examine(
      opened(mirrors, ["packages.install=[starce, needed-by-strace]"]),
      "ol6-base",
      options,
    );
    const said = Object.fromEntries(found.filter(({ ok }) => !ok).map(({ what, text }) => [what, text]));
    expect(said["repository ol6_UEKR4"]).toContain(
      "http://127.0.0.1:9/repodata/repomd.xml: connection refused",
    );
    expect(said["package starce"]).toBe(
      'not in the readable repositories (ol6_latest, ol6_addons); did you mean "strace"?',
    );
    expect(Object.keys(said)).toEqual([
      "disc",
      "repository ol6_UEKR4",
      "package libovmapi",
      "package starce",
      "package needed-by-strace",
    ]);
  });

  it("fetches keys over the network, and names a file that is not a key", async () => {
    const port = await listening((request, response) => {
      response.end(request.url === "/key" ? "-----BEGIN PGP PUBLIC KEY BLOCK-----" : "<html>");
    });
    const own = (id: string, key: string) => ({
      id,
      name: id,
      url: `http://127.0.0.1:${port}/`,
      gpgKey: `http://127.0.0.1:${port}/${key}`,
      enabled: true,
    });
    const found = await examine(
      opened({}, [
        `repositories=${JSON.stringify([own("a", "key"), own("b", "page"), own("ol6_addons", "key")])}`,
      ]),
      "ol6-base",
      options,
    );
    expect(found.filter(({ what }) => what === "GPG key").map(({ ok, text }) => [ok, text])).toEqual([
      [true, `http://127.0.0.1:${port}/key`],
      [false, `http://127.0.0.1:${port}/page: is not a public key`],
    ]);
  });
});

describe("a kickstart that gets its packages in %post", () => {
  const site = (mirrors: Record<string, string>) => {
    const made = opened(mirrors, ["provision=post"]);
    return { ...made, site: Site.parse({ mirrors, proxy: "http://proxy.example.com:3128" }) };
  };
  const mirrors = { ol8_baseos_latest: "/srv/baseos", ol8_appstream: "http://mirror.example.com/appstream/" };

  it("is shown with the repositories of a build", async () => {
    const { text } = await kickstartOf(site(mirrors), "ol8-base");
    expect(text).toContain("--setopt=ol8_baseos_latest.baseurl=http://10.0.2.2:80/ol8_baseos_latest/'");
    expect(text).toContain("--setopt=ol8_appstream.baseurl=http://mirror.example.com/appstream/'");
    expect(text).toContain("--setopt=ol8_addons.proxy=http://proxy.example.com:3128'");
    expect(text).not.toContain("ol8_appstream.proxy");
  });

  it("names no folder of this machine, because another machine reads the medium", async () => {
    const secrets = { passwordHash: "$6$a$b", publicKey: "ssh-ed25519 A", nonce: "n" };
    const { text } = await kickstartOf(site(mirrors), "ol8-base", secrets);
    expect(text).not.toContain("/srv/baseos");
    expect(text).not.toContain("10.0.2.2");
    expect(text).toContain("--setopt=ol8_baseos_latest.proxy=http://proxy.example.com:3128'");
    expect(text).toContain("--setopt=ol8_appstream.baseurl=http://mirror.example.com/appstream/'");
  });
});
