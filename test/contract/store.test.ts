import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { packAll } from "../../src/bundles/write/index.ts";
import { localHost } from "../../src/host/local.ts";
import { lock } from "../../src/host/lock.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import type { Digest } from "../../src/model/digest.ts";
import type { StoredDisk } from "../../src/model/disk.ts";
import { proposeVersion } from "../../src/model/version.ts";
import { folderStore } from "../../src/store/folder/folder-store.ts";
import type { Store } from "../../src/store/store.ts";
import { flip, noise, sha256, write } from "../disk-sample.ts";
import { missing } from "../fakes/missing.ts";
import { sampleManifest } from "../manifest-sample.ts";

const host = localHost();
let folder: string;
let image: string;
let store: Store;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-store-"));
  store = folderStore(host, join(folder, "store"));
  image = join(folder, "disk.img");
  const file = await open(image, "w");
  await file.truncate(64 * 2 ** 20);
  await file.write(noise("data", 3 * 2 ** 20), 0, undefined, 10 * 2 ** 20 + 4096);
  await file.write(Buffer.alloc(4096, 9), 0, undefined, 64 * 2 ** 20 - 4096);
  await file.close();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function packs(): Promise<string[]> {
  const names = await readdir(join(folder, "store/packs")).catch((): string[] => []);
  return names.map((name) => join(folder, "store/packs", name));
}

async function spaceOf(path: string): Promise<number> {
  const out = await host.run(["du", "--summarize", "--apparent-size", "--block-size=1", path]);
  return Number.parseInt(out.stdout, 10);
}

