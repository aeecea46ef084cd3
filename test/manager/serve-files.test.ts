import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ManagerOptions } from "../../src/manager/options.ts";
import { serveFiles } from "../../src/manager/serve-files.ts";

let folder: string;
let manager: Server;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-serving-"));
  await writeFile(join(folder, "a.iso"), "0123456789");
  manager = createServer((line) => line.on("error", () => {}));
  await new Promise<void>((done) => manager.listen(0, "127.0.0.1", done));
});
afterEach(async () => {
  manager.close();
  await rm(folder, { recursive: true });
});

const options = (here = {}) =>
  ManagerOptions.parse({ host: "127.0.0.1", port: (manager.address() as { port: number }).port, here });

describe("files served to the Manager's servers", () => {
  it("are there whole, from a place on, and by their size, at our address towards the Manager", async () => {
    await using served = await serveFiles({ "a b.iso": join(folder, "a.iso") }, options());
    const [url = ""] = served.urls;
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{24}\/a%20b\.iso$/);
    expect(served.wasAsked()).toBe(false);
    const head = await fetch(url, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "10"]);
    expect(await (await fetch(url)).text()).toBe("0123456789");
    const rest = await fetch(url, { headers: { range: "bytes=4-" } });
    expect([rest.status, rest.headers.get("content-range"), await rest.text()]).toEqual([
      ...[206, "bytes 4-9/10", "456789"],
    ]);
    expect((await fetch(url, { headers: { range: "bytes=10-" } })).status).toBe(416);
    expect(served.wasAsked()).toBe(true);
  });

  it("are private: another path, name or method finds nothing", async () => {
    await using served = await serveFiles({ "a.iso": join(folder, "a.iso") }, options());
    const [url = ""] = served.urls;
    const others = [
      new URL("/", url),
      new URL("/a.iso", url),
      url.replace("a.iso", "b.iso"),
      `${url}/../../etc`,
    ];
    for (const other of others) expect((await fetch(other)).status, String(other)).toBe(404);
    expect(served.wasAsked()).toBe(false);
    expect((await fetch(url, { method: "DELETE" })).status).toBe(404);
  });

  it("are at the address that the site gives", async () => {
    await using served = await serveFiles(
      { "a.iso": join(folder, "a.iso") },
      options({ address: "build.example" }),
    );
    expect(served.urls[0]).toMatch(/^http:\/\/build\.example:\d+\//);
  });

  it("name a port that is taken, and a Manager that is not there", async () => {
    const { port } = manager.address() as { port: number };
    const files = { "a.iso": join(folder, "a.iso") };
    await expect(serveFiles(files, options({ port }))).rejects.toThrow(`port ${port}: cannot be served on`);
    const gone = { ...options(), port: 1 };
    await expect(serveFiles(files, gone)).rejects.toThrow(/cannot be reached/);
  });
});
