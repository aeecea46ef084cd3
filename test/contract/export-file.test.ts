import { randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Interrupted } from "../../src/errors.ts";
import { localHost } from "../../src/host/local.ts";
import { tarEnd, tarEntries, tarHeader, tarPadding } from "../../src/io/tar.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { manifestDigest, manifestText } from "../../src/model/manifest.ts";
import { exportTemplate, importTemplate, isExport } from "../../src/store/exchange/export-file.ts";
import { folderStore } from "../../src/store/folder/folder-store.ts";
import { finder } from "../../src/store/records/finder.ts";
import { recordsIn } from "../../src/store/records/records.ts";
import { signText } from "../../src/store/records/signature.ts";
import { describeWith, itWith } from "../fakes/missing.ts";
import { sampleManifest } from "../manifest-sample.ts";

const host = localHost();
const options = { signal: new AbortController().signal };
let folder: string;
let file: string;
let manifest: Manifest;
const place = (name: string) => ({
  store: folderStore(host, join(folder, name, "store")),
  records: recordsIn(host, join(folder, name, "repo")),
});

describeWith(["qemu-img"], "a template in one file", () => {
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-export-"));
    file = join(folder, "sample.tbuild");
    const image = join(folder, "disk.img");
    await using disk = await open(image, "w");
    await disk.truncate(120 * 2 ** 20 + 512);
    await disk.write(randomBytes(9 * 2 ** 20), 0, undefined, 5 * 2 ** 20 + 4096);
    await disk.write(Buffer.from("the last bytes"), 0, undefined, 120 * 2 ** 20);
    const { store, records } = place("here");
    const stored = await store.putDisk(image, "System");
    const master = sampleManifest(stored, { kind: "master" });
    await store.publish(master);
    manifest = sampleManifest(stored, { parent: manifestDigest(master) });
    await store.publish(manifest);
    const { find, lineage } = finder(store, records);
    await exportTemplate(store, records, await lineage(await find("ol6-sample")), file, options);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const take = (from = file) => {
    const { store, records } = place("there");
    return importTemplate(store, records, from, join(folder, "work"), options);
  };

  it("is imported elsewhere with the same disk, manifest and lineage", async () => {
    expect(await isExport(file)).toBe(true);
    expect(await take()).toMatchObject({ manifest, already: false, signature: { state: "unsigned" } });
    const { store, records } = place("there");
    expect(await store.get(manifestDigest(manifest))).toEqual(manifest);
    expect(await store.verify()).toEqual([]);
    const [disk] = manifest.disks;
    if (disk) await store.restoreDisk(disk, join(folder, "back.img"));
    expect((await readFile(join(folder, "back.img"))).equals(await readFile(join(folder, "disk.img")))).toBe(
      true,
    );
    expect((await records.list()).map(({ kind }) => kind)).toEqual(["master", "template"]);
    expect(await take()).toMatchObject({ already: true });
    expect(await readdir(join(folder, "work"))).toEqual([]);
  });

  it("brings the warning of a revoked version along", async () => {
    const { store, records } = place("here");
    await records.revoke("ol6-sample", "1.0.0", { reason: "leaks", since: "2026-11-25T10:00:00.000Z" });
    const { find, lineage } = finder(store, records);
    await rm(file);
    await exportTemplate(store, records, await lineage(await find("ol6-sample@1.0.0")), file, options);
    await take();
    expect(await place("there").records.revocation("ol6-sample", "1.0.0")).toMatchObject({ reason: "leaks" });
  });

  it("is refused if it is truncated anywhere, and nothing is published", async () => {
    const whole = await readFile(file);
    for (let i = 0; i < 12; i++) {
      await writeFile(join(folder, "cut"), whole.subarray(0, Math.floor((whole.length * i) / 12) + 700));
      await expect(take(join(folder, "cut"))).rejects.toMatchObject({ fault: "integrity" });
    }
    expect(await place("there").store.list()).toEqual([]);
    expect(await place("there").records.list()).toEqual([]);
  });

  it("is refused with a flipped byte anywhere in a disk", async () => {
    const whole = await readFile(file);
    for (const at of [0.2, 0.5, 0.9]) {
      const other = Buffer.from(whole);
      const byte = Math.floor(whole.length * at);
      other[byte] = (other[byte] ?? 0) ^ 1;
      await writeFile(join(folder, "flipped"), other);
      await expect(take(join(folder, "flipped"))).rejects.toMatchObject({ fault: "integrity" });
    }
    expect(await place("there").store.list()).toEqual([]);
  });

  it("is refused if it is forged: another disk, a piece out of place, a bomb, a foreign file, a false ancestor", async () => {
    const parts: [string, Buffer][] = [];
    for await (const { name, body } of tarEntries(createReadStream(file))) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of body) chunks.push(chunk);
      parts.push([name, Buffer.concat(chunks)]);
    }
    const lying = join(folder, "lying");
    const lies: Record<string, (name: string, data: Buffer) => [string, Buffer]> = {
      "another disk": (name, data) => [name, name.startsWith("disks") ? gzipSync("x") : data],
      "out of place": (name, data) => [name.replace(/System\/\d+/, "System/999999999"), data],
      bomb: (name, data) => [name, name.startsWith("disks") ? gzipSync(Buffer.alloc(2 ** 26)) : data],
      stranger: (name, data) => [name.replace(/^disks\/System/, "../../etc"), data],
      ancestor: (name, data) => [
        name,
        name === "manifests/1.json"
          ? Buffer.from(
              manifestText(sampleManifest(manifest.disks[0] as never, { kind: "master", summary: "x" })),
            )
          : data,
      ],
      huge: (name, data) => [
        name,
        name === "manifests/0.json"
          ? Buffer.from(data.toString().replace(/"bytes": \d+/, '"bytes": 9007199254740991'))
          : data,
      ],
    };
    for (const [what, lie] of Object.entries(lies)) {
      await using out = await open(lying, "w");
      for (const part of parts) {
        const [name, data] = lie(...part);
        for (const one of [await tarHeader(name, data.length), data, tarPadding(data.length)])
          await out.write(one);
      }
      await out.write(tarEnd);
      await expect(take(lying), what).rejects.toMatchObject({ fault: "integrity" });
    }
    expect(await place("there").store.list()).toEqual([]);
    expect(await place("there").records.list()).toEqual([]);
  });

  it("is refused if another build has that version, and nothing is published", async () => {
    const { store, records } = place("there");
    await records.put({ ...manifest, summary: "another" });
    await expect(take()).rejects.toThrow(/records a different ol6-sample@1\.0\.0/);
    expect(await store.list()).toEqual([]);
  });

  it("leaves nothing incomplete after an interruption", async () => {
    const { store, records } = place("here");
    const { find, lineage } = finder(store, records);
    const line = await lineage(await find("ol6-sample"));
    const ended = new AbortController();
    const stop = { signal: ended.signal, progress: () => ended.abort() };
    const other = join(folder, "other.tbuild");
    await expect(exportTemplate(store, records, line, other, stop)).rejects.toBeInstanceOf(Interrupted);
    const there = place("there");
    const again = { signal: ended.signal };
    await expect(
      importTemplate(there.store, there.records, file, join(folder, "work"), again),
    ).rejects.toBeInstanceOf(Interrupted);
    expect((await readdir(folder)).filter((name) => name.startsWith("other"))).toEqual([]);
    expect(await readdir(join(folder, "work"))).toEqual([]);
    expect(await there.store.list()).toEqual([]);
  });

  itWith(
    ["root"],
    "says where the disk is full, in writing it and in taking it in; nothing half-made stays, and room mends it",
    async () => {
      const small = join(folder, "small");
      await host.run(["mkdir", small]);
      await host.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small]);
      try {
        const { store, records } = place("here");
        const { find, lineage } = finder(store, records);
        const line = await lineage(await find("ol6-sample"));
        const to = join(small, "out.tbuild");
        const write = () => exportTemplate(store, records, line, to, options);
        const full = { fault: "environment", message: expect.stringContaining("the disk is full") };
        await expect(write()).rejects.toMatchObject({ ...full, message: expect.stringContaining(to) });
        expect(await readdir(small)).toEqual([]);
        expect(await store.verify()).toEqual([]);

        // The work folder lies there, and then the store.
        const there = place("there");
        await expect(importTemplate(there.store, there.records, file, small, options)).rejects.toMatchObject(
          full,
        );
        expect(await readdir(small)).toEqual([]);
        const crowded = folderStore(host, join(small, "store"));
        const work = join(folder, "work");
        await expect(importTemplate(crowded, there.records, file, work, options)).rejects.toMatchObject(full);
        expect(await crowded.list()).toEqual([]);
        expect(await there.records.list()).toEqual([]);

        await host.run(["mount", "-o", "remount,size=64m", small]);
        expect(await write()).toBeGreaterThan(9 * 2 ** 20);
        await importTemplate(crowded, there.records, to, work, options);
        expect(await crowded.verify()).toEqual([]);
      } finally {
        await host.run(["umount", small]);
      }
    },
  );

  it("is distinguished from other files", async () => {
    await writeFile(join(folder, "other"), "PK");
    expect(await isExport(join(folder, "other"))).toBe(false);
    await expect(isExport(join(folder, "nothing"))).rejects.toMatchObject({ fault: "usage" });
  });

  itWith(["ssh-keygen"], "is refused when its signature is of something else", async () => {
    const key = join(folder, "key");
    await host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
    const { store } = place("here");
    const signing = recordsIn(host, join(folder, "here/repo"));
    await signing.put(manifest, await signText(host, key, "another text"));
    const { find, lineage } = finder(store, signing);
    await rm(file);
    await exportTemplate(store, signing, await lineage(await find("ol6-sample")), file, options);
    await expect(take()).rejects.toThrow(/its signature is bad/);
    expect(await place("there").store.list()).toEqual([]);
  });
});
