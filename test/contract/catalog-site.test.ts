import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { judge } from "../../src/firstboot/judge.ts";
import { managerMessages, stdinMessages } from "../../src/firstboot/messages.ts";
import { localHost } from "../../src/host/local.ts";
import type { Manifest, Parameter } from "../../src/model/manifest.ts";
import { type CatalogFile, catalogFiles } from "../../src/pages/catalog-pages.ts";
import { type CatalogEntry, manifestReader, readCatalog } from "../../src/store/records/catalog.ts";
import { promote } from "../../src/store/records/channels.ts";
import { finder } from "../../src/store/records/finder.ts";
import { recordsIn } from "../../src/store/records/records.ts";
import { memoryStore } from "../fakes/memory-store.ts";
import { describeWith } from "../fakes/missing.ts";
import { formScript } from "../form-script.ts";
import { sampleDisk as disk, sampleManifest, sampleParameter } from "../manifest-sample.ts";

const file = (text: string) =>
  ({
    path: "/etc/ntp.conf",
    kind: "file",
    mode: "644",
    owner: "0:0",
    text,
    digest: `sha256:${Buffer.from(text).toString("hex").padEnd(64, "0")}`,
  }) as const;
const guest = (text: string) => ({
  kernels: [],
  services: ["sshd"],
  users: [],
  groups: [],
  modules: [],
  files: [file(text)],
  volumes: [],
});
const network = (name: string, more: Partial<Parameter> = {}) =>
  sampleParameter(`com.oracle.linux.network.${name}`, more);
const filesOf = (catalog: readonly CatalogEntry[]): Iterable<CatalogFile> =>
  catalogFiles(catalog, { made: "2026-11-25T10:00:00.000Z", code: "", form });
const form = await formScript();
const typeOf = (url: string) =>
  url.endsWith(".js") ? "text/javascript" : url.endsWith(".css") ? "text/css" : "text/html";
const hostile = `<img src=x onerror="document.title='broken'"></script>`;
const versions: Manifest[] = [
  sampleManifest(disk, { version: "1.0.0", guest: guest("server a\n") }),
  sampleManifest(disk, { version: "1.0.1", guest: guest("server b\n"), summary: hostile }),
  sampleManifest(disk, { version: "1.1.0", guest: guest(`${hostile}\n`), summary: hostile }),
  ...["a", "b", "c"].map((name) => sampleManifest(disk, { name: `ol7-${name}` })),
  sampleManifest(disk, {
    name: "ol7-checked",
    contract: [
      ...["device.0", "bootproto.0", "ipaddr.0", "netmask.0", "gateway.0"].map((name) => network(name)),
      { ...network("x"), key: "org.example.db.mode", choices: ["standalone", "</script>"] },
      { ...network("x"), key: "org.example.db.port", type: "number" },
      { ...network("x"), key: "org.example.db.word", pattern: "(a+)+$" },
    ],
  }),
  sampleManifest(disk, {
    name: `ol8-${"long-".repeat(9)}name`,
    summary: `imported from ${"OVM_OL8U10_x86_64_PVHVM_".repeat(4)}.ova`,
    parent: disk.digest,
    trial: [`grep ${"x".repeat(120)}`],
    bundles: [{ format: "ova", file: `${"f".repeat(80)}.ova`, digest: disk.digest, bytes: 1 }],
    contract: [
      {
        key: `org.example.${"deep.".repeat(12)}key`,
        description: "d".repeat(90),
        module: "m",
        required: true,
        hidden: false,
        password: false,
      },
    ],
  }),
];

