import { spawn } from "node:child_process";
import { createHash, createSign, generateKeyPairSync } from "node:crypto";
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
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { openCompression } from "../../src/io/compression.ts";
import type { StoredDisk } from "../../src/model/disk.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { manifestDigest } from "../../src/model/manifest.ts";
import { dockerCredentials } from "../../src/store/exchange/oci/credentials.ts";
import { parseReference, referenceText } from "../../src/store/exchange/oci/reference.ts";
import { openRegistry, type RegistryOptions } from "../../src/store/exchange/oci/registry.ts";
import { pullTemplate, pushTemplate } from "../../src/store/exchange/oci/template.ts";
import { folderStore } from "../../src/store/folder/folder-store.ts";
import { readIndex, unpack } from "../../src/store/folder/pack.ts";
import { storeFolder } from "../../src/store/folder/store-folder.ts";
import { recordsIn } from "../../src/store/records/records.ts";
import { signText } from "../../src/store/records/signature.ts";
import type { Store } from "../../src/store/store.ts";
import { flip, noise, sha256, write } from "../disk-sample.ts";
import { type DockerRegistry, freePort, startRegistry } from "../fakes/docker-registry.ts";
import { itWith, missing, titled } from "../fakes/missing.ts";
import { unreliableProxy } from "../fakes/unreliable-proxy.ts";
import { sampleManifest } from "../manifest-sample.ts";

const lacking = missing("docker-registry", "openssl", "ssh-keygen");
const host = localHost();
const tbuild = resolve(import.meta.dirname, "../../dist/bin/main.js");
let shared: string;
let registry: DockerRegistry;
beforeAll(async () => {
  shared = await mkdtemp(join(tmpdir(), "tbuild-registry-"));
  if (lacking === undefined) registry = await startRegistry(shared);
});
afterAll(async () => {
  await registry?.stop();
  await rm(shared, { recursive: true, force: true });
});

/** Of a pull and of a push, each. */
const kills = Math.ceil(Number(process.env.TBUILD_KILLS ?? 8) / 2);

let folder: string;
let image: string;
let store: Store;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-push-"));
  store = folderStore(host, join(folder, "store"));
  image = join(folder, "disk.img");
  await writeFile(image, "");
  await truncate(image, 100 * 2 ** 20);
  await write(image, noise("system", 12 * 2 ** 20), 2 ** 20);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function publish(version: string): Promise<Manifest> {
  const manifest = sampleManifest(await store.putDisk(image, "System"), { version });
  await store.publish(manifest);
  return manifest;
}

/** Of the only pack in the store. */
async function packName(): Promise<string> {
  const names = await readdir(join(folder, "store/packs"));
  expect(names).toHaveLength(1);
  return names.join().replace(".pack", "");
}