describe("a store", () => {
  it("returns a disk byte for byte, sparse", async () => {
    const disk = await store.putDisk(image, "System");
    expect(disk.bytes).toBe(64 * 2 ** 20);
    await store.restoreDisk(disk, join(folder, "back.img"));
    expect(await sha256(join(folder, "back.img"))).toBe(await sha256(image));
    expect((await stat(join(folder, "back.img"))).blocks * 512).toBeLessThan(40 * 2 ** 20);
  });

  it("is private to its owner, until they share it", async () => {
    const place = join(folder, "store");
    await store.putDisk(image, "System");
    expect((await stat(place)).mode & 0o777).toBe(0o700);
    await chmod(place, 0o750);
    await store.putDisk(image, "Further");
    expect((await stat(place)).mode & 0o777).toBe(0o750);
  });

  it.each([
    [0o755, 0o700],
    [0o2775, 0o2770],
    [0o2750, 0o2750],
  ])("that has mode %o has %o after it was written to", async (before, after) => {
    const place = join(folder, "store");
    await store.putDisk(image, "System");
    await chmod(place, before);
    await store.putDisk(image, "Further");
    expect((await stat(place)).mode & 0o7777).toBe(after);
  });

  it("reads a disk in runs without a gap, holes unread", async () => {
    const disk = await store.putDisk(image, "System");
    const hash = createHash("sha256");
    let at = 0;
    let read = 0;
    for await (const { start, length, data } of store.readDisk(disk)) {
      expect(start).toBe(at);
      expect(start % 4096).toBe(0);
      expect(data?.length ?? length).toBe(length);
      hash.update(data ?? Buffer.alloc(length));
      at += length;
      read += data?.length ?? 0;
    }
    expect(at).toBe(disk.bytes);
    expect(read).toBeLessThan(20 * 2 ** 20);
    expect(hash.digest("hex")).toBe(await sha256(image));
  });

  it("gives a disk one digest, whether its zeros are holes of the file or are written out", async () => {
    const plain = join(folder, "plain.img");
    await writeFile(plain, await readFile(image));
    const half = join(folder, "half.img");
    await host.run(["cp", "--sparse=always", plain, half]);
    await host.run(["fallocate", "--offset", "5M", "--length", "3000K", half]);
    const first = await store.putDisk(image, "System");
    for (const file of [plain, half]) expect((await store.putDisk(file, "System")).digest).toBe(first.digest);
  });

  it("stores common data of two disks once", async () => {
    const first = await store.putDisk(image, "System");
    const before = await packs();
    expect(await store.putDisk(image, "System")).toEqual(first);
    expect(await packs()).toEqual(before);
    await write(image, Buffer.from("changed"), 11 * 2 ** 20);
    expect((await store.putDisk(image, "System")).digest).not.toBe(first.digest);
    const more = (await packs()).filter((pack) => !before.includes(pack));
    expect(more).toHaveLength(1);
    expect((await stat(more[0] ?? "")).size).toBeLessThan(300_000);
  });

  it("quickly computes each version's own space, with large manifests, too", async () => {
    await write(image, noise("much", 40 * 2 ** 20), 16 * 2 ** 20);
    const packages = Array.from({ length: 3000 }, (_, i) => ({
      name: `package-${i}`,
      epoch: 0,
      version: "1.0",
      release: "1.el6",
      arch: "x86_64",
    }));
    const publish = async (version: string) =>
      store.publish(sampleManifest(await store.putDisk(image, "System"), { version, packages }));
    const first = await publish("1.0.0");
    await write(image, noise("other", 8192), 30 * 2 ** 20);
    const second = await publish("1.0.1");
    const begun = performance.now();
    const own = (await store.ownBytes()) as ReadonlyMap<string, number>;
    expect(performance.now() - begun).toBeLessThan(1000);
    for (const digest of [first, second]) {
      expect(own.get(digest)).toBeGreaterThan(8191);
      expect(own.get(digest)).toBeLessThan(600_000);
    }
  });

  it("recognizes its data on other blocks, and in other extents", async () => {
    const data = noise("much", 24 * 2 ** 20);
    await write(image, data, 20 * 2 ** 20);
    await store.putDisk(image, "System");
    const before = await packs();
    const moved = join(folder, "moved.img");
    await writeFile(moved, "");
    await truncate(moved, 80 * 2 ** 20);
    await write(moved, Buffer.concat([noise("inserted", 5 * 4096), data]), 33 * 2 ** 20 + 7 * 4096);
    const disk = await store.putDisk(moved, "System");
    const [more = "", ...others] = (await packs()).filter((pack) => !before.includes(pack));
    expect(others).toEqual([]);
    expect((await stat(more)).size).toBeLessThan(600_000);
    await store.restoreDisk(disk, join(folder, "back.img"));
    expect(await sha256(join(folder, "back.img"))).toBe(await sha256(moved));
  });

  it("stores an image of any length, and one without data", async () => {
    for (const bytes of [0, 1, 4095, 2 ** 20 + 513]) {
      const odd = join(folder, "odd.img");
      await writeFile(odd, noise("odd", bytes));
      const disk = await store.putDisk(odd, "System");
      await store.restoreDisk(disk, join(folder, "back.img"));
      expect(await sha256(join(folder, "back.img"))).toBe(await sha256(odd));
    }
    await writeFile(image, "");
    await truncate(image, 2 ** 30);
    const disk = await store.putDisk(image, "System");
    expect(disk.dataBytes).toBe(0);
    await store.restoreDisk(disk, join(folder, "back.img"));
    expect((await stat(join(folder, "back.img"))).size).toBe(2 ** 30);
  });

  it("stores six versions in little more than the space of one, and returns each", async () => {
    const sums: [StoredDisk, string][] = [];
    let one = 0;
    await write(image, noise("more", 24 * 2 ** 20), 14 * 2 ** 20);
    for (let i = 0; i < 6; i++) {
      await write(image, noise(`version ${i}`, 6000), (10 + i) * 2 ** 20 + 9000);
      sums.push([await store.putDisk(image, "System"), await sha256(image)]);
      await store.publish(sampleManifest(sums[i]?.[0] as StoredDisk, { version: `1.0.${i}` }));
      one ||= await spaceOf(join(folder, "store"));
    }
    expect((await spaceOf(join(folder, "store"))) / one).toBeLessThan(1.3);
    for (const [disk, sum] of sums) {
      await store.restoreDisk(disk, join(folder, "back.img"));
      expect(await sha256(join(folder, "back.img"))).toBe(sum);
    }
  });

  it("publishes once: accepts the same again, refuses other content", async () => {
    const manifest = sampleManifest(await store.putDisk(image, "System"));
    const digest = await store.publish(manifest);
    expect(await store.publish(manifest)).toBe(digest);
    await expect(store.publish({ ...manifest, summary: "another" })).rejects.toThrow(
      "ol6-sample@1.0.0: is already published with different content",
    );
    expect(await store.get(digest)).toEqual(manifest);
    expect((await store.find("template", { name: "ol6-sample" }))?.version).toBe("1.0.0");
    expect(await store.find("master", { name: "ol6-sample" })).toBeUndefined();
  });

  it("follows a lineage, finds the newest, and numbers the next", async () => {
    const disk = await store.putDisk(image, "System");
    const parent = await store.publish(sampleManifest(disk, { kind: "master" }));
    const child = await store.publish(sampleManifest(disk, { version: "1.0.9", parent }));
    await store.publish(sampleManifest(disk, { version: "1.0.10", parent }));
    expect((await store.lineage(child)).map((manifest) => manifest.kind)).toEqual(["template", "master"]);
    expect((await store.find("template", { name: "ol6-sample" }))?.version).toBe("1.0.10");
    const there = await store.versions("template", "ol6-sample");
    expect(there).toEqual(["1.0.9", "1.0.10"]);
    expect(proposeVersion(there, "1.0.9")).toBe("1.0.11");
    expect(proposeVersion([], "2.0.0")).toBe("2.0.0");
  });

  it("finds a flipped byte anywhere, and lists the versions that it affects", async () => {
    const disk = await store.putDisk(image, "System");
    await store.publish(sampleManifest(disk));
    expect(await store.verify()).toEqual([]);
    const [pack = ""] = await packs();
    const places: [string, number, RegExp][] = [
      [pack, 5, /disk System: chunk [0-9a-f]+ does not match its digest \(packs\//],
      [pack, (await stat(pack)).size - 2, /disk System: chunk [0-9a-f]+ is missing/],
      [pack, (await stat(pack)).size - 50, /packs\/[0-9a-f]+\.pack: does not match its digest/],
      [join(folder, "store/disks", disk.digest.slice(7)), 99, /disk System: .*its chunk list does not match/],
      [
        join(folder, "store/templates/ol6-sample/1.0.0.json"),
        60,
        /ol6-sample\/1\.0\.0\.json: does not match/,
      ],
      [
        join(folder, "store/templates/ol6-sample/1.0.0.sha256"),
        3,
        /1\.0\.0\.json: does not match its \.sha256/,
      ],
    ];
    for (const [file, at, message] of places) {
      await flip(file, at);
      expect((await store.verify()).join("\n")).toMatch(message);
      await flip(file, at);
    }
    expect(await store.verify()).toEqual([]);
  });

  it("restores nothing rather than wrong data", async () => {
    const disk = await store.putDisk(image, "System");
    await flip((await packs())[0] ?? "", 5);
    await writeFile(join(folder, "back.img"), "as it was");
    await expect(store.restoreDisk(disk, join(folder, "back.img"))).rejects.toThrow(
      /does not match its digest/,
    );
    expect(await readFile(join(folder, "back.img"), "utf8")).toBe("as it was");
    await rm((await packs())[0] ?? "");
    await expect(store.restoreDisk(disk, join(folder, "back.img"))).rejects.toThrow(/is missing from the/);
    expect(await readdir(folder)).not.toContain("back.img.part");
    await expect(store.publish(sampleManifest(disk))).rejects.toThrow(/is missing from the store/);
  });

  it("waits for another writer", async () => {
    const held = await lock(join(folder, "store/lock"));
    const putting = store.putDisk(image, "System");
    await new Promise((done) => setTimeout(done, 300));
    expect(await packs()).toEqual([]);
    await held.release();
    await putting;
    expect(await packs()).toHaveLength(1);
  });

  it("leaves a store of an older format alone", async () => {
    await mkdir(join(folder, "store/chunks"), { recursive: true });
    for (const act of [() => store.list(), () => store.verify(), () => store.putDisk(image, "System")])
      await expect(act()).rejects.toThrow(/this version of tbuild cannot read this store/);
    expect(await readdir(join(folder, "store"))).toEqual(["chunks"]);
  });

  it("never has a rehearsal under the name of a real template", async () => {
    const disk = await store.putDisk(image, "System");
    await expect(store.publish(sampleManifest(disk, { rehearsal: true }))).rejects.toThrow(
      /only rehearsals may use this name/,
    );
    await expect(store.publish(sampleManifest(disk, { name: "ol6-sample-rehearsal" }))).rejects.toThrow(
      /only rehearsals may use this name/,
    );
    await store.publish(sampleManifest(disk, { name: "ol6-sample-rehearsal", rehearsal: true }));
  });

  it("refuses a manifest that leads out of the store", async () => {
    const disk = await store.putDisk(image, "System");
    await expect(store.publish(sampleManifest(disk, { name: "../../etc" }))).rejects.toThrow(
      /is not a manifest/,
    );
    await expect(store.publish(sampleManifest({ ...disk, digest: "sha256:../../x" }))).rejects.toThrow(
      /is not a manifest/,
    );
  });

  it("says that the disk is full, and publishes nothing", async (context) => {
    context.skip(missing("root") !== undefined, missing("root"));
    const small = join(folder, "small");
    await host.run(["mkdir", small]);
    await host.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small]);
    try {
      const crowded = folderStore(host, small);
      const little = join(folder, "little.img");
      await writeFile(little, noise("little", 100_000));
      await crowded.publish(sampleManifest(await crowded.putDisk(little, "System")));
      await expect(crowded.putDisk(image, "System")).rejects.toThrow(/the disk is full/);
      expect(await crowded.list()).toHaveLength(1);
      expect(await crowded.verify()).toEqual([]);
      const disk = await store.putDisk(image, "System");
      await expect(store.restoreDisk(disk, join(small, "back.img"))).rejects.toThrow(/the disk is full/);
      expect(await readdir(small)).not.toContain("back.img.part");
      for (const format of ["ovm-tgz", "ova", "qcow2", "raw"] as const)
        await expect(
          packAll(sampleManifest(disk), store, join(small, format), [format], {}),
          format,
        ).rejects.toMatchObject({
          fault: "environment",
          message: expect.stringMatching(/ol6-sample-1\.0\.0\.\w+: the disk is full/),
        });
      expect(
        (await readdir(small, { recursive: true })).filter((name) =>
          /\.(?:tgz|ova|qcow2|img|part)$/.test(name),
        ),
      ).toEqual([]);
    } finally {
      await host.run(["umount", small]);
    }
  });
});

