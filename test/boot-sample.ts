import { gzipSync } from "node:zlib";

/** Kernels and initramfs that say what real ones say, as small as they may be. */

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

/** A gzip'd cpio archive ("newc") with empty files of these names. */
export function initramfs(...names: readonly string[]): Buffer {
  return gzipSync(Buffer.concat([...names, "TRAILER!!!"].map(cpioEntry)));
}

function cpioEntry(name: string): Buffer {
  const numbers = [1, 0o100644, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.length + 1, 0];
  const head = `070701${numbers.map((one) => one.toString(16).padStart(8, "0")).join("")}${name}\0`;
  return Buffer.from(head.padEnd(Math.ceil(head.length / 4) * 4, "\0"));
}
