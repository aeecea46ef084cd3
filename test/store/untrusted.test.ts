import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { openCompression } from "../../src/io/compression.ts";
import { dockerCredentials } from "../../src/store/exchange/oci/credentials.ts";
import { parseReference, referenceText } from "../../src/store/exchange/oci/reference.ts";
import { diskListDigest, diskListText, readDiskList } from "../../src/store/folder/disk-list.ts";
import { checkPack, makePack, readIndex } from "../../src/store/folder/pack.ts";
import { noise } from "../disk-sample.ts";

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "tbuild-untrusted-"));
  await work(folder).finally(() => rm(folder, { recursive: true, force: true }));
}

describe("a foreign chunk", () => {
  it("is given back as it was", async () => {
    const { compress, decompress } = await openCompression();
    for (const data of [
      Buffer.alloc(262_144, "abc"),
      Buffer.from(noise("x", 99).toString("hex").repeat(900)),
    ])
      expect((await decompress((await compress(data)) ?? Buffer.alloc(0))).equals(data)).toBe(true);
    expect(await compress(noise("y", 65_536))).toBeUndefined();
  });

  it("is refused before it grows: blocks of one repeated byte, a thousand of them or one of two megabytes", async () => {
    const { decompress } = await openCompression();
    const begin = Buffer.from("28b52ffd0058", "hex");
    const repeated = (bytes: number, last: 0 | 1) => {
      const block = Buffer.alloc(4);
      block.writeUIntLE((bytes << 3) | (1 << 1) | last, 0, 3);
      return block;
    };
    const bomb = [begin, ...Array.from({ length: 1000 }, () => repeated(131_072, 0)), repeated(1, 1)];
    await expect(decompress(Buffer.concat(bomb))).rejects.toThrow(/is not a single zstd frame/);
    await expect(decompress(Buffer.concat([begin, repeated(2_000_000, 1)]))).rejects.toThrow(
      /not a single zstd/,
    );
    expect((await decompress(Buffer.concat([begin, repeated(5, 1)]))).toString("hex")).toBe("0000000000");
  });

  it("may be any bytes at all, and is an error", async () => {
    const { decompress } = await openCompression();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const frame = Buffer.concat([Buffer.from("28b52ffd", "hex"), bytes]);
        const data = await decompress(frame).catch(() => Buffer.alloc(0));
        expect(data.length).toBeLessThanOrEqual(8 * 2 ** 20);
      }),
    );
  });
});

describe("a foreign pack", () => {
  it("has its chunks where its end says, or is none", async () => {
    await inFolder(async (folder) => {
      const file = join(folder, "pack");
      const good = makePack([{ digest: "ab".repeat(32), length: 9, stored: Buffer.alloc(9) }]);
      await writeFile(file, good);
      expect(await readIndex(file)).toEqual([{ digest: "ab".repeat(32), length: 9, at: 0, stored: 9 }]);
      expect((await checkPack(file, "00".repeat(32), await openCompression())).bad).toHaveLength(1);
      const count = good.length - 18;
      const bad: [number, number][] = [
        [count, 0xffffffff],
        [count, 0],
        [count - 8, 0xffffffff],
        [count - 4, 0],
        [count - 4, 10],
      ];
      for (const [at, value] of bad) {
        const pack = Buffer.from(good);
        pack.writeUInt32LE(value, at);
        await writeFile(file, pack);
        await expect(readIndex(file)).rejects.toThrow(/is not a pack/);
      }
      for (const length of [0, 5, 20]) {
        await writeFile(file, good.subarray(0, length));
        await expect(readIndex(file)).rejects.toThrow(/is not a pack/);
      }
    });
  });
});

describe("a foreign list of a disk's chunks", () => {
  const read = (text: string, bytes: number) => readDiskList({ digest: diskListDigest(text), bytes }, text);
  const chunk = "cd".repeat(32);

  it("makes exactly that disk, or is refused", () => {
    const parts = [
      { chunk: undefined, length: 8192 },
      { chunk, length: 100 },
    ];
    expect(read(diskListText(8292, parts), 8292)).toEqual(parts);
    const refused = /does not add up to/;
    expect(() => read(diskListText(8292, parts), 9000)).toThrow(refused);
    expect(() => read(diskListText(100, [{ chunk, length: 99 }]), 100)).toThrow(refused);
    expect(() => read(diskListText(2 ** 30, [{ chunk, length: 2 ** 30 }]), 2 ** 30)).toThrow(refused);
    expect(() => read(`tbuild disk 2\n200\n${chunk} 100\n${chunk} 100\n`, 200)).toThrow(refused);
    for (const line of ["../../etc 4096", `${chunk} 1e9`, `${chunk} -1`, "0 4096 ", "", "0 9".repeat(9)])
      expect(() => read(`tbuild disk 2\n4096\n${line}\n`, 4096)).toThrow(refused);
    expect(() => readDiskList({ digest: diskListDigest("x"), bytes: 1 }, "y")).toThrow(
      /not match its digest/,
    );
  });
});

describe("a place in a registry", () => {
  it("is a host, a path, and a tag or a digest", () => {
    for (const text of [
      "registry.example/templates/ol6-grid:1.0.0",
      "127.0.0.1:5000/a",
      `[::1]:5000/a/b@sha256:${"a".repeat(64)}`,
    ])
      expect(referenceText(parseReference(text))).toBe(text);
    for (const text of [
      "",
      "ol6-grid",
      "host/",
      "host/UPPER",
      "host/a/../b",
      "host/a:",
      "host/a@sha256:12",
      "a b/c",
    ])
      expect(() => parseReference(text), text).toThrow(/is not a registry reference/);
    expect(() => parseReference(`h/${"a-".repeat(100_000)}`)).toThrow(/is not a registry reference/);
  });
});

describe("Docker's config file", () => {
  it("gives what belongs to this registry, and never shows what is in it", async () => {
    await inFolder(async (folder) => {
      const file = join(folder, "config.json");
      const of = (registry: string) => dockerCredentials(localHost(), file, registry);
      expect(await of("a.example")).toBeUndefined();
      const auth = Buffer.from("me:a:b").toString("base64");
      await writeFile(
        file,
        JSON.stringify({ auths: { "a.example": { auth }, "https://b.example/v1/": { auth } } }),
      );
      expect(await of("a.example")).toEqual({ user: "me", password: "a:b", from: file });
      expect(await of("b.example")).toEqual({ user: "me", password: "a:b", from: file });
      expect(await of("example")).toBeUndefined();
      await writeFile(file, '{"auths": {"a.example": {"auth": "c2VjcmV0"');
      const error = await of("a.example").catch((one) => one);
      expect(error.message).toMatch(/is not a Docker configuration/);
      expect(JSON.stringify([error.message, error.lines, error.hint])).not.toContain("c2VjcmV0");
      await writeFile(file, JSON.stringify({ credHelpers: { "a.example": "x; rm -rf /" } }));
      await expect(of("a.example")).rejects.toThrow(/is not a valid helper name/);
    });
  });
});
