import { createServer, type Server } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { examineCache } from "../../src/build/doctor-cache.ts";
import { Site } from "../../src/recipe/site.ts";
import { openRegistry } from "../../src/store/exchange/oci/registry.ts";

let server: Server | undefined;
afterEach(() => server?.close());

async function registryWith(status: number): Promise<string> {
  const made = createServer((_, answer) => answer.writeHead(status).end("{}"));
  server = made;
  await new Promise<void>((done) => made.listen(0, "127.0.0.1", done));
  return `127.0.0.1:${(made.address() as { port: number }).port}/cache`;
}

const examined = (place: string, hasSigners = true) =>
  examineCache(
    {
      site: Site.parse({ signingKey: "key", cache: { from: [place], to: place, plainHttp: true } }),
      openRegistry: async (reference, options) => openRegistry(reference, options),
      records: { hasSigners: async () => hasSigners } as never,
    },
    new AbortController().signal,
  );

describe("doctor, about the site's cache", () => {
  it("says nothing without a cache", async () => {
    const site = Site.parse({});
    const rest = { openRegistry: undefined as never, records: undefined as never };
    expect(await examineCache({ site, ...rest }, new AbortController().signal)).toEqual([]);
  });

  it("asks each registry once, which need not have anything", async () => {
    const place = await registryWith(404);
    expect(await examined(place)).toEqual([{ what: `cache ${place}`, ok: true, text: "answers" }]);
  });

  it.each([401, 403])("names a registry that refuses the login (%s)", async (status) => {
    const place = await registryWith(status);
    expect(await examined(place)).toEqual([
      expect.objectContaining({ what: `cache ${place}`, ok: false, mend: expect.stringContaining("login") }),
    ]);
  });

  it("names a registry that is not there, and says that nobody's entries are trusted", async () => {
    expect(await examined("127.0.0.1:1/cache", false)).toEqual([
      expect.objectContaining({ what: "cache 127.0.0.1:1/cache", ok: false }),
      expect.objectContaining({ what: "cache", ok: false, text: expect.stringContaining("allowed_signers") }),
    ]);
  });
});
