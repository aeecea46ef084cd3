import { copyFile, mkdtemp, open, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { TbuildError } from "../../src/errors.ts";
import type { Host } from "../../src/host/host.ts";
import { localHost } from "../../src/host/local.ts";
import { fetchImage, readExtents, runsOf, sendImage } from "../../src/host/transfer.ts";

const mib = 1024 * 1024;

describe("a disk image that goes to a host and comes back", () => {
  let folder: string;
  const commands: string[][] = [];
  const host = localHost((argv) => commands.push([...argv]));
  const at = (name: string) => join(folder, name);
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-transfer-"));
    commands.length = 0;
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** An image with some bytes at these places, and an odd size. */
  async function image(places: readonly number[], size: number): Promise<string> {
    const file = await open(at("image"), "w");
    await file.truncate(size);
    for (const place of places) await file.write(Buffer.from(`at ${place}`), 0, undefined, place);
    await file.close();
    return at("image");
  }
  const same = async (one: string, other: string) => (await readFile(one)).equals(await readFile(other));
  const size = 100 * mib + 12_345;
  const places = [0, 5 * mib, 40 * mib - 3, 90 * mib, size - 12];
  const everything = [{ start: 0, length: size }];
  const pieces = () =>
    commands.filter((argv) => argv.some((word) => /iflag=fullblock|skip="\$1"/.test(word)));

  it("is the same to the byte, and sparse", async () => {
    const from = await image(places, size);
    await sendImage(host, from, at("far/image"), everything);
    expect(await same(at("far/image"), from)).toBe(true);
    expect((await stat(at("far/image"))).blocks * 512).toBeLessThan(4 * mib);
    await fetchImage(host, at("far/image"), at("back"));
    expect(await same(at("back"), from)).toBe(true);
    expect((await stat(at("back"))).blocks * 512).toBeLessThan(4 * mib);
  });

  it("reads and sends only what may hold data", async () => {
    const from = await image(places, size);
    const seen: number[] = [];
    await sendImage(
      host,
      from,
      at("far"),
      places.map((start) => ({ start, length: 12 })),
      { progress: (done) => seen.push(done) },
    );
    expect(await same(at("far"), from)).toBe(true);
    expect(pieces()).toHaveLength(4);
    expect(seen.at(-1)).toBe(size);
    commands.length = 0;
    await fetchImage(host, at("far"), at("back"));
    expect(pieces()).toHaveLength(4);
  });

  it.each([
    ["nothing", 0],
    ["one byte", 1],
    ["a piece", 32 * mib],
  ])("may hold %s", async (_, bytes) => {
    const from = await image(bytes > 8 ? [0] : [], bytes);
    await sendImage(host, from, at("far"), [{ start: 0, length: bytes }]);
    expect(await same(at("far"), from)).toBe(true);
    await fetchImage(host, at("far"), at("back"));
    expect(await same(at("back"), from)).toBe(true);
  });

  /** A connection that breaks at the n-th command. */
  function breaking(after: number): Host {
    let left = after;
    return {
      ...host,
      run: async (argv, options) => {
        if (left-- <= 0) throw new Error("the line is broken");
        return host.run(argv, options);
      },
    };
  }

  it("resumes after a broken connection, both ways", async () => {
    const from = await image(places, size);
    await expect(sendImage(breaking(3), from, at("far"), everything)).rejects.toThrow("broken");
    expect(await stat(at("far")).catch(() => undefined)).toBeUndefined();
    commands.length = 0;
    await sendImage(host, from, at("far"), everything);
    expect(pieces()).toHaveLength(2);
    expect(await same(at("far"), from)).toBe(true);

    await expect(fetchImage(breaking(2), at("far"), at("back"))).rejects.toThrow("broken");
    commands.length = 0;
    await fetchImage(host, at("far"), at("back"));
    expect(pieces()).toHaveLength(3);
    expect(await same(at("back"), from)).toBe(true);
  });

  it("opens a lost connection again", async () => {
    const from = await image(places, size);
    let lost = 0;
    const flaky: Host = {
      ...host,
      run: async (argv, options) => {
        if (argv[4] === "2" && lost++ === 0)
          throw new TbuildError("environment", "no ssh connection", { code: "no-connection" });
        return host.run(argv, options);
      },
    };
    await sendImage(flaky, from, at("far"), everything);
    expect([lost, pieces().length]).toEqual([2, 4]);
    expect(await same(at("far"), from)).toBe(true);
  });

  it("restarts if the image changed in between", async () => {
    const from = await image([0, 80 * mib], size);
    await expect(sendImage(breaking(3), from, at("far"), everything)).rejects.toThrow("broken");
    await image([50 * mib], size);
    await sendImage(host, from, at("far"), everything);
    expect(await same(at("far"), from)).toBe(true);
    await expect(fetchImage(breaking(1), at("far"), at("back"))).rejects.toThrow("broken");
    await copyFile(await image([7], size - 5), at("far"));
    await fetchImage(host, at("far"), at("back"));
    expect(await same(at("back"), at("far"))).toBe(true);
  });

  it("names a host that has no space or no such file", async () => {
    const from = await image([0], mib);
    await expect(sendImage(host, from, "/dev/full/image", everything)).rejects.toThrow(/exit code/);
    await expect(fetchImage(host, at("absent"), at("back"))).rejects.toThrow(/exit code/);
  });
});

describe("the runs of a piece", () => {
  const block = 64 * 1024;
  it("are whole blocks, and short gaps are part of them", () => {
    const bytes = Buffer.alloc(64 * block);
    for (const one of [0, 3, 40, 63]) bytes[one * block + 5] = 1;
    expect(runsOf(bytes)).toEqual([
      { start: 0, length: 4 * block },
      { start: 40 * block, length: block },
      { start: 63 * block, length: block },
    ]);
    expect(runsOf(Buffer.alloc(block))).toEqual([]);
    expect(runsOf(Buffer.from("ab"))).toEqual([{ start: 0, length: 2 }]);
  });
  it("are not taken from a filefrag that is not understood", () => {
    const said = [
      " ext:     logical_offset:        physical_offset: length:   expected: flags:",
      "   0:        0..     255:      34816..     35071:    256:             last,eof",
      "x: 1 extent found",
    ];
    expect(readExtents(said)).toEqual([{ start: 0, length: 256 * 4096 }]);
    expect(readExtents(["x: 0 extents found"])).toEqual([]);
    expect(readExtents(["filefrag: unsupported"])).toBeUndefined();
  });
});
