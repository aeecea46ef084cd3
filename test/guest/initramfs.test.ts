import { execFileSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { initramfsPaths } from "../../src/guest/convert/initramfs.ts";
import { missing } from "../fakes/missing.ts";

describe("the files of an initramfs", () => {
  it("are those of all its archives, plain, compressed, and one behind the other", async () => {
    const image = Buffer.concat([
      archive("kernel/x86/microcode"),
      Buffer.alloc(512),
      gzipSync(Buffer.concat([archive("lib/a.ko"), Buffer.alloc(8), archive("lib/b.ko")])),
      Buffer.alloc(3),
      gzipSync(archive("lib/c.ko")),
      Buffer.alloc(100),
      archive("ks.cfg"),
    ]);
    expect(await initramfsPaths(image)).toEqual([
      "kernel/x86/microcode",
      "lib/a.ko",
      "lib/b.ko",
      "lib/c.ko",
      "ks.cfg",
    ]);
  });

  describe.each([
    ["xz", ["xz", "-c", "--check=crc32"]],
    ["lzma", ["xz", "-c", "--format=lzma"]],
    ["bzip2", ["bzip2", "-c"]],
    ["lzop", ["lzop", "-c"]],
    ["zstd", ["zstd", "-c"]],
    ["lz4, as kernels have it", ["lz4", "-l", "-c"]],
    ["lz4", ["lz4", "-c"]],
  ])("with %s", (_name, argv) => {
    const lacking = missing(argv[0] ?? "");
    const files = Array.from({ length: 9 }, (_, i) => `lib/${"m".repeat(i)}.ko`);

    it.skipIf(lacking)(
      "are read from several archives, and from what stands before, between and after",
      async () => {
        // Archives of different sizes, so that streams end at each bit of a byte.
        const packed = files.map((name, i) => compressed(argv, archive(name, i * 1000)));
        const between = Buffer.alloc(4);
        const image = Buffer.concat([
          archive("kernel/x86/microcode"),
          Buffer.alloc(100),
          ...packed.flatMap((one) => [one, between]),
          gzipSync(archive("a.cfg")),
          between,
          ...(packed[0] ? [packed[0], between] : []),
          archive("ks.cfg"),
        ]);
        expect(await initramfsPaths(image)).toEqual([
          "kernel/x86/microcode",
          ...files,
          "a.cfg",
          files[0],
          "ks.cfg",
        ]);
      },
    );

    it.skipIf(lacking)("are refused when it is cut off, damaged, or followed by something else", async () => {
      const packed = compressed(argv, archive("lib/a.ko", 50_000));
      const cut = packed.subarray(0, packed.length - 9);
      const bent = Buffer.from(packed).fill(0x55, packed.length >> 1, (packed.length >> 1) + 4);
      for (const image of [cut, bent, Buffer.concat([packed, Buffer.from("\0\0\0\0garbage")])])
        await expect(initramfsPaths(image)).rejects.toMatchObject({ fault: "guest" });
    });

    it.skipIf(lacking)("are unpacked up to a limit", async () => {
      const bomb = compressed(argv, archive("lib/zeros", 24 << 20));
      await expect(initramfsPaths(bomb, 16 << 20)).rejects.toThrow("more than any machine could boot");
    });
  });

  it.each([
    ["a header without an end", Buffer.from(`070701${"0".repeat(60)}`)],
    ["a header of nothing but zeros", Buffer.from(`070701${"0".repeat(104)}`)],
    ["numbers that are none", Buffer.from(`070701${"z".repeat(104)}`)],
    ["a file that is cut off", archive("lib/a.ko", 5000).subarray(0, 3000)],
    ["a gzip that is cut off", gzipSync(archive("lib/a.ko")).subarray(0, 60)],
    ["a gzip of something else", gzipSync("hello")],
    ["what is not an archive", Buffer.from("\x7fELF...")],
  ])("are refused in words for %s", async (_name, image) => {
    await expect(initramfsPaths(image)).rejects.toMatchObject({ fault: "guest" });
  });

  it("are unpacked no further than to a limit, and not into memory", async () => {
    const bomb = gzipSync(archive("lib/zeros", 64 << 20));
    await expect(initramfsPaths(bomb, 16 << 20)).rejects.toThrow("more than any machine could boot");
    expect(await initramfsPaths(bomb)).toEqual(["lib/zeros"]);
  });
});

function archive(name: string, size = 10): Buffer {
  return Buffer.concat([entry(name, size), entry("TRAILER!!!", 0)]);
}

function entry(name: string, size: number): Buffer {
  const numbers = [1, 0o100644, 0, 0, 1, 0, size, 0, 0, 0, 0, name.length + 1, 0];
  const head = Buffer.from(
    `070701${numbers.map((one) => one.toString(16).padStart(8, "0")).join("")}${name}\0`,
  );
  return Buffer.concat([padded(head), padded(Buffer.alloc(size, "x"))]);
}

function padded(data: Buffer): Buffer {
  return Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
}

function compressed([command = "", ...args]: readonly string[], input: Buffer): Buffer {
  return execFileSync(command, args, { input, stdio: ["pipe", "pipe", "ignore"], maxBuffer: 1 << 28 });
}