describe("pruning a store", () => {
  const versions = ["1.0.0", "1.0.1", "1.0.2"];
  async function publishThree(): Promise<Digest[]> {
    const digests: Digest[] = [];
    for (const [i, version] of versions.entries()) {
      await write(image, noise(version, 2 ** 20), (10 + i) * 2 ** 20 + 8192);
      digests.push(await store.publish(sampleManifest(await store.putDisk(image, "System"), { version })));
    }
    return digests;
  }
  const namesOf = (list: readonly { what: string }[]) => list.map((one) => one.what);

  it("changes nothing unless told to, and gives reasons", async () => {
    await publishThree();
    const before = await readdir(folder, { recursive: true });
    const { removed, kept, applied } = await store.prune({ keep: 1, apply: false });
    expect(applied).toBe(false);
    expect(removed).toContainEqual({
      what: "template ol6-sample@1.0.0",
      reason: "older than the newest 1, without a channel or tag, and no parent of a kept version",
    });
    expect(kept).toContainEqual({ what: "template ol6-sample@1.0.2", reason: "the newest" });
    expect((await readdir(folder, { recursive: true })).filter((name) => !before.includes(name))).toEqual([]);
    expect(await store.list()).toHaveLength(3);
  });

  it("keeps versions of a channel or a lineage, and frees the rest", async () => {
    const [first] = (await publishThree()) as [Digest, Digest, Digest];
    const disk = await store.putDisk(image, "System");
    const master = await store.publish(sampleManifest(disk, { kind: "master" }));
    await store.publish(sampleManifest(disk, { kind: "master", version: "1.0.1" }));
    await store.publish(sampleManifest(disk, { version: "1.0.3", parent: master }));
    const before = await spaceOf(join(folder, "store/packs"));
    const held = new Map([[first, "channel stable"]]);
    const { kept, removed, bytes } = await store.prune({ keep: 1, held, apply: true, graceMs: 0 });
    expect(kept).toContainEqual({ what: "template ol6-sample@1.0.0", reason: "channel stable" });
    expect(kept).toContainEqual({
      what: "master ol6-sample@1.0.0",
      reason: "it is the parent of template ol6-sample@1.0.3",
    });
    expect(namesOf(removed)).toContain("template ol6-sample@1.0.1");
    expect(await store.verify()).toEqual([]);
    expect((await store.list()).map((m) => `${m.kind} ${m.version}`).sort()).toEqual([
      "master 1.0.0",
      "master 1.0.1",
      "template 1.0.0",
      "template 1.0.3",
    ]);
    expect(bytes).toBeGreaterThanOrEqual(0);
    expect(await spaceOf(join(folder, "store/packs"))).toBeLessThanOrEqual(before);
  });

  it("repacks needed chunks of a mostly unused pack", async () => {
    await publishThree();
    await store.prune({ keep: 1, apply: true, graceMs: 0 });
    const whole = await spaceOf(join(folder, "store/packs"));
    const kept = join(folder, "kept.img");
    await store.restoreDisk((await store.list())[0]?.disks[0] as StoredDisk, kept);
    const mostlyOther = join(folder, "other.img");
    await writeFile(mostlyOther, Buffer.concat([noise("other", 20 * 2 ** 20), noise("common", 2 ** 20)]));
    await store.putDisk(mostlyOther, "System");
    await writeFile(mostlyOther, noise("common", 2 ** 20));
    const common = await store.putDisk(mostlyOther, "System");
    await store.publish(sampleManifest(common, { name: "ol6-other" }));
    const { removed } = await store.prune({ apply: true, graceMs: 0 });
    expect(removed.map((one) => one.reason).join()).toMatch(
      /only \d % of it is still needed; it is repacked/,
    );
    expect(await store.verify()).toEqual([]);
    expect(await spaceOf(join(folder, "store/packs"))).toBeLessThan(whole + 1.5 * 2 ** 20);
    await store.restoreDisk(common, join(folder, "back.img"));
    expect(await sha256(join(folder, "back.img"))).toBe(await sha256(mostlyOther));
  });

  it("keeps recent data, because a build may publish it soon", async () => {
    const disk = await store.putDisk(image, "System");
    const { removed, kept } = await store.prune({ apply: true });
    expect(removed).toEqual([]);
    expect(kept.map((one) => one.reason)).toEqual(["not published, but stored less than a day ago"]);
    const old = new Date(Date.now() - 25 * 60 * 60 * 1000);
    await utimes(join(folder, "store/disks", disk.digest.slice(7)), old, old);
    for (const pack of await packs()) await utimes(pack, old, old);
    expect(await store.putDisk(image, "System")).toEqual(disk);
    expect((await store.prune({ apply: true })).removed).toEqual([]);
    await store.publish(sampleManifest(disk));
  });

  it("frees the space of removed versions immediately", async () => {
    await publishThree();
    const { removed, kept } = await store.prune({ keep: 1, apply: true });
    expect(namesOf(kept)).toEqual(["template ol6-sample@1.0.2"]);
    expect(namesOf(removed).filter((what) => what.startsWith("disk "))).toHaveLength(2);
    expect(await readdir(join(folder, "store/disks"))).toHaveLength(1);
    expect(await store.verify()).toEqual([]);
  });

  it("removes nothing from a store that is damaged", async () => {
    await publishThree();
    const disk = (await store.find("template", { name: "ol6-sample" }))?.disks[0] as StoredDisk;
    await flip(join(folder, "store/disks", disk.digest.slice(7)), 50);
    const before = await packs();
    await expect(store.prune({ keep: 1, apply: true, graceMs: 0 })).rejects.toThrow(/nothing was removed/);
    expect(await packs()).toEqual(before);
    expect(await store.list()).toHaveLength(3);
  });
});

