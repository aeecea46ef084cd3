import { gzipSync } from "node:zlib";
import { cpioArchive } from "../src/guest/convert/cpio.ts";

/** Minimal kernels and initramfs with the markers of real ones. */

/** A 64-bit ELF with one segment of notes. */
export function elf(notes: Buffer): Buffer {
  const head = Buffer.alloc(64 + 56);
  head.write("\x7fELF\x02\x01\x01", 0, "latin1");
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(1, 56);
  head.writeUInt32LE(4, 64);
  head.writeBigUInt64LE(BigInt(head.length), 64 + 8);
  head.writeBigUInt64LE(BigInt(notes.length), 64 + 32);
  return Buffer.concat([head, notes]);
}

export function note(name: string, type: number, value = Buffer.alloc(8)): Buffer {
  const owner = Buffer.alloc(Math.ceil((name.length + 1) / 4) * 4);
  owner.write(name);
  const head = Buffer.alloc(12);
  head.writeUInt32LE(name.length + 1, 0);
  head.writeUInt32LE(value.length, 4);
  head.writeUInt32LE(type, 8);
  return Buffer.concat([head, owner, value]);
}

export function bzImage(payload: Buffer): Buffer {
  const setup = Buffer.alloc(1024);
  setup[0x1f1] = 1;
  setup.write("HdrS", 0x202);
  setup.writeUInt16LE(0x20a, 0x206);
  setup.writeUInt32LE(16, 0x248);
  setup.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([setup, Buffer.alloc(16), payload]);
}

/** ELFs with an entry for PV domains, and with one for PVH only. */
export const pvElf = elf(Buffer.concat([note("GNU", 3), note("Xen", 6), note("Xen", 1)]));
export const pvhElf = elf(Buffer.concat([note("Xen", 18), note("GNU", 1)]));

/** A minimal kernel module: a relocatable ELF with the text of modinfo(8). */
export function kernelModule(release = "1", more = "SMP mod_unload "): Buffer {
  const head = Buffer.alloc(64);
  head.write("\x7fELF\x02\x01\x01", 0, "latin1");
  head.writeUInt16LE(1, 16);
  return Buffer.concat([head, Buffer.from(`license=GPL\0vermagic=${release} ${more}\0`)]);
}

/** A gzip'd cpio archive ("newc") with a script to start and these modules of a kernel. */
export function initramfs(release: string, ...names: readonly string[]): Buffer {
  return archive({
    ...runs,
    ...Object.fromEntries(names.map((name) => [name, kernelModule(release)])),
  });
}

/** What an initramfs needs to run. */
export const runs = { init: "#!/bin/sh\n", "bin/sh": "\x7fELF" };

export function archive(files: Readonly<Record<string, string | Buffer>>): Buffer {
  return gzipSync(
    cpioArchive(
      Object.entries(files).map(([path, data]) => ({
        path,
        mode: /^(?:init|bin\/)/.test(path) ? 0o755 : 0o644,
        data: Buffer.from(data as string),
      })),
    ),
  );
}