/** The number of chunks with this text in all packs below a folder. */
async function chunksWith(text: string, below: string): Promise<number> {
  const compression = await openCompression();
  let found = 0;
  for (const entry of await readdir(below, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    const chunks = entry.isFile() ? await readIndex(file).catch(() => []) : [];
    const handle = await openFile(file, "r");
    try {
      for (const chunk of chunks) if ((await unpack(handle, chunk, compression))?.includes(text)) found++;
    } finally {
      await handle.close();
    }
  }
  return found;
}

const at = (repository: string, which: string, address = registry.address) => ({
  ...parseReference(`${address}/${repository}`),
  which,
});
const open = (repository: string, options: RegistryOptions = {}, address = registry.address) =>
  openRegistry(parseReference(`${address}/${repository}`), { plainHttp: true, ...options });
const push = (manifest: Manifest, repository: string, options?: RegistryOptions, address?: string) =>
  pushTemplate(
    storeFolder(join(folder, "store")),
    manifest,
    at(repository, manifest.version, address),
    open(repository, options, address),
  );
const pull = (to: string, repository: string, which: string, options?: RegistryOptions, address?: string) =>
  pullTemplate(
    storeFolder(join(folder, to)),
    at(repository, which, address),
    open(repository, options, address),
  );

describe.skipIf(lacking)(`a registry${lacking === undefined ? "" : ` (${lacking})`}`, () => {
  it("pulls into an empty store what was pushed, with the same digest", async () => {
    const manifest = await publish("1.0.0");
    const pushed = await push(manifest, "round/ol6-sample");
    expect(pushed.moved).toBeGreaterThan(12 * 2 ** 20);
    const pulled = await pull("other", "round/ol6-sample", "1.0.0");
    expect(pulled.digest).toBe(pushed.digest);
    const other = folderStore(host, join(folder, "other"));
    expect(await other.find("template", { name: "ol6-sample" })).toEqual(manifest);
    expect(await other.verify()).toEqual([]);
    await other.restoreDisk(manifest.disks[0] as StoredDisk, join(folder, "back.img"));
    expect(await sha256(join(folder, "back.img"))).toBe(await sha256(image));
    const again = await pull("other", "round/ol6-sample", "1.0.0");
    expect(again.moved).toBeLessThan(2 ** 20);
  });

  it("stores data that five versions share once: the fifth sends less than a twentieth, and all can be pulled", async () => {
    const sums: string[] = [];
    let last = 0;
    let first = 0;
    for (let i = 0; i < 5; i++) {
      await write(image, noise(`version ${i}`, 20_000), (1 + i) * 2 ** 20);
      const { moved } = await push(await publish(`1.0.${i}`), "ten/ol6-sample");
      first ||= moved;
      last = moved;
      sums.push(await sha256(image));
    }
    expect(last / first).toBeLessThan(0.05);
    for (const i of [4, 0, 1, 2, 3]) {
      const { manifest, moved } = await pull("other", "ten/ol6-sample", `1.0.${i}`);
      if (i !== 4) expect(moved / first).toBeLessThan(0.05);
      await folderStore(host, join(folder, "other")).restoreDisk(
        manifest.disks[0] as StoredDisk,
        join(folder, "back.img"),
      );
      expect(await sha256(join(folder, "back.img"))).toBe(sums[i]);
    }
  });

  it("carries the signature of a template; a bad one stops the pull before anything is fetched", async () => {
    const manifest = await publish("1.0.0");
    const key = join(folder, "key");
    await host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key]);
    const ours = recordsIn(host, join(folder, "ours"), key);
    await ours.put(manifest);
    const signature = await ours.signatureText(manifest);
    const reference = at("signed/ol6-sample", "1.0.0");
    const send = (what: string | undefined) =>
      pushTemplate(storeFolder(join(folder, "store")), manifest, reference, open("signed/ol6-sample"), {
        signature: what,
      });
    await send(signature);

    const theirs = recordsIn(host, join(folder, "theirs"));
    await mkdir(theirs.folder);
    const publicKey = (await readFile(`${key}.pub`, "utf8")).trim();
    await writeFile(join(theirs.folder, "allowed_signers"), `builder@example.com ${publicKey}\n`);
    const { stdout } = await takeInto(theirs.folder, reference);
    expect(stdout).toContain("signature: good, by builder@example.com");
    expect(await theirs.signatureText(manifest)).toBe(signature);

    const other = await signText(host, key, "something else");
    await send(other);
    const refused = await takeInto(join(folder, "third"), reference);
    expect(refused.exitCode).toBe(5);
    expect(refused.stderr).toContain("its signature is bad");
    expect(await readdir(join(folder, "third/home/store")).catch(() => [])).not.toContain("packs");

    await send(undefined);
    expect((await takeInto(join(folder, "fourth"), reference)).stdout).toContain("signature: none");
    expect(await recordsIn(host, join(folder, "fourth")).list()).toEqual([manifest]);
  });

  /** `tbuild template pull` with a recipe repo of its own. */
  async function takeInto(repo: string, reference: Parameters<typeof referenceText>[0]) {
    const options = ["--home", join(repo, "home"), "--recipes", join(repo, "recipes")];
    const argv = [process.execPath, tbuild, ...options, "template", "pull", referenceText(reference)];
    return host.run([...argv, "--plain-http"], { allow: [5] });
  }

  describe("carries revocations and channels", () => {
    let place: string;
    /** `tbuild template …` of somebody with a recipe repo and a store of their own. */
    const as = (who: string) => {
      const places = ["--home", join(folder, who, "home"), "--recipes", join(folder, who, "recipes")];
      return async (...args: string[]) => {
        const argv = [process.execPath, tbuild, ...places, "template", ...args];
        return await host.run(argv, { allow: [2, 3, 5] });
      };
    };
    const ours = (...args: string[]) => as("ours")(...args);
    const theirs = (...args: string[]) => as("theirs")(...args);
    const plain = "--plain-http";

    beforeEach(async () => {
      place = `${registry.address}/said-${Math.random().toString(16).slice(2)}`;
      store = folderStore(host, join(folder, "ours/home/store"));
      for (const version of ["1.0.0", "1.1.0"]) {
        await publish(version);
        expect((await ours("push", `ol6-sample@${version}`, place, plain)).exitCode).toBe(0);
      }
    });

    it("immediately, or says that it did not: pulls by number, digest or `latest` warn, until it is withdrawn", async () => {
      const revoked = await ours("revoke", "ol6-sample@1.1.0", "--reason", "it hangs");
      expect(revoked.stderr).toContain(`not sent to ${place}/ol6-sample; to send it, add --push, or run: `);
      expect((await theirs("pull", `${place}/ol6-sample:1.1.0`, plain)).stderr).not.toContain("revoked");
      const sent = await ours("revoke", "ol6-sample@1.1.0", "--reason", "it leaks", "--push", "--json");
      expect(JSON.parse(sent.stdout).sent).toEqual([{ place: `${place}/ol6-sample`, statements: 1 }]);
      const listed = await theirs("list", "--refresh");
      expect(listed.stdout).toContain("revoked: it leaks");

      const { digest } = JSON.parse(
        (await as("third")("pull", `${place}/ol6-sample:1.1.0`, plain, "--json")).stdout,
      );
      expect(digest).toMatch(/^sha256:/);
      const manifest = await fetch(`http://${place.replace("/", "/v2/")}/ol6-sample/manifests/1.1.0`, {
        headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
      });
      const artifact = `sha256:${createHash("sha256")
        .update(Buffer.from(await manifest.arrayBuffer()))
        .digest("hex")}`;
      for (const which of [":1.1.0", `@${artifact}`]) {
        const pulled = await as("fourth")("pull", `${place}/ol6-sample${which}`, plain);
        expect(pulled.stderr, which).toMatch(/warning: ol6-sample@1\.1\.0 was revoked on [\d-]+: it leaks/);
        expect(pulled.exitCode).toBe(0);
      }
      expect((await as("fifth")("pull", `${place}/ol6-sample:latest`, plain)).stdout).toContain(
        "ol6-sample@1.0.0: ",
      );
      await ours("revoke", "ol6-sample@1.1.0", "--undo", "--push");
      const again = await theirs("pull", `${place}/ol6-sample:latest`, plain);
      expect(again.stdout).toContain("ol6-sample@1.1.0: ");
      expect(again.stderr).toContain("ol6-sample@1.1.0 is no longer revoked");
    });

    it("by the command that it names, even for the last version that was not revoked", async () => {
      await ours("revoke", "ol6-sample@1.0.0", "--reason", "it hangs");
      const { stderr } = await ours("revoke", "ol6-sample@1.1.0", "--reason", "it leaks");
      const [, command = ""] = /run: tbuild template (.+)/.exec(stderr) ?? expect.fail(stderr);
      expect(await ours(...command.split(" "))).toMatchObject({ exitCode: 0 });
      for (const [version, reason] of [
        ["1.0.0", "it hangs"],
        ["1.1.0", "it leaks"],
      ])
        expect((await theirs("pull", `${place}/ol6-sample:${version}`, plain)).stderr).toContain(
          `was revoked on ${new Date().toISOString().slice(0, 10)}: ${reason}`,
        );
    });

    it("and channels and tags; another builder without the disk can send statements, too", async () => {
      await ours("promote", "ol6-sample@1.0.0", "stable", "--push");
      await ours("tag", "ol6-sample@1.0.0", "audited", "--push");
      expect((await open(`${place.split("/")[1]}/ol6-sample`).tags()).names).toContain("stable");
      for (const which of ["stable", "audited"])
        expect((await theirs("pull", `${place}/ol6-sample:${which}`, plain)).stdout).toContain(
          "ol6-sample@1.0.0: ",
        );
      await rm(join(folder, "theirs/home/store"), { recursive: true });
      expect((await theirs("revoke", "ol6-sample@1.0.0", "--reason", "no", "--push")).exitCode).toBe(3);
      const said = await theirs("push", "ol6-sample@1.0.0", place, plain, "--statements");
      expect(said.stdout).toContain(`${place}/ol6-sample: 1 new revocations, channels and tags`);
      expect((await ours("list", "--refresh")).stdout).toContain("revoked: no");
    });

    it("through a mirror; an unreachable registry is named, and the local revocation remains", async () => {
      const mirror = await startRegistry(
        join(folder, "mirror"),
        `proxy: { remoteurl: "http://${registry.address}" }`,
      );
      const mirrored = `${mirror.address}/${place.split("/")[1]}/ol6-sample:1.0.0`;
      try {
        expect((await theirs("pull", mirrored, plain)).stderr).not.toContain("revoked");
        await ours("revoke", "ol6-sample@1.0.0", "--reason", "it hangs", "--push");
        expect((await as("third")("pull", mirrored, plain)).stderr).toMatch(
          /was revoked on [\d-]+: it hangs/,
        );
      } finally {
        await mirror.stop();
      }
      const failed = await theirs("revoke", "ol6-sample@1.0.0", "--reason", "it hangs", "--push");
      expect(failed.exitCode).toBe(3);
      expect(failed.stderr).toContain(`warning: not sent to ${mirrored.replace(":1.0.0", "")}: `);
      expect(failed.stderr).toContain("connection refused");
      expect((await theirs("list")).stdout).toContain("revoked: it hangs");
    });
  });

  itWith(
    ["root"],
    "says at a pull that the disk is full; what is there stays whole, and room mends it",
    async () => {
      const manifest = await publish("1.0.0");
      await push(manifest, "crowded/ol6-sample");
      const small = join(folder, "small");
      await mkdir(small);
      await host.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small]);
      try {
        const taking = () => pull("small", "crowded/ol6-sample", "1.0.0");
        await expect(taking()).rejects.toMatchObject({
          fault: "environment",
          message: expect.stringContaining("the disk is full"),
        });
        const crowded = folderStore(host, small);
        expect(await crowded.list()).toEqual([]);
        expect(await readdir(join(small, "incoming"))).toEqual([]);
        await host.run(["mount", "-o", "remount,size=64m", small]);
        await taking();
        expect(await crowded.list()).toEqual([manifest]);
        expect(await crowded.verify()).toEqual([]);
      } finally {
        await host.run(["umount", small]);
      }
    },
  );

  it("includes a template's ancestors, and no false ones", async () => {
    const master = sampleManifest(await store.putDisk(image, "System"), { kind: "master" });
    const manifest = { ...(await publish("1.0.0")), version: "1.0.1", parent: manifestDigest(master) };
    await store.publish(manifest);
    const stranger = { ...master, summary: "another" };
    for (const [where, ancestors] of [
      ["line/ol6-sample", [master]],
      ["lie/ol6-sample", [stranger]],
    ] as const)
      await pushTemplate(storeFolder(join(folder, "store")), manifest, at(where, "1.0.1"), open(where), {
        ancestors,
      });
    expect((await pull("other", "line/ol6-sample", "1.0.1")).ancestors).toEqual([master]);
    expect((await pull("other", "lie/ol6-sample", "1.0.1")).ancestors).toEqual([]);
    await takeInto(join(folder, "fifth"), at("line/ol6-sample", "1.0.1"));
    expect((await recordsIn(host, join(folder, "fifth")).list()).map(({ kind }) => kind)).toEqual([
      "master",
      "template",
    ]);
  });

  it("never replaces the template of a name and version", async () => {
    await push(await publish("1.0.0"), "once/ol6-sample");
    const other = sampleManifest(await store.putDisk(image, "System"), { summary: "another" });
    await expect(push(other, "once/ol6-sample")).rejects.toThrow(
      /is already published with different content/,
    );
    const elsewhere = folderStore(host, join(folder, "other"));
    await elsewhere.publish({ ...other, disks: [await elsewhere.putDisk(image, "System")] });
    await expect(pull("other", "once/ol6-sample", "1.0.0")).rejects.toThrow(
      /is already published with different/,
    );
    await expect(pull("other", "once/ol6-sample", "9.9.9")).rejects.toMatchObject({
      message: expect.stringContaining("no such version"),
      hint: "Available: 1.0.0.",
    });
  });

  it("has one of two versions that are pushed at the same time, and the other push fails", async () => {
    const mine = await publish("1.0.0");
    const other = { ...mine, summary: "another builder's" };
    const there = storeFolder(join(folder, "store"));
    const race = (hold: "before" | "after") => {
      const real = open(`race-${hold}/ol6-sample`);
      const place = at(`race-${hold}/ol6-sample`, "1.0.0");
      const theirs = () => pushTemplate(there, other, place, real);
      let isFirst = true;
      const slow: typeof real = {
        ...real,
        async putBlob(digest, data) {
          await real.putBlob(digest, data);
          if (hold === "before" && isFirst) await theirs();
          isFirst = false;
        },
        async putManifest(which, data) {
          await real.putManifest(which, data);
          // The other push checked before ours was published, and writes now.
          if (hold === "after")
            await pushTemplate(there, other, place, { ...real, getManifest: async () => undefined });
        },
      };
      return pushTemplate(there, mine, place, slow);
    };
    for (const hold of ["before", "after"] as const) {
      await expect(race(hold)).rejects.toThrow(/is already published with different content/);
      expect((await pull(hold, `race-${hold}/ol6-sample`, "1.0.0")).manifest).toEqual(other);
    }
  });

  it("has one of two versions that are written in the same instant, and the other push fails", async () => {
    const mine = await publish("1.0.0");
    const other = { ...mine, summary: "another builder's" };
    const real = open("instant/ol6-sample");
    // Both look before either writes.
    let looks = 0;
    let release = () => {};
    const bothLooked = new Promise<void>((done) => {
      release = done;
    });
    const together: typeof real = {
      ...real,
      async getManifest(which) {
        const found = await real.getManifest(which);
        looks += 1;
        // Each push looks twice before it writes.
        if (looks === 4) release();
        return found;
      },
      async putManifest(which, data) {
        await bothLooked;
        await real.putManifest(which, data);
      },
    };
    const place = at("instant/ol6-sample", "1.0.0");
    const there = storeFolder(join(folder, "store"));
    const pushes = await Promise.allSettled(
      [mine, other].map((one) => pushTemplate(there, one, place, together)),
    );
    expect(pushes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    const [lost] = pushes.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    expect(lost.message).toContain("is already published with different content");
    const won = pushes[0]?.status === "fulfilled" ? mine : other;
    expect((await pull("instant", "instant/ol6-sample", "1.0.0")).manifest).toEqual(won);
  });

  it("is used without encryption only if that is requested", async () => {
    const manifest = await publish("1.0.0");
    await expect(push(manifest, "tls/ol6-sample", { plainHttp: false })).rejects.toThrow(
      /does not support https/,
    );
  });

  it("is not trusted: changed data is refused, and nothing is published", async () => {
    const manifest = await publish("1.0.0");
    await push(manifest, "lies/ol6-sample");
    const disk = manifest.disks[0]?.digest ?? "";
    for (const digest of [disk.slice(7), await packName()]) {
      const blob = join(registry.data, "blobs/sha256", digest.slice(0, 2), digest, "data");
      await flip(blob, 1000);
      await expect(pull("other", "lies/ol6-sample", "1.0.0")).rejects.toThrow(
        /returned different content for sha256/,
      );
      await flip(blob, 1000);
      expect(await folderStore(host, join(folder, "other")).list()).toEqual([]);
    }
    await pull("other", "lies/ol6-sample", "1.0.0");
  });

  it("is not trusted if its digests are right but their data is wrong", async () => {
    const manifest = await publish("1.0.0");
    await push(manifest, "forged/ol6-sample");
    const forged = open("forged/ol6-sample");
    const pack = await readFile(join(folder, "store/packs", `${await packName()}.pack`));
    pack[1000] = (pack[1000] ?? 0) ^ 1;
    const digest = `sha256:${createHash("sha256").update(pack).digest("hex")}` as const;
    await forged.putBlob(digest, pack);
    const artifact = JSON.parse(Buffer.from((await forged.getManifest("1.0.0")) ?? []).toString());
    artifact.layers.at(-1).digest = digest;
    await forged.putManifest("1.0.1", Buffer.from(JSON.stringify(artifact)));
    await expect(pull("other", "forged/ol6-sample", "1.0.1")).rejects.toThrow(/a chunk that does not match/);
    artifact.layers.pop();
    await forged.putManifest("1.0.2", Buffer.from(JSON.stringify(artifact)));
    await expect(pull("other", "forged/ol6-sample", "1.0.2")).rejects.toThrow(/is missing from the store/);
    const image = { ...artifact, artifactType: "application/vnd.other" };
    await forged.putManifest("1.0.3", Buffer.from(JSON.stringify(image)));
    await expect(pull("other", "forged/ol6-sample", "1.0.3")).rejects.toThrow(/is not a tbuild template/);
    expect(await folderStore(host, join(folder, "other")).list()).toEqual([]);
  });

  it.each([1, 2, 3])(
    "behind a server with constant failures receives and returns the whole template (seed %i)",
    async (seed) => {
      await using proxy = await unreliableProxy(registry.address, seed);
      const manifest = await publish("1.0.0");
      const options = { credentials: async () => ({ user: "us", password: "secret", from: "here" }) };
      const repository = `unreliable/ol6-sample-${seed}`;
      await push(manifest, repository, options, proxy.address);
      const pulled = await pull("other", repository, "1.0.0", options, proxy.address);
      expect(pulled.digest).toBe(manifestDigest(manifest));
      expect(await folderStore(host, join(folder, "other")).verify()).toEqual([]);
      expect(Object.keys(proxy.faults).length).toBeGreaterThan(2);
    },
  );

  it("reuses the packs of a template's ancestor in a neighbouring repository, and sends only the rest", async () => {
    const base = await publish("1.0.0");
    await push(base, "family/ol6-sample");
    await write(image, noise("more", 2 ** 20), 40 * 2 ** 20);
    const child = sampleManifest(await store.putDisk(image, "System"), {
      name: "ol6-child",
      parent: manifestDigest(base),
    });
    await store.publish(child);
    const { moved, spared } = await pushTemplate(
      storeFolder(join(folder, "store")),
      child,
      at("family/ol6-child", child.version),
      open("family/ol6-child"),
      { ancestors: [base] },
    );
    expect(spared).toBeGreaterThan(12 * 2 ** 20);
    expect(moved).toBeLessThan(2 * 2 ** 20);
    const pulled = await pull("other", "family/ol6-child", child.version);
    expect(pulled.digest).toBe(manifestDigest(child));
  });

  it("gets no chunk of an unsealed master, nor of another template, and the next version sends only what is new", async () => {
    const secret = "the host key of the master";
    await write(image, Buffer.from(`${secret}\n`.repeat(40)), 6 * 2 ** 20);
    await store.publish(sampleManifest(await store.putDisk(image, "System"), { kind: "master" }));
    await write(image, noise("sealed", 4096), 6 * 2 ** 20);
    const pushed = await push(await publish("1.0.0"), "sealed/ol6-sample");
    expect(pushed.moved).toBeGreaterThan(12 * 2 ** 20);
    expect(await chunksWith(secret, join(folder, "store/packs"))).toBe(1);
    expect(await chunksWith(secret, join(registry.data, "blobs"))).toBe(0);

    await write(image, noise("next", 4096), 9 * 2 ** 20);
    const next = await push(await publish("1.0.1"), "sealed/ol6-sample");
    expect(next.moved).toBeLessThan(2 ** 20);
    const { manifest } = await pull("other", "sealed/ol6-sample", "1.0.1");
    await folderStore(host, join(folder, "other")).restoreDisk(
      manifest.disks[0] as StoredDisk,
      join(folder, "back.img"),
    );
    expect(await sha256(join(folder, "back.img"))).toBe(await sha256(image));
  });

  it(`has complete versions after each of ${2 * kills} kills, like the store; the next push continues`, async () => {
    const first = await publish("1.0.0");
    await push(first, "killed/ol6-sample");
    const argv = (home: string, ...args: string[]) => [
      tbuild,
      "--home",
      join(folder, home),
      "template",
      ...args,
      "--plain-http",
    ];
    /** Ends with the exit code, or is killed `after` ms. */
    const run = async (args: readonly string[], after?: number) => {
      const begun = performance.now();
      const child = spawn(process.execPath, args, { cwd: folder, stdio: "ignore" });
      const timer = after === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), after);
      const code = await new Promise((done) => child.once("exit", done));
      clearTimeout(timer);
      return { code, ms: performance.now() - begun };
    };
    const pulling = (home: string) => argv(home, "pull", `${registry.address}/killed/ol6-sample:1.0.0`);
    const whole = await run(pulling("whole"));
    expect(whole.code).toBe(0);
    for (let i = 1; i <= kills; i++) {
      await run(pulling("home"), (whole.ms * (3 + i)) / (3 + kills));
      expect(await folderStore(host, join(folder, "home/store")).verify()).toEqual([]);
      await write(image, noise(`kill ${i}`, 2 ** 20), (1 + i) * 2 ** 20);
      await publish(`1.0.${i}`);
      await run(
        argv("", "push", `ol6-sample@1.0.${i}`, `${registry.address}/killed`),
        (whole.ms * (3 + i)) / (3 + kills),
      );
      await rm(join(folder, "read"), { recursive: true, force: true });
      await pull("read", "killed/ol6-sample", "1.0.0");
    }
    const last = await store.find("template", { name: "ol6-sample" });
    await push(last as Manifest, "killed/ol6-sample");
    await pull("read", "killed/ol6-sample", `1.0.${kills}`);
    expect(await folderStore(host, join(folder, "read")).verify()).toEqual([]);
    expect((await run(pulling("home"))).code).toBe(0);
    expect(await store.verify()).toEqual([]);
  });
});