describeWith(["chromium"], "the catalog, in a browser", () => {
  let folder: string;
  let browser: Browser;
  let server: Server;
  const troubles: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-site-"));
    const store = memoryStore(versions);
    const records = recordsIn(localHost(), join(folder, "repo"));
    await promote(records, await finder(store, records).find("ol6-sample@1.0.0"), "stable");
    await records.revoke("ol6-sample", "1.0.1", { reason: "it hangs", since: "2026-11-25T10:00:00.000Z" });
    for (const { file, make } of filesOf(await readCatalog(store, records))) {
      await mkdir(dirname(join(folder, "site", file)), { recursive: true });
      await writeFile(join(folder, "site", file), await make(manifestReader(store, records)));
    }
    server = createServer(async (request, response) => {
      const data = await readFile(join(folder, "site", decodeURI(request.url ?? "/"))).catch(() => undefined);
      response
        .writeHead(data ? 200 : 404, {
          "content-type": typeOf(request.url ?? ""),
        })
        .end(data);
    }).listen(0, "127.0.0.1");
    // As root, as in CI, Chromium has no sandbox.
    browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  });
  afterEach(() => troubles.splice(0));
  afterAll(async () => {
    await browser?.close();
    server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function open(url: string): Promise<Page> {
    const page = await browser.newPage();
    page.on("pageerror", (error) => troubles.push(error.message));
    // A click that leaves a page aborts its requests, which is fine.
    page.on("requestfailed", (request) => {
      const words = request.failure()?.errorText ?? "";
      if (words !== "net::ERR_ABORTED") troubles.push(`${request.url()}: ${words}`);
    });
    page.on("response", (response) => response.status() >= 400 && troubles.push(response.url()));
    await page.goto(url);
    return page;
  }
  const bases = {
    "a file": () => `file://${join(folder, "site")}/`,
    "a web server": () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
  };

  it.each(Object.entries(bases))(
    "leads from the list to versions and differences, from %s",
    async (_where, base) => {
      const page = await open(`${base()}index.html`);
      expect(await page.locator("tr[data-words]").count()).toBe(8);
      expect(await page.locator("tr.gone .badge.revoked").count()).toBe(1);
      await page.click("a:text-is('since 1.0.0')");
      expect(await page.textContent("h1")).toBe("ol6-sample 1.0.0 → 1.0.1");
      expect(await page.textContent("pre .minus")).toBe("-server a\n");
      expect(await page.textContent("pre .plus")).toBe("+server b\n");
      await page.click("text=ol6-sample 1.0.1");
      expect(await page.textContent(".warning")).toContain("Revoked on 2026-11-25: it hangs");
      await page.click("text=1.1.0");
      expect(await page.textContent(".lineage")).toContain("template ol6-sample 1.1.0");
      await page.click("text=1.0.0 → 1.1.0");
      expect(await page.textContent("h1")).toBe("ol6-sample 1.0.0 → 1.1.0");
      await page.click("text=Templates");
      expect(await page.title()).toBe("Templates · tbuild");
      await page.goto(`${base()}ol6-sample/1.0.0.html`);
      await page.click("a:text-is('newest')");
      await page.waitForURL(/1\.1\.0\.html$/);
      expect(await page.textContent("h1")).toBe("ol6-sample1.1.0");
      await page.click("a:text-is('stable')");
      await page.waitForURL(/1\.0\.0\.html$/);
      await page.close();
      expect(troubles).toEqual([]);
    },
  );

  it("finds by any words", async () => {
    const page = await open(`${bases["a file"]()}index.html`);
    await page.fill("#search", "OL6-sample stable bash");
    expect(await page.locator("tr[data-words]:visible").count()).toBe(1);
    expect(await page.locator("section:visible").count()).toBe(1);
    await page.close();
  });

  it("refuses wrong values at their fields with the checks of `tbuild message`, and offers choices", async () => {
    const page = await browser.newPage();
    page.on("pageerror", (error) => troubles.push(String(error)));
    await page.goto(`file://${join(folder, "site")}/ol7-checked/1.0.0.html`);
    const field = (name: string) => `[name="${name}"]`;
    const N = "com.oracle.linux.network";
    expect(await page.locator(`${field(`${N}.bootproto.0`)} option`).allTextContents()).toEqual([
      ...["", "dhcp", "static", "none"],
    ]);
    const options = await page.locator(`${field("org.example.db.mode")} option`).allTextContents();
    expect(options).toEqual(["", "standalone", "</script>"]);
    await page.selectOption(field(`${N}.bootproto.0`), "static");
    await page.fill(field(`${N}.device.0`), "eth0");
    await page.fill(field(`${N}.ipaddr.0`), "192.0.2.10");
    await page.fill(field(`${N}.netmask.0`), "24");
    await page.fill(field(`${N}.gateway.0`), "198.51.100.1");
    await page.fill(field("org.example.db.port"), "high");
    const values = {
      [`${N}.device.0`]: "eth0",
      [`${N}.bootproto.0`]: "static",
      [`${N}.ipaddr.0`]: "192.0.2.10",
      [`${N}.netmask.0`]: "24",
      [`${N}.gateway.0`]: "198.51.100.1",
      "org.example.db.port": "high",
    };
    const contract = versions.find(({ name }) => name === "ol7-checked")?.contract ?? [];
    const faults = judge(contract, new Map(Object.entries(values)));
    expect(faults.map(({ key }) => key)).toEqual(["org.example.db.port", `${N}.netmask.0`].reverse());
    for (const { key, text } of faults)
      expect(await page.locator(`label:has(${field(key)}) .fault`).textContent()).toBe(text);
    expect(await page.textContent("#messages")).toBe("");
    expect(await page.textContent("#lacking")).toBe("No messages yet: 2 values are wrong.");
    await page.fill(field(`${N}.netmask.0`), "255.255.255.0");
    await page.fill(field("org.example.db.port"), "1521");
    expect(await page.locator(`label:has(${field(`${N}.gateway.0`)}) .fault`).textContent()).toContain(
      "is not in the network of 192.0.2.10",
    );
    await page.fill(field(`${N}.gateway.0`), "192.0.2.1");
    expect((await page.textContent("#messages"))?.split("\n")).toHaveLength(6);
    await page.close();
  });

  it("accepts a second interface, and no template's pattern makes it hang", async () => {
    const page = await browser.newPage();
    page.on("pageerror", (error) => troubles.push(String(error)));
    await page.goto(`file://${join(folder, "site")}/ol7-checked/1.0.0.html`);
    const field = (name: string) => `[name="${name}"]`;
    const N = "com.oracle.linux.network";
    const values: Record<string, string> = {};
    const give = async (name: string, value: string) => {
      values[`${N}.${name}`] = value;
      await page.fill(field(`${N}.${name}`), value);
    };
    await give("device.0", "eth0");
    await page.click("text=Add another");
    await page.click("text=Add another");
    expect(await page.locator(field(`${N}.device.2`)).inputValue()).toBe("");
    expect(await page.locator(`label:has(${field(`${N}.ipaddr.1`)}) b`).textContent()).toBe(`${N}.ipaddr.1`);
    await page.selectOption(field(`${N}.bootproto.1`), "static");
    values[`${N}.bootproto.1`] = "static";
    await give("device.1", "eth1");
    await give("ipaddr.1", "10.0.0.7");
    expect(await page.textContent("#lacking")).toBe("No messages yet: 1 value is wrong.");
    expect(
      await page
        .locator(
          `label:has(${field(`${N}.device.1`)}) .fault, label:has(${field(`${N}.bootproto.1`)}) .fault`,
        )
        .allTextContents(),
    ).toContain(`${N}.netmask.1: is missing: the interface is static`);
    await give("netmask.1", "255.255.255.0");
    expect(await page.textContent("#lacking")).toBe("");
    const said = await page.textContent("#messages");
    for (const [key, value] of Object.entries(values))
      expect(said).toContain(`key=${key} message="${value}" log=Yes`);
    await page.fill(field("org.example.db.word"), `${"a".repeat(60)}!`);
    expect(await page.locator(`label:has(${field("org.example.db.word")}) .fault`).textContent()).toContain(
      "is not in the form that its module requires: (a+)+$",
    );
    await page.close();
  });

  it("makes messages from the fields for both kinds of receiver, the root password last", async () => {
    const page = await open(`${bases["a file"]()}ol6-sample/1.1.0.html`);
    expect(await page.textContent("#lacking")).toContain("com.oracle.linux.root-password");
    await page.fill("#machine", 'my "clone"');
    await page.fill('input[name="com.oracle.linux.root-password"]', 'se/cr"et');
    await page.fill('input[name="org.tbuild.grid.mode"]', "cluster");
    const answers = [
      { key: "com.oracle.linux.root-password", value: 'se/cr"et', password: true },
      { key: "org.tbuild.grid.mode", value: "cluster", password: false },
    ];
    const lines = [
      'sendVmMessage Vm name="my /"clone/"" key=org.tbuild.grid.mode message="cluster" log=Yes',
      'sendVmMessage Vm name="my /"clone/"" key=com.oracle.linux.root-password message="se//cr/"et" log=No',
    ];
    expect(managerMessages(answers, 'my "clone"')).toEqual(lines);
    expect(await page.textContent("#messages")).toBe(lines.join("\n"));
    expect(await page.textContent("#lacking")).toBe("");
    expect(await page.getAttribute('input[name="com.oracle.linux.root-password"]', "type")).toBe("password");
    await page.click("#as-stdin");
    const json = ['{"org.tbuild.grid.mode":"cluster"}', '{"com.oracle.linux.root-password":"se/cr\\"et"}'];
    expect(stdinMessages(answers)).toEqual(json);
    expect(await page.textContent("#messages")).toBe(json.join("\n"));
    expect(await page.getAttribute("#as-stdin", "aria-pressed")).toBe("true");
    await page.close();
  });

  it("shows everything in a manifest as text, markup too", async () => {
    for (const path of ["index.html", "ol6-sample/1.0.1.html", "ol6-sample/1.0.1..1.1.0.html"]) {
      const page = await open(bases["a file"]() + path);
      expect(await page.title()).not.toBe("broken");
      expect(await page.locator("img").count()).toBe(0);
      expect(await page.textContent("body")).toContain("onerror=");
      await page.close();
    }
    expect(troubles).toEqual([]);
  });

  it("never scrolls sideways, however narrow the screen and long the words, nor when there is nothing", async () => {
    await writeFile(
      join(folder, "site/none.html"),
      (await [...filesOf([])][0]?.make(async () => expect.fail("nothing is to be read"))) ?? "",
    );
    const pages = (await readdir(join(folder, "site"), { recursive: true })).filter(
      (path) => path.endsWith(".html") && !/\/[a-z]+\.html$/.test(path),
    );
    expect(pages.length).toBeGreaterThan(10);
    const page = await open(`${bases["a file"]()}none.html`);
    for (const width of [400, 320]) {
      await page.setViewportSize({ width, height: 800 });
      for (const path of pages) {
        await page.goto(bases["a file"]() + path);
        await page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true");
        expect(await page.evaluate("document.documentElement.scrollWidth"), `${path} at ${width}`).toBe(
          width,
        );
      }
    }
    await page.close();
  });

  it("says so if no version matches the search", async () => {
    const page = await open(`${bases["a file"]()}index.html`);
    expect(await page.isVisible("#none")).toBe(false);
    await page.fill("#search", "no such words");
    expect(await page.isVisible("#none")).toBe(true);
    await page.close();
  });
});
