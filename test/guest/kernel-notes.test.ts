import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { isParavirtual } from "../../src/guest/fitness/kernel-notes.ts";

/** A 64-bit ELF with one segment of notes. */
function elf(notes: Buffer): Buffer {
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

function note(name: string, type: number, value = Buffer.alloc(8)): Buffer {
  const owner = Buffer.alloc(Math.ceil((name.length + 1) / 4) * 4);
  owner.write(name);
  const head = Buffer.alloc(12);
  head.writeUInt32LE(name.length + 1, 0);
  head.writeUInt32LE(value.length, 4);
  head.writeUInt32LE(type, 8);
  return Buffer.concat([head, owner, value]);
}

function bzImage(payload: Buffer): Buffer {
  const setup = Buffer.alloc(1024);
  setup[0x1f1] = 1;
  setup.write("HdrS", 0x202);
  setup.writeUInt16LE(0x20a, 0x206);
  setup.writeUInt32LE(16, 0x248);
  setup.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([setup, Buffer.alloc(16), payload]);
}

describe("a kernel", () => {
  const pv = elf(Buffer.concat([note("GNU", 3), note("Xen", 6), note("Xen", 1)]));
  const pvh = elf(Buffer.concat([note("Xen", 18), note("GNU", 1)]));
  it.each([
    ["an ELF", (one: Buffer) => one],
    ["a gzip, as kernel-xen is", (one: Buffer) => gzipSync(one)],
    ["a bzImage", (one: Buffer) => bzImage(gzipSync(one))],
  ])("as %s has PV when its notes have Xen's entry, and not when they have PVH's only", (_what, wrap) => {
    expect(isParavirtual(wrap(pv))).toBe(true);
    expect(isParavirtual(wrap(pvh))).toBe(false);
  });

  it.each([
    ["text", Buffer.from("kernel")],
    ["nothing", Buffer.alloc(0)],
    ["a bzImage of another compression", bzImage(Buffer.from("fd377a585a000004", "hex"))],
    ["a bzImage whose payload is damaged", bzImage(gzipSync(pv).subarray(0, 40))],
    ["a bzImage whose payload is elsewhere", bzImage(Buffer.alloc(0))],
    ["an ELF that is cut off", pv.subarray(0, 20)],
    ["zeros that grow", bzImage(gzipSync(Buffer.alloc(300 << 20), { level: 1 }))],
  ])("that is %s is not known", (_what, kernel) => {
    expect(isParavirtual(kernel)).toBeUndefined();
  });
});