describe.skipIf(lacking)(titled("a registry that wants to know who it is", lacking), () => {
  const credentials = { user: "somebody", password: "open sesame", from: "here" };
  let guarded: DockerRegistry;
  afterEach(() => guarded?.stop());

  it("accepts the password in Docker's config file", async () => {
    await writeFile(
      join(folder, "htpasswd"),
      "somebody:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n",
    );
    guarded = await startRegistry(
      join(folder, "registry"),
      `auth: { htpasswd: { realm: here, path: ${folder}/htpasswd } }`,
    );
    const manifest = await publish("1.0.0");
    const as = (password: string) => ({
      credentials: async () => {
        const auth = Buffer.from(`somebody:${password}`).toString("base64");
        await writeFile(
          join(folder, "config.json"),
          JSON.stringify({ auths: { [guarded.address]: { auth } } }),
        );
        return dockerCredentials(host, join(folder, "config.json"), guarded.address);
      },
    });
    await expect(push(manifest, "a/b", {}, guarded.address)).rejects.toThrow(/denies access/);
    await expect(push(manifest, "a/b", as("wrong"), guarded.address)).rejects.toThrow(/denies access/);
    await push(manifest, "a/b", as("open sesame"), guarded.address);
    await pull("other", "a/b", "1.0.0", as("open sesame"), guarded.address);
  });

  it("returns a token for the password, and accepts the token", async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const key = join(folder, "key.pem");
    await writeFile(key, privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
    const certificate = join(folder, "certificate.pem");
    await host.run([
      "openssl",
      "req",
      "-x509",
      "-key",
      key,
      "-subj",
      "/CN=tokens",
      "-days",
      "2",
      "-out",
      certificate,
    ]);
    const port = await freePort();
    const realm = `http://127.0.0.1:${port}/token`;
    const asked: string[] = [];
    const tokens = await tokenServer(port, asked, async (scope, subject) => {
      const [type, name, actions = ""] = scope.split(":");
      const now = Math.floor(Date.now() / 1000);
      const der = (await readFile(certificate, "utf8")).replace(/-----.*?-----|\s/g, "");
      const access = [{ type, name, actions: actions.split(",") }];
      const claims = {
        iss: "us",
        sub: subject,
        aud: "here",
        iat: now,
        nbf: now - 9,
        exp: now + 99,
        jti: "1",
        access,
      };
      const text = [{ typ: "JWT", alg: "RS256", x5c: [der] }, claims]
        .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
        .join(".");
      return `${text}.${createSign("RSA-SHA256").update(text).sign(privateKey, "base64url")}`;
    });
    try {
      guarded = await startRegistry(
        join(folder, "registry"),
        `auth: { token: { realm: "${realm}", service: here, issuer: us, rootcertbundle: ${certificate} } }`,
      );
      const manifest = await publish("1.0.0");
      await expect(push(manifest, "a/b", {}, guarded.address)).rejects.toThrow(/denies access/);
      const known = { credentials: async () => credentials };
      await push(manifest, "a/b", known, guarded.address);
      await pull("other", "a/b", "1.0.0", known, guarded.address);
      // The registry lists its challenges in any order.
      const sorted = asked.map((scope) =>
        scope.replace(/[a-z,]+$/, (actions) => actions.split(",").sort().join()),
      );
      expect(sorted).toContain("repository:a/b:pull,push");
    } finally {
      tokens.close();
    }
  });
});

async function tokenServer(
  port: number,
  asked: string[],
  make: (scope: string, subject: string) => Promise<string>,
): Promise<Server> {
  const wanted = `Basic ${Buffer.from("somebody:open sesame").toString("base64")}`;
  const server = createServer(async (request, response) => {
    const scope = new URL(request.url ?? "", "http://here").searchParams.get("scope") ?? "";
    if (request.headers.authorization !== wanted) {
      response.writeHead(401).end();
      return;
    }
    asked.push(scope);
    response.end(JSON.stringify({ token: await make(scope, "somebody") }));
  });
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  return server;
}
