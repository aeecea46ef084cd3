import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { graphOf } from "../../src/cli/commands/template-log.ts";
import { localHost } from "../../src/host/local.ts";
import { type Manifest, manifestDigest } from "../../src/model/manifest.ts";
import { type CatalogFile, catalogFiles } from "../../src/pages/catalog-pages.ts";
import {
  type CatalogEntry,
  lineageOf,
  previousOf,
  type ReadManifest,
  readCatalog,
} from "../../src/store/records/catalog.ts";
import { recordsIn } from "../../src/store/records/records.ts";
import { memoryStore } from "../fakes/memory-store.ts";
import { sampleDisk as disk, sampleManifest } from "../manifest-sample.ts";

const count = 10_000;
const about = { made: "2026-11-25T10:00:00.000Z", code: "", form: "" };

const packed = ({ packages: _names, ...rest }: Partial<Manifest>) => rest;

describe("a catalog of 10 000 versions of one template", () => {
  let folder: string;
  const records = () => recordsIn(localHost(), join(folder, "repo"));
  let catalog: CatalogEntry[];
  const read: ReadManifest = async ({ manifest }) =>
    sampleManifest(disk, packed(manifest as Partial<Manifest>));
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-many-"));
    const master = sampleManifest(disk, { kind: "master" });
    const versions = Array.from({ length: count }, (_, i) =>
      sampleManifest(disk, {
        version: `1.${Math.floor(i / 100)}.${i % 100}`,
        made: new Date(Date.UTC(2020, 0, 1) + i * 60_000).toISOString(),
        parent: manifestDigest(master),
        packages: [{ name: `only-in-${i % 3}`, epoch: 0, version: "1", release: "1", arch: "noarch" }],
      }),
    );
    catalog = await readCatalog(memoryStore([master, ...versions]), records());
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("is drawn, searched and followed without searching all of it for each", () => {
    const begun = performance.now();
    const lines = [...graphOf(catalog)].map(({ lead, entry }) => lead + entry.manifest.version);
    expect(lines).toHaveLength(count + 1);
    expect(lines.slice(0, 2)).toEqual(["1.0.0", "├─1.99.99"]);
    for (const entry of catalog) {
      lineageOf(catalog, entry);
      previousOf(catalog, entry);
    }
    const newest = catalog.at(-1);
    expect(newest && previousOf(catalog, newest)?.manifest.version).toBe("1.99.98");
    // It takes a tenth of a second; searching all for each took minutes.
    expect(performance.now() - begun).toBeLessThan(5000);
  });

  it("has pages whose size does not grow with it, made one at a time", async () => {
    let seen = 0;
    for (const { file, make } of catalogFiles(catalog, about)) {
      if (file === "index.html" || file === "packages.js") continue;
      expect((await make(read)).length, file).toBeLessThan(12_000);
      if (++seen === 300) break;
    }
    expect(seen).toBe(300);
  });

  it("has few other pages once it has one version more", () => {
    const keysOf = (some: readonly CatalogEntry[]) =>
      new Map([...catalogFiles(some, about)].map(({ file, key }) => [file, key]));
    const before = keysOf(catalog.slice(0, -1));
    const after = keysOf(catalog);
    const others = [...after].filter(([file, key]) => before.get(file) !== key).map(([file]) => file);
    expect(after.size).toBeGreaterThan(4 * count);
    // Those just before it link to it.
    expect(others.filter((file) => !/\/1\.99\.9[4-8]\.html$/.test(file)).sort()).toEqual([
      "ol6-sample/1.0.0..1.99.99.html",
      "ol6-sample/1.99.98..1.99.99.html",
      "ol6-sample/1.99.99.cdx.json.gz",
      "ol6-sample/1.99.99.html",
      "ol6-sample/1.99.99.json.gz",
      "ol6-sample/newest.html",
      "packages.js",
    ]);
  });

  it("has one data file with each set of packages once", async () => {
    const pages = catalogFiles(catalog, about);
    const list = String(await pages.next().value?.make(read));
    const { file, make } = pages.next().value as CatalogFile;
    const data = String(await make(read));
    expect(file).toBe("packages.js");
    expect(data.match(/only-in-1/g)).toHaveLength(1);
    expect(list).not.toContain("only-in-1");
    expect(list.length + data.length).toBeLessThan(count * 1000);
  });

  it("are drawn as one lineage, however long", () => {
    const line: CatalogEntry[] = [];
    for (let i = 0; i < count; i++) {
      const parent = line.at(-1)?.digest;
      const manifest = sampleManifest(disk, { version: `1.0.${i}`, ...(parent && { parent }) });
      line.push({
        manifest,
        digest: manifestDigest(manifest),
        here: true,
        recorded: false,
        channels: [],
        tags: [],
      });
    }
    const lines = [...graphOf(line)].map(({ lead, entry }) => lead + entry.manifest.version);
    expect(lines).toHaveLength(count);
    expect(lines.at(-1)?.length).toBeLessThan(100);
  });
});
