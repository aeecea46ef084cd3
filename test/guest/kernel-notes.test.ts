import { execFileSync } from "node:child_process";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { kernelFacts } from "../../src/guest/fitness/kernel-notes.ts";
import { bzImage, pvElf as pv, pvhElf as pvh } from "../boot-sample.ts";
import { missing } from "../fakes/missing.ts";

/** As Linux packs it (scripts/Makefile.lib): most compressions have the size of the ELF behind them. */
function packed(argv: readonly string[], elf: Buffer): Buffer {
  const [program = "", ...options] = argv;
  const size = Buffer.alloc(4);
  size.writeUInt32LE(elf.length);
  return Buffer.concat([execFileSync(program, options, { input: elf }), size]);
}

describe("a kernel", () => {
  const isParavirtual = async (kernel: Buffer) => (await kernelFacts(kernel)).isParavirtual;

  it.each([
    ["an ELF", (one: Buffer) => one, "none"],
    ["a gzip, as kernel-xen is", (one: Buffer) => gzipSync(one), "gzip"],
    ["a bzImage", (one: Buffer) => bzImage(gzipSync(one)), "gzip"],
  ])(
    "as %s has PV if its notes have Xen's entry, and not if they have only PVH's",
    async (_what, wrap, name) => {
      expect(await kernelFacts(wrap(pv))).toEqual({ compression: name, isParavirtual: true });
      expect(await kernelFacts(wrap(pvh))).toEqual({ compression: name, isParavirtual: false });
    },
  );

  const programs = [
    ["xz", ["xz", "-c", "--check=crc32", "--x86", "--lzma2=dict=1MiB"]],
    ["lzma", ["xz", "-c", "--format=lzma"]],
    ["bzip2", ["bzip2", "-c"]],
    ["lzo", ["lzop", "-c"]],
    ["lz4", ["lz4", "-l", "-c"]],
    ["zstd", ["zstd", "-c", "--quiet"]],
  ] as const;
  const lacking = missing("xz", "bzip2", "lzop", "lz4", "zstd");
  it.skipIf(lacking).each(programs)(
    `compressed with %s is read, too${lacking ? ` (${lacking})` : ""}`,
    async (name, argv) => {
      const large = (notes: Buffer) => Buffer.concat([notes, Buffer.alloc(3 << 20, "code")]);
      for (const [one, has] of [
        [large(pv), true],
        [large(pvh), false],
      ] as const)
        expect(await kernelFacts(bzImage(packed(argv, one)))).toEqual({
          compression: name,
          isParavirtual: has,
        });
      const cut = packed(argv, large(pv));
      expect(await kernelFacts(bzImage(cut.subarray(0, 40)))).toMatchObject({ why: expect.any(String) });
    },
  );

  it("has a release", async () => {
    const kernel = bzImage(gzipSync(pv));
    kernel.writeUInt16LE(0x100, 0x20e);
    kernel.write("2.6.39-400.el6uek.x86_64 (mockbuild@x) #1 SMP\0", 0x300, "latin1");
    expect((await kernelFacts(kernel)).version).toBe("2.6.39-400.el6uek.x86_64");
  });

  it.each([
    ["text", Buffer.from("kernel")],
    ["nothing", Buffer.alloc(0)],
    ["a bzImage of an unknown compression", bzImage(Buffer.from("0102030405060708", "hex"))],
    ["a bzImage whose payload is damaged", bzImage(gzipSync(pv).subarray(0, 40))],
    ["a bzImage whose payload is elsewhere", bzImage(Buffer.alloc(0))],
    ["an ELF that is cut off", pv.subarray(0, 20)],
    ["an ELF that is cut off in its notes", pv.subarray(0, pv.length - 8)],
    ["zeros that grow", bzImage(gzipSync(Buffer.alloc(300 << 20), { level: 1 }))],
  ])("that is %s is unknown, with the reason", async (_what, kernel) => {
    expect(await isParavirtual(kernel)).toBeUndefined();
    expect((await kernelFacts(kernel)).why).toMatch(/\w/);
  });
});