const kills = Number(process.env.TBUILD_KILLS ?? 15);

describe("a store whose users are killed", () => {
  it(`is complete after each of ${kills} kills, has everything published, and keeps working`, async () => {
    const script = join(folder, "act.mjs");
    const nothing = { name: "System", digest: `sha256:${"0".repeat(64)}` as const, bytes: 1, dataBytes: 1 };
    const dist = resolve(import.meta.dirname, "../../dist");
    await writeFile(
      script,
      `import { folderStore } from "${dist}/store/folder/folder-store.js";
import { localHost } from "${dist}/host/local.js";
const [act, folder, image, manifest] = process.argv.slice(2);
const store = folderStore(localHost(), folder);
process.stdout.write("begun\\n");
if (act === "publish") {
  const disk = await store.putDisk(image, "System");
  await store.publish({ ...JSON.parse(manifest), disks: [disk] });
}
if (act === "prune") await store.prune({ keep: 2, apply: true, graceMs: 0 });
if (act === "restore") await store.restoreDisk((await store.list()).at(-1).disks[0], image + ".back");
`,
    );
    /** Runs an act, and kills it after `after` ms. Returns whether it finished, and its time. */
    async function act(what: string, version: string, after?: number) {
      const manifest = JSON.stringify(sampleManifest(nothing, { version }));
      const argv = [script, what, join(folder, "store"), image, manifest];
      const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
      await new Promise((done) => child.stdout.once("data", done));
      const begun = performance.now();
      const timer = after === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), after);
      const code = await new Promise((done) => child.once("exit", done));
      clearTimeout(timer);
      return { ended: code === 0, ms: performance.now() - begun };
    }

    const first = await act("publish", "1.0.0");
    expect(first.ended).toBe(true);
    const acts = ["publish", "prune", "publish", "restore", "publish"];
    let [killed, newest] = [0, 0];
    for (let i = 1; i <= kills; i++) {
      const what = acts[i % acts.length] as string;
      if (what === "publish")
        await write(image, noise(`kill ${i}`, 2 ** 20), 10 * 2 ** 20 + (i % 9) * 2 ** 18);
      const { ended } = await act(what, `1.0.${i}`, (first.ms * ((i * 37) % kills)) / kills);
      if (!ended) killed++;
      const there = (await store.list()).map((one) => Number(one.version.split(".")[2]));
      if (what === "publish" && ended) newest = i;
      // Nothing published is lost, except versions that pruning was told to remove.
      expect(Math.max(-1, ...there)).toBeGreaterThanOrEqual(newest);
      newest = Math.max(newest, ...there);
      expect(await store.verify()).toEqual([]);
    }
    expect(killed).toBeGreaterThan(kills / 5);
    const disk = await store.putDisk(image, "System");
    await store.publish(sampleManifest(disk, { version: "2.0.0" }));
    await store.prune({ keep: 1, apply: true, graceMs: 0 });
    await store.restoreDisk(disk, join(folder, "back.img"));
    expect(await sha256(join(folder, "back.img"))).toBe(await sha256(image));
    expect(await readdir(join(folder, "store/tmp")).catch(() => [])).toEqual([]);
  });

  it("has one writer at a time, even after one died: one of several processes takes over its lock", async () => {
    const rounds = 40;
    // No process has this pid (pid_max is at most 4194304).
    for (let i = 0; i < rounds; i++) await writeFile(join(folder, `lock${i}`), "9999999 1\n");
    const script = join(folder, "take.mjs");
    const dist = resolve(import.meta.dirname, "../../dist");
    await writeFile(
      script,
      `import { tryLock } from "${dist}/host/lock.js";
process.stdin.once("data", async () => {
  let got = 0;
  for (let i = 0; i < ${rounds}; i++) if ("release" in (await tryLock("${folder}/lock" + i))) got++;
  process.stdout.write(String(got));
  // A lock is its process's: none may end before all have tried.
  process.stdin.once("end", () => process.exit()).resume();
});
process.stdout.write("ready ");
`,
    );
    const children = [1, 2, 3, 4].map(() => spawn(process.execPath, [script], { stdio: "pipe" }));
    const said = children.map(() => "");
    const all = (pattern: RegExp) =>
      waitFor("the processes", async () => said.every((text) => pattern.test(text)) || undefined, {
        timeoutMs: 60_000,
      });
    for (const [i, child] of children.entries()) child.stdout.on("data", (text) => (said[i] += text));
    await all(/^ready $/);
    for (const child of children) child.stdin.write("go");
    await all(/^ready \d+$/);
    for (const child of children) child.stdin.end();
    expect(said.map((text) => Number(text.split(" ")[1])).reduce((sum, got) => sum + got, 0)).toBe(rounds);
  });
});
