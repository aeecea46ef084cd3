import {
  mkdir,
  mkdtemp,
  open as openFile,
  readdir,
  readFile,
  rm,
  truncate,
  writeFile,
} from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { resultKey } from "../../src/build/cache/result-key.ts";
import { openResults } from "../../src/build/cache/results.ts";
import { homeAt } from "../../src/build/home.ts";
import { Pipeline } from "../../src/build/pipeline.ts";
import { runPipeline } from "../../src/build/run-pipeline.ts";
import { Passwords } from "../../src/build/secrets.ts";
import type { BuildContext, Step } from "../../src/build/step.ts";
import { localHost } from "../../src/host/local.ts";
import { openCompression } from "../../src/io/compression.ts";
import type { Digest } from "../../src/model/digest.ts";
import type { StoredDisk } from "../../src/model/disk.ts";
import { manifestDigest } from "../../src/model/manifest.ts";
import type { Recipe } from "../../src/recipe/recipe.ts";
import { Site } from "../../src/recipe/site.ts";
import { parseReference } from "../../src/store/exchange/oci/reference.ts";
import { manifestType, openRegistry } from "../../src/store/exchange/oci/registry.ts";
import { folderStore } from "../../src/store/folder/folder-store.ts";
import { readIndex, unpack } from "../../src/store/folder/pack.ts";
import { recordsIn } from "../../src/store/records/records.ts";
import { noise, sha256, write } from "../disk-sample.ts";
import { type DockerRegistry, startRegistry } from "../fakes/docker-registry.ts";
import { describeWith, missing } from "../fakes/missing.ts";
import { sampleManifest } from "../manifest-sample.ts";

const host = localHost();
const secret = "the host key of the master";

