import { mkdtemp, open, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { membersOf } from "../../../src/bundles/read/members.ts";
import { localHost } from "../../../src/host/local.ts";
import { tarHeader } from "../../../src/io/tar.ts";
import { type RawEntry, tarEntry, tarFile } from "./tar-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-tar-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let count = 0;
async function membersIn(archive: Uint8Array, packing?: "gzip", mostBytes = 2 ** 30) {
  const work = await mkdtemp(join(folder, "work-"));
  const file = join(folder, `archive-${++count}`);
  await writeFile(file, archive);
  return membersOf(file, packing, work, { mostBytes });
}

async function bytesOf(member: { file: string; offset: number; bytes: number }): Promise<Buffer> {
  return (await readFile(member.file)).subarray(member.offset, member.offset + member.bytes);
}

describe("an archive from elsewhere", () => {
  it.each<[string, RawEntry, string]>([
    ["a path that leads out", { name: "../../etc/cron.d/x", data: "x" }, "leads out of it"],
    ["a path that leads out, later", { name: "a/../../x", data: "x" }, "leads out of it"],
    ["an absolute path", { name: "/etc/passwd", data: "x" }, "an absolute path"],
    ["a symbolic link", { name: "System.img", type: "2", link: "/etc/shadow" }, "a symbolic link"],
    ["a hard link", { name: "System.img", type: "1", link: "../x" }, "a hard link"],
    ["a character device", { name: "null", type: "3" }, "a device"],
    ["a block device", { name: "sda", type: "4" }, "a device"],
    ["a pipe", { name: "pipe", type: "6" }, "a pipe"],
    ["something unknown", { name: "x", type: "Z" }, "of an unknown kind"],
    ["an escape sequence as a name", { name: "a\u001b[2Jb", data: "x" }, "control characters"],
    ["a new line in a name", { name: "vm.cfg\nSystem.img", data: "x" }, "control characters"],
    ["a backslash in a name", { name: "..\\x", data: "x" }, "control characters"],
    ["a size that is larger than the archive", { name: "x", data: "x", size: 4096 }, "ends in the middle"],
    ["a size that is larger than what is allowed", { name: "x", size: 2 ** 32 }, "the limit is"],
    ["a pax header of 2 MiB", { name: "x", type: "x", size: 2 ** 21 }, "more than 1 MiB"],
  ])("is refused for %s", async (_what, entry, words) => {
    for (const kind of [undefined, "gzip"] as const) {
      const archive = tarFile([{ name: "vm.cfg", data: "memory = 1\n" }, entry]);
      const packed = kind === "gzip" ? gzipSync(archive) : archive;
      const refused = membersIn(packed, kind);
      await expect(refused).rejects.toMatchObject({ fault: "integrity" });
      await expect(refused).rejects.toThrow(words);
      await expect(refused).rejects.not.toThrow(/\p{Cc}/u);
    }
  });

  it("is refused if a long name of pax or GNU leads out", async () => {
    const pax = tarFile([
      { name: "p", type: "x", data: "27 path=../../../etc/passwd\n" },
      { name: "x", data: "x" },
    ]);
    await expect(membersIn(pax)).rejects.toThrow("leads out of it");
    const gnu = tarFile([
      { name: "././@LongLink", type: "L", data: "/etc/passwd\0" },
      { name: "x", data: "x" },
    ]);
    await expect(membersIn(gnu)).rejects.toThrow("an absolute path");
  });

  it("is refused if it contains a file twice, even under another spelling", async () => {
    await expect(membersIn(tarFile([{ name: "vm.cfg" }, { name: "./vm.cfg" }]))).rejects.toThrow("twice");
  });

  it("is refused with a thousand entries or more", async () => {
    const entries = Array.from({ length: 1001 }, (_, i) => ({ name: `${i}` }));
    await expect(membersIn(tarFile(entries))).rejects.toThrow("more than 1000 entries");
  });

  it("is refused wherever it is truncated or damaged, and never hangs or crashes", async () => {
    const archive = tarFile([
      { name: "vm.cfg", data: "memory = 1\n" },
      { name: "System.img", data: Buffer.alloc(5000, "x") },
    ]);
    const packed = gzipSync(archive);
    for (const length of [0, 1, 100, 511, 512, 1024, 2000, archive.length - 1024])
      await expect(membersIn(archive.subarray(0, length))).rejects.toMatchObject({ fault: "integrity" });
    for (const length of [20, 60, packed.length - 10, packed.length - 1])
      await expect(membersIn(packed.subarray(0, length), "gzip")).rejects.toMatchObject({
        fault: "integrity",
      });
    for (const at of [0, 130, 150, 1024 + 124]) {
      const bent = Buffer.from(archive);
      bent[at] = 0xff;
      await expect(membersIn(bent)).rejects.toMatchObject({ fault: "integrity" });
    }
    const bent = Buffer.from(packed);
    bent[40] = (bent[40] ?? 0) ^ 0xff;
    await expect(membersIn(bent, "gzip")).rejects.toThrow(/gzip|tar/);
  });

  it("is refused if its gzip continues long after the tar", async () => {
    const bomb = gzipSync(Buffer.concat([tarFile([{ name: "a" }]), Buffer.alloc(20 << 20)]));
    await expect(membersIn(bomb, "gzip")).rejects.toThrow("has data after the end");
  });

  it("is refused if its sparse map exceeds its size or runs backwards", async () => {
    const sparse = (map: string, size: number) =>
      tarFile([
        { name: "p", type: "x", data: paxLines({ "GNU.sparse.map": map, "GNU.sparse.size": String(size) }) },
        { name: "System.img", data: "12345678" },
      ]);
    expect(await membersIn(sparse("0,4,100,4", 200))).toHaveLength(1);
    for (const [map, size] of [
      ["0,4,100,4", 50],
      ["100,4,0,4", 200],
      ["0,4,2,4", 200],
      ["0,4", 200],
      ["0,4,100,40", 200],
      ["0,x", 200],
    ] as const)
      await expect(membersIn(sparse(map, size))).rejects.toThrow("sparse map");
  });

  it("never writes outside its work folder: members get numbers", async () => {
    const members = await membersIn(gzipSync(tarFile([{ name: "a/b/System.img", data: "x" }])), "gzip");
    expect(members[0]?.name).toBe("a/b/System.img");
    expect(members[0]?.file).toMatch(/work-\w+\/member-0$/);
  });

  it.each(["ustar", "gnu", "oldgnu", "pax", "v7"])("of the real tar in format %s is read", async (format) => {
    await writeFile(join(folder, "vm.cfg"), "memory = 1\n");
    await writeFile(join(folder, "with blanks.img"), Buffer.alloc(3000, "y"));
    const archive = await tar("--format", format, "-cf", "-", "vm.cfg", "with blanks.img");
    const members = await membersIn(archive);
    expect(members.map((member) => [member.name, member.bytes])).toEqual([
      ["vm.cfg", 11],
      ["with blanks.img", 3000],
    ]);
    expect((await bytesOf(members[1] as never)).equals(Buffer.alloc(3000, "y"))).toBe(true);
  });

  it.each([
    ["gnu", []],
    ["pax", ["--sparse-version=0.0"]],
    ["pax", ["--sparse-version=0.1"]],
    ["pax", ["--sparse-version=1.0"]],
  ])("packed by tar -S in format %s %j is read to the byte, and stays sparse", async (format, more) => {
    const handle = await open(join(folder, "System.img"), "w");
    // More pieces than fit into a header of the old format, and into one block of its continuation.
    for (let i = 0; i < 60; i++) await handle.write(Buffer.alloc(4096, `piece ${i}`), 0, 4096, i * 3 * 65536);
    await handle.truncate(16 * 2 ** 20);
    await handle.close();
    const archive = await tar("-S", "--format", format, ...more, "-cf", "-", "System.img", "vm.cfg");
    for (const [packed, kind] of [
      [archive, undefined],
      [gzipSync(archive), "gzip"],
    ] as const) {
      const [disk, config] = await membersIn(packed, kind);
      expect(config?.name).toBe("vm.cfg");
      expect((await bytesOf(disk as never)).equals(await readFile(join(folder, "System.img")))).toBe(true);
      const { stdout } = await localHost().run(["stat", "-c", "%b", disk?.file ?? ""]);
      expect(Number(stdout) * 512).toBeLessThan(8 * 2 ** 20);
    }
  });

  it("of more than 8 GiB, which exceeds the octal size, is read, whether tar or we wrote it", async () => {
    const bytes = 9 * 2 ** 30;
    const handle = await open(join(folder, "large.img"), "w");
    await handle.truncate(bytes);
    await handle.close();
    for (const format of ["gnu", "pax"])
      expect(
        (
          await membersIn(await tar("-S", "--format", format, "-cf", "-", "large.img"), undefined, 2 ** 40)
        )[0],
      ).toMatchObject({ name: "large.img", bytes });
    const ours = join(folder, "ours.tar");
    await writeFile(ours, await tarHeader("large.img", bytes));
    await truncate(ours, 512 + bytes + 1024);
    expect(await membersOf(ours, undefined, folder, { mostBytes: 2 ** 40 })).toMatchObject([
      { offset: 512, bytes },
    ]);
  });

  it("with a link, packed by the real tar, is refused", async () => {
    await symlink("/etc/passwd", join(folder, "link.img"));
    await expect(membersIn(await tar("-cf", "-", "link.img"))).rejects.toThrow("a symbolic link");
  });

  it("of one entry followed by garbage ends where its tar ends", async () => {
    expect(await membersIn(Buffer.concat([tarFile([{ name: "a" }]), Buffer.from("rubbish")]))).toHaveLength(
      1,
    );
    expect(tarEntry({ name: "a" })).toHaveLength(512);
  });
});

async function tar(...args: string[]): Promise<Uint8Array> {
  return (await localHost().run(["tar", "-C", folder, ...args])).bytes;
}

/** Records of a pax header, each with its own length in front. */
function paxLines(values: Record<string, string>): string {
  return Object.entries(values)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      const length = rest.length + String(rest.length + 2).length;
      return `${length}${rest}`;
    })
    .join("");
}
