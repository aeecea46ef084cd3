import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { folderStore } from "../../src/store/folder-store.ts";
import type { Store } from "../../src/store/store.ts";
import { proposeVersion } from "../../src/store/version.ts";
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
  await file.truncate(300 * 2 ** 20);
  await file.write(Buffer.alloc(3 * 2 ** 20, "tbuild"), 0, undefined, 10 * 2 ** 20 + 4096);
  await file.write(Buffer.alloc(4096, 9), 0, undefined, 300 * 2 ** 20 - 4096);
  await file.close();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const sha256 = async (file: string) =>
  createHash("sha256")
    .update(await readFile(file))
    .digest("hex");

async function chunks(): Promise<string[]> {
  const names = await readdir(join(folder, "store/chunks"), { recursive: true, withFileTypes: true });
  return names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

describe("a store", () => {
  it("gives a disk back to the byte, sparse", async () => {
    const disk = await store.putDisk(image, "System");
    expect(disk.bytes).toBe(300 * 2 ** 20);
    await store.restoreDisk(disk, join(folder, "back.img"));
    expect(await sha256(join(folder, "back.img"))).toBe(await sha256(image));
    expect((await stat(join(folder, "back.img"))).blocks * 512).toBeLessThan(40 * 2 ** 20);
    expect(await sha256(await store.openDisk(disk))).toBe(await sha256(image));
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

  it("keeps what two disks have in common once", async () => {
    const first = await store.putDisk(image, "System");
    const before = (await chunks()).length;
    expect(await store.putDisk(image, "System")).toEqual(first);
    const file = await open(image, "r+");
    await file.write(Buffer.from("changed"), 0, 7, 11 * 2 ** 20);
    await file.close();
    expect((await store.putDisk(image, "System")).digest).not.toBe(first.digest);
    expect((await chunks()).length).toBe(before + 1);
  });

  it("publishes once: the same again is fine, other content is refused", async () => {
    const manifest = sampleManifest(await store.putDisk(image, "System"));
    const digest = await store.publish(manifest);
    expect(await store.publish(manifest)).toBe(digest);
    await expect(store.publish({ ...manifest, summary: "another" })).rejects.toThrow(
      "ol6-sample@1.0.0: is published with other content",
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
    expect(
      proposeVersion(
        (await store.list()).filter((m) => m.kind === "template"),
        "1.0.9",
      ),
    ).toBe("1.0.11");
    expect(proposeVersion([], "2.0.0")).toBe("2.0.0");
  });

  it("notices a flipped byte, and names what it hits", async () => {
    const disk = await store.putDisk(image, "System");
    await store.publish(sampleManifest(disk));
    expect(await store.verify()).toEqual([]);
    const chunk = (await chunks())[0] ?? "";
    const data = await readFile(chunk);
    data[5] = (data[5] ?? 0) ^ 1;
    await chmod(chunk, 0o644);
    await writeFile(chunk, data);
    expect((await store.verify()).join()).toMatch(
      /template ol6-sample@1\.0\.0, disk System: chunk [0-9a-f]+ is not what its digest says/,
    );
    await expect(store.restoreDisk(disk, join(folder, "back.img"))).rejects.toThrow(
      /is not what its digest says/,
    );
    await expect(stat(join(folder, "back.img"))).rejects.toThrow();
  });

  it("never has a rehearsal under the name of a real template", async () => {
    const disk = await store.putDisk(image, "System");
    await expect(store.publish(sampleManifest(disk, { rehearsal: true }))).rejects.toThrow(
      /every rehearsal, is named so/,
    );
    await expect(store.publish(sampleManifest(disk, { name: "ol6-sample-rehearsal" }))).rejects.toThrow(
      /only a rehearsal/,
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

  it("is whole after a kill at any instant, and the next run goes on", async () => {
    const script = join(folder, "put.mjs");
    const dist = resolve(import.meta.dirname, "../../dist");
    await writeFile(
      script,
      `import { folderStore } from "${dist}/store/folder-store.js"; import { localHost } from "${dist}/host/local.js";\nconst store = folderStore(localHost(), process.argv[2]); for (let i = 0; i < 3; i++) await store.putDisk(process.argv[3], "System");`,
    );
    for (let i = 0; i < 15; i++) {
      const child = spawn(process.execPath, [script, join(folder, "store"), image], { stdio: "ignore" });
      await new Promise((done) => setTimeout(done, 60 + i * 12));
      child.kill("SIGKILL");
      await new Promise((done) => child.once("exit", done));
      for (const chunk of await chunks().catch(() => []))
        expect(
          createHash("sha256")
            .update(await readFile(chunk))
            .digest("hex"),
        ).toBe(chunk.split("/").slice(-2).join(""));
    }
    await store.publish(sampleManifest(await store.putDisk(image, "System")));
    expect(await store.verify()).toEqual([]);
  });

  it("says that the disk is full, and publishes nothing", async () => {
    const small = join(folder, "small");
    await host.run(["mkdir", small]);
    await host.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small]);
    try {
      const crowded = folderStore(host, small);
      await expect(crowded.putDisk(image, "System")).rejects.toThrow(/the disk is full/);
      expect(await crowded.list()).toEqual([]);
    } finally {
      await host.run(["umount", small]);
    }
  });
});