describeWith(["docker-registry", "ssh-keygen", "openssl"], "a cache in a registry", () => {
  let registry: DockerRegistry;
  let shared: string;
  let folder: string;
  let cache: string;
  let tests = 0;
  const built: string[] = [];
  beforeAll(async () => {
    shared = await mkdtemp(join(tmpdir(), "tbuild-cache-"));
    if (missing("docker-registry") === undefined) registry = await startRegistry(shared);
  });
  afterAll(async () => {
    await registry?.stop();
    await rm(shared, { recursive: true, force: true });
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-cached-"));
    cache = `${registry.address}/cache${++tests}`;
    built.length = 0;
    for (const key of ["ours", "theirs"])
      await host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", join(folder, key)]);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  interface Builder {
    readonly signs?: string | false;
    readonly trusts?: string | false;
    readonly rehearsal?: boolean;
    readonly from?: readonly string[];
    readonly password?: string;
  }

  /** A builder with a home of its own, which shares results with the others. */
  async function builder(name: string, options: Builder = {}) {
    const { signs = "ours", trusts = "ours", rehearsal = false, from = [cache], password } = options;
    const home = homeAt(join(folder, name));
    const repo = join(folder, `${name}-repo`);
    await mkdir(repo, { recursive: true });
    if (trusts) {
      const key = (await readFile(join(folder, `${trusts}.pub`), "utf8")).trim();
      await writeFile(
        join(repo, "allowed_signers"),
        `alice@example namespaces="tbuild-manifest,tbuild-cache" ${key}\n`,
      );
    }
    const notes: string[] = [];
    const context: BuildContext = {
      id: `${name}-1`,
      name: rehearsal ? "ol6-sample-rehearsal" : "ol6-sample",
      rehearsal,
      folder: join(home.builds, name),
      home,
      host,
      hypervisor: { describe: async () => "qemu" } as BuildContext["hypervisor"],
      site: {
        ...Site.parse({ signingKey: "key", cache: { to: cache, plainHttp: true } }),
        cache: { from: [...from], to: cache, plainHttp: true },
      },
      store: folderStore(host, home.store),
      records: recordsIn(host, repo, signs === false ? undefined : join(folder, signs)),
      environment: () => password,
      report: (event) => event.type === "note" && notes.push(event.text),
      signal: new AbortController().signal,
      tbuild: "0.1.0",
    };
    const users = password === undefined ? [] : [{ name: "oracle", password: { env: "SECRET" } }];
    const recipe = { users, bundles: [] as Recipe["bundles"] } as unknown as Recipe;
    const made = { recipe, passwords: new Passwords(recipe, folder, () => password) };
    const results = openResults(async (reference, given) => openRegistry(reference, given), 2000);
    /** As a build does: takes the result, or makes it and shares it. */
    const build = async (input: string, fresh = false) => {
      const pipeline = Pipeline.start().step(makes(input));
      const found = fresh ? undefined : await results.find(made, context, pipeline);
      const taken = await found?.take(() => {});
      const { template } = await runPipeline(pipeline, context, { taken, fresh });
      if (!taken) await results.share(made, context, pipeline, template, fresh);
      return { template, place: found?.place, bytes: found?.bytes };
    };
    return { ...context, notes, build, made, results };
  }

  /** A step that stores an unsealed master with a secret, and publishes a template without it. */
  function makes(input: string): Step<object, { template: Digest; version: string; draft: object }> {
    return {
      name: "publish-template",
      module: import.meta.url,
      describe: () => "make it",
      inputs: () => ({ input }),
      async run({ out, store, records, name, rehearsal }) {
        built.push(input);
        const image = join(out, "disk.img");
        await writeFile(image, "");
        await truncate(image, 20 * 2 ** 20);
        await write(image, noise("system", 4 * 2 ** 20), 2 ** 20);
        await write(image, noise(`${input} ${built.length}`, 8192), 8 * 2 ** 20);
        await write(image, Buffer.from(`${secret}\n`.repeat(20)), 2 ** 21);
        const version = await freeVersion(store, name);
        const about = { name, rehearsal, made: new Date().toISOString(), version };
        const master = sampleManifest(await store.putDisk(image, "System"), { ...about, kind: "master" });
        await store.publish(master);
        await write(image, noise("sealed", 4096), 2 ** 21);
        const draft = sampleManifest(await store.putDisk(image, "System"), {
          ...about,
          parent: manifestDigest(master),
          timings: { "publish-template": 1000 },
        });
        const template = await store.publish(draft);
        await records.put(draft);
        return { template, version: draft.version, draft };
      },
    };
  }

  const freeVersion = async (store: BuildContext["store"], name: string) =>
    `1.0.${(await store.versions("template", name)).length}`;

  const tagOf = async (input: string, rehearsal = false) => {
    const known = await resultKey(Pipeline.start().step(makes(input)), rehearsal);
    return known && "key" in known ? known.key : expect.fail("no key");
  };

  it("gives a second builder the first one's template, bytes and record; nothing is made again", async () => {
    const [one, other] = [await builder("one"), await builder("other")];
    const first = await one.build("a");
    expect(one.notes.join()).toMatch(/shared as .*cache\d+\/ol6-sample:[0-9a-f]{12}: \d/);
    const second = await other.build("a");
    expect(second).toMatchObject({
      template: first.template,
      place: expect.stringContaining("/ol6-sample:"),
    });
    expect(second.bytes).toBeGreaterThan(4 * 2 ** 20);
    expect(built).toEqual(["a"]);
    const manifest = (await other.store.get(second.template)) ?? expect.fail("not in the store");
    for (const { store, home } of [one, other])
      await store.restoreDisk(manifest.disks[0] as StoredDisk, join(home.root, "back.img"));
    expect(await sha256(join(other.home.root, "back.img"))).toBe(
      await sha256(join(one.home.root, "back.img")),
    );
    expect((await other.records.signature(manifest)).state).toBe("good");
    expect(await other.records.has({ kind: "master", name: "ol6-sample", version: "1.0.0" })).toBe(true);
    // From its own checkpoint, even where the registry is gone.
    const third = await builder("other", { from: ["127.0.0.1:1/gone"] });
    expect(await third.build("a")).toMatchObject({ template: first.template, bytes: 0 });
    expect(third.notes).toEqual([]);
    await one.build("b");
    expect(built).toEqual(["a", "b"]);
  });

  it("gets no secret of a build: neither from the master beside the template nor from checkpoints", async () => {
    const one = await builder("one", { password: "correct horse battery" });
    await one.build("a");
    expect(await chunksWith(secret, join(one.home.store, "packs"))).toBeGreaterThan(0);
    expect(await chunksWith(secret, registry.data)).toBe(0);
    for (const text of [secret, "correct horse battery", "PRIVATE KEY"])
      expect(await filesWith(text, registry.data), text).toEqual([]);
  });

  it.each([
    ["is not signed", { signs: false }, {}, "it is not signed"],
    [
      "is signed by a stranger",
      { signs: "theirs" },
      {},
      "allowed_signers does not list the key that signed it, SHA256:",
    ],
    ["nobody here may sign", {}, { trusts: false }, "there is no allowed_signers file"],
  ] as const)("an entry that %s is not used, and the build says why", async (_, signs, trusts, why) => {
    await (await builder("one", signs)).build("a");
    const other = await builder("other", trusts);
    expect((await other.build("a")).place).toBeUndefined();
    expect(other.notes.join("\n")).toContain(why);
    expect(built).toEqual(["a", "a"]);
  });

  it("never gives a rehearsal for a real build, nor an entry that was copied to another key", async () => {
    const [rehearsed, real] = [await builder("one", { rehearsal: true }), await builder("two")];
    await rehearsed.build("a");
    expect((await real.build("a")).place).toBeUndefined();
    expect(built).toEqual(["a", "a"]);
    await copyTag(await tagOf("a"), await tagOf("b"));
    const other = await builder("three");
    expect((await other.build("b")).place).toBeUndefined();
    expect(other.notes.join()).toContain("is not used: it was signed for another build");
  });

  it("does not give a template with another password", async () => {
    await (await builder("one", { password: "first" })).build("a");
    const other = await builder("other", { password: "second" });
    expect((await other.build("a")).place).toBeUndefined();
    expect(other.notes.join()).toContain("is not used: the password of oracle changed");
    const same = await builder("third", { password: "first" });
    expect((await same.build("a")).place).toBeDefined();
  });

  it("keeps the first of two results of one build, and tells the other builder; --fresh replaces it", async () => {
    const [one, other] = [await builder("one"), await builder("other", { from: [] })];
    const first = await one.build("a");
    const second = await other.build("a");
    expect(second.template).not.toBe(first.template);
    expect(other.notes.join()).toContain("another builder has already shared a result of this build");
    expect((await (await builder("third")).build("a")).template).toBe(first.template);
    const fresh = await other.build("a", true);
    expect((await (await builder("fourth")).build("a")).template).toBe(fresh.template);
  });

  it.each([
    ["refuses the login", 401, "", /401|login|password/i],
    ["fails", 500, "oops", /./],
    ["answers nonsense", 200, "nonsense", /./],
    ["does not answer", 0, "", /no answer within 2 s/],
  ])("never fails a build: a registry that %s is a warning", async (_, status, body, why) => {
    const server = createServer((_, answer) => {
      if (status > 0) answer.writeHead(status).end(body);
    });
    const port = await listening(server);
    try {
      const one = await builder("one", { from: [`127.0.0.1:${port}/cache`] });
      await one.build("a");
      expect(built).toEqual(["a"]);
      const [warning = ""] = one.notes;
      expect(warning).toContain(`warning: cache 127.0.0.1:${port}/cache: `);
      expect(warning).toMatch(why);
      expect(warning).toContain("it is built here");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it("never fails a build: a pack that is gone is a warning, and the template is built", async () => {
    await (await builder("one")).build("a");
    for (const entry of await readdir(join(registry.data, "blobs"), {
      recursive: true,
      withFileTypes: true,
    })) {
      const file = join(entry.parentPath, entry.name);
      if (entry.isFile() && (await readIndex(file).catch(() => undefined))) await truncate(file, 100);
    }
    const other = await builder("other");
    await other.build("a");
    expect(built).toEqual(["a", "a"]);
    expect(other.notes.join()).toMatch(/warning: cache .*; it is built here/);
    expect(await other.store.verify()).toEqual([]);
  });

  async function copyTag(from: string, to: string): Promise<void> {
    const place = openRegistry(parseReference(`${cache}/ol6-sample`), { plainHttp: true });
    const artifact = (await place.getManifest(from)) ?? expect.fail("no such entry");
    expect(JSON.parse(Buffer.from(artifact).toString()).mediaType).toBe(manifestType);
    await place.putManifest(to, artifact);
  }
});

async function listening(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return (server.address() as { port: number }).port;
}

async function filesBelow(folder: string): Promise<string[]> {
  const all = await readdir(folder, { recursive: true, withFileTypes: true });
  return all.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function filesWith(text: string, folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const file of await filesBelow(folder)) if ((await readFile(file)).includes(text)) found.push(file);
  return found;
}

/** The number of chunks with this text in all packs below a folder. */
async function chunksWith(text: string, folder: string): Promise<number> {
  const compression = await openCompression();
  let found = 0;
  for (const file of await filesBelow(folder)) {
    const chunks = await readIndex(file).catch(() => []);
    const handle = await openFile(file, "r");
    try {
      for (const chunk of chunks) if ((await unpack(handle, chunk, compression))?.includes(text)) found++;
    } finally {
      await handle.close();
    }
  }
  return found;
}
