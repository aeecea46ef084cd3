import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { manifestDigest } from "../../src/model/manifest.ts";
import { previousOf, readCatalog, yieldedIn } from "../../src/store/records/catalog.ts";
import { finder } from "../../src/store/records/finder.ts";
import { pointerTo } from "../../src/store/records/pointers.ts";
import { type Records, recordsIn } from "../../src/store/records/records.ts";
import { memoryStore } from "../fakes/memory-store.ts";
import { describeWith, itWith } from "../fakes/missing.ts";
import { sampleManifest } from "../manifest-sample.ts";

const host = localHost();
const disk = { name: "System", digest: `sha256:${"d".repeat(64)}`, bytes: 1, dataBytes: 1 } as const;
const version = (version: string, changes: Partial<Manifest> = {}) =>
  sampleManifest(disk, { version, ...changes });
const emptyStore = memoryStore([]);
let folder: string;
let records: Records;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-records-"));
  records = recordsIn(host, folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("the records of a recipe repo", () => {
  it("give back what was written, and refuse other content under the same version", async () => {
    const file = await records.put(version("1.0.0"));
    expect(file).toBe(join(folder, "templates/ol6-sample/1.0.0.json"));
    expect(await records.put(version("1.0.0"))).toBe(file);
    expect(await records.list()).toEqual([version("1.0.0")]);
    await expect(records.put(version("1.0.0", { summary: "another" }))).rejects.toThrow(
      /records a different ol6-sample@1\.0\.0/,
    );
  });

  it("name a file in which a merge has left its conflict", async () => {
    await records.setChannel("ol6-sample", "stable", { ...pointerTo(version("1.0.0")), before: [] });
    const file = join(folder, "templates/ol6-sample/channels/stable.json");
    await writeFile(file, `<<<<<<< HEAD\n${await readFile(file, "utf8")}`);
    await expect(records.channel("ol6-sample", "stable")).rejects.toMatchObject({
      fault: "integrity",
      message: expect.stringContaining("channels/stable.json"),
      hint: expect.stringContaining("conflict"),
    });
  });

  it("name a version that two people have built, after a merge", async () => {
    const file = await records.put(version("1.0.0"));
    await writeFile(file, `<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> theirs\n`);
    await expect(records.list()).rejects.toMatchObject({
      fault: "integrity",
      message: expect.stringContaining("templates/ol6-sample/1.0.0.json"),
      hint: expect.stringContaining("Keep one of the two"),
    });
  });

  it("keep a tag where it was put", async () => {
    await records.setTag("ol6-sample", "audited", pointerTo(version("1.0.0")));
    await expect(records.setTag("ol6-sample", "audited", pointerTo(version("1.0.1")))).rejects.toThrow(
      /the tag audited belongs to 1\.0\.0, and tags cannot be moved/,
    );
  });

  it("never use a path outside the repo", async () => {
    await expect(records.put(version("1.0.0", { name: "../../etc" }))).rejects.toThrow(/is not a manifest/);
    await expect(async () => records.channel("../x", "stable")).rejects.toThrow();
    await expect(async () => records.revoke("x", "../../y", undefined)).rejects.toThrow();
  });

  itWith(["git"], "of two people are merged by git", async () => {
    const git = (...args: string[]) =>
      host.run(["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@t", ...args]);
    await git("init", "-q", "-b", "main");
    await records.put(version("1.0.0"));
    await git("add", "-A");
    await git("commit", "-qm", "first");
    await git("checkout", "-qb", "other");
    await records.put(version("1.0.1"));
    await records.setChannel("ol6-sample", "candidate", { ...pointerTo(version("1.0.1")), before: [] });
    await records.setTag("ol6-sample", "mine", pointerTo(version("1.0.1")));
    await git("add", "-A");
    await git("commit", "-qm", "theirs");
    await git("checkout", "-q", "main");
    await records.put(version("1.1.0"));
    await records.setChannel("ol6-sample", "stable", { ...pointerTo(version("1.0.0")), before: [] });
    await records.revoke("ol6-sample", "1.1.0", { reason: "no", since: new Date().toISOString() });
    await git("add", "-A");
    await git("commit", "-qm", "ours");
    await git("merge", "-q", "--no-edit", "other");
    const catalog = await readCatalog(emptyStore, records);
    expect(
      catalog.map(({ manifest, channels, tags, revoked }) => [
        manifest.version,
        channels,
        tags,
        revoked?.reason,
      ]),
    ).toEqual([
      ["1.0.0", ["stable"], [], undefined],
      ["1.0.1", ["candidate"], ["mine"], undefined],
      ["1.1.0", [], [], "no"],
    ]);
  });
});

describe("the catalog", () => {
  it("finds a version by name, number, channel and tag, and says what there is", async () => {
    for (const number of ["1.9.0", "1.10.0", "1.2.0"]) await records.put(version(number));
    await records.setChannel("ol6-sample", "stable", { ...pointerTo(version("1.2.0")), before: [] });
    await records.setTag("ol6-sample", "audited", pointerTo(version("1.9.0")));
    const { find, previous } = finder(emptyStore, records);
    const found = async (ref: string) => (await find(ref)).manifest.version;
    expect(await found("ol6-sample")).toBe("1.10.0");
    expect(await found("ol6-sample@1.9.0")).toBe("1.9.0");
    expect(await found("ol6-sample@stable")).toBe("1.2.0");
    expect(await found("ol6-sample@audited")).toBe("1.9.0");
    for (const ref of ["candidate", "1.9", "../1.9.0", "01.9.0", ""])
      await expect(found(`ol6-sample@${ref}`)).rejects.toThrow(/no such version, channel or tag/);
    for (const ref of ["nothing", "../ol6-sample", "", "@", "ol6-sample/../ol6-sample"])
      await expect(found(ref)).rejects.toThrow(/no such template/);
    expect((await previous(await find("ol6-sample")))?.manifest.version).toBe("1.9.0");
    const catalog = await readCatalog(emptyStore, records);
    const newest = catalog.at(-1);
    expect(newest && previousOf(catalog, newest)?.manifest.version).toBe("1.9.0");
  });

  it("knows versions that are only recorded, follows the lineage, and distinguishes two versions with one number", async () => {
    const master = version("1.0.0", { kind: "master" });
    const child = version("1.0.0", { parent: manifestDigest(master) });
    await records.put(master);
    await records.put(child);
    const store = memoryStore([child]);
    const catalog = await readCatalog(store, records);
    expect(catalog.map(({ manifest, here }) => [manifest.kind, here])).toEqual([
      ["master", false],
      ["template", true],
    ]);
    const { find, lineage } = finder(store, records);
    expect((await lineage(await find("ol6-sample"))).map((one) => one.manifest.kind)).toEqual([
      "template",
      "master",
    ]);
    const other = memoryStore([version("1.0.0", { summary: "built elsewhere" })]);
    const both = await readCatalog(other, records);
    await expect(finder(other, records).find("ol6-sample@1.0.0")).rejects.toThrow(
      /two different versions have this number/,
    );
    expect(yieldedIn(both).map(({ manifest }) => manifest.summary)).toEqual(["built elsewhere"]);
    expect(yieldedIn(catalog)).toEqual([]);
  });
});

describeWith(["ssh-keygen"], "a signed manifest", () => {
  let key: string;
  beforeEach(async () => {
    key = join(folder, "key");
    await host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "t", "-f", key]);
    records = recordsIn(host, folder, key);
    await records.put(version("1.0.0"));
  });

  it("is unknown until allowed_signers contains the key", async () => {
    expect(await records.signature(version("1.0.0"))).toMatchObject({
      state: "stranger",
      key: expect.stringMatching(/^SHA256:/),
    });
    await writeFile(
      join(folder, "allowed_signers"),
      `me@example.com ${await readFile(`${key}.pub`, "utf8")}`,
    );
    expect(await records.signature(version("1.0.0"))).toEqual({ state: "good", by: "me@example.com" });
  });

  it("is bad if a byte of it differs", async () => {
    await writeFile(
      join(folder, "allowed_signers"),
      `me@example.com ${await readFile(`${key}.pub`, "utf8")}`,
    );
    expect(await records.signature(version("1.0.0", { summary: "another" }))).toMatchObject({ state: "bad" });
    await writeFile(join(folder, "templates/ol6-sample/1.0.0.json.sig"), "garbage");
    expect(await records.signature(version("1.0.0"))).toMatchObject({ state: "bad" });
  });

  it("is bad when the key may sign something else only", async () => {
    const pub = await readFile(`${key}.pub`, "utf8");
    await writeFile(join(folder, "allowed_signers"), `me@example.com namespaces="git" ${pub}`);
    expect((await records.signature(version("1.0.0"))).state).not.toBe("good");
  });

  it("is asked for with a key that is there", async () => {
    const other = recordsIn(host, folder, join(folder, "nokey"));
    await expect(other.put(version("1.0.1"))).rejects.toMatchObject({ fault: "environment" });
  });
});
