import { gunzipSync } from "node:zlib";

/** Whether a kernel can be the kernel of a paravirtual domain; `undefined` when its format is not read. */
export function isParavirtual(kernel: Uint8Array): boolean | undefined {
  const elf = elfOf(Buffer.from(kernel.buffer, kernel.byteOffset, kernel.byteLength));
  if (!elf || elf.length < 64) return undefined;
  return hasXenEntry(elf);
}

const mostKernelBytes = 256 << 20;

/** The ELF in a bzImage (Documentation/arch/x86/boot.rst, protocol 2.08), in a gzip as of kernel-xen, or as it is. */
function elfOf(kernel: Buffer): Buffer | undefined {
  if (kernel.toString("latin1", 0, 4) === "\x7fELF") return kernel;
  if (isGzip(kernel)) return unzipped(kernel);
  if (kernel.length < 0x250 || kernel.toString("latin1", 0x202, 0x206) !== "HdrS") return undefined;
  if (kernel.readUInt16LE(0x206) < 0x208) return undefined;
  const sectors = kernel[0x1f1] || 4;
  const start = (sectors + 1) * 512 + kernel.readUInt32LE(0x248);
  const payload = kernel.subarray(start, start + kernel.readUInt32LE(0x24c));
  return isGzip(payload) ? unzipped(payload) : undefined;
}

function isGzip(data: Buffer): boolean {
  return data[0] === 0x1f && data[1] === 0x8b;
}

function unzipped(data: Buffer): Buffer | undefined {
  try {
    const elf = gunzipSync(data, { maxOutputLength: mostKernelBytes });
    return elf.toString("latin1", 0, 4) === "\x7fELF" ? elf : undefined;
  } catch {
    return undefined;
  }
}

/** A note of the owner Xen with the entry point of a PV domain (xen/include/public/elfnote.h, XEN_ELFNOTE_ENTRY). */
function hasXenEntry(elf: Buffer): boolean {
  const is64 = elf[4] === 2;
  const [headersAt, size, count] = is64
    ? [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)]
    : [elf.readUInt32LE(28), elf.readUInt16LE(42), elf.readUInt16LE(44)];
  if (size < (is64 ? 56 : 32)) return false;
  for (let index = 0; index < count; index++) {
    const at = headersAt + index * size;
    if (at + size > elf.length) break;
    if (elf.readUInt32LE(at) !== 4) continue;
    const [offset, bytes] = is64
      ? [Number(elf.readBigUInt64LE(at + 8)), Number(elf.readBigUInt64LE(at + 32))]
      : [elf.readUInt32LE(at + 4), elf.readUInt32LE(at + 16)];
    if (notesHaveEntry(elf.subarray(offset, offset + bytes))) return true;
  }
  // Kernels before 2.6.18 say it in a text instead (__xen_guest).
  return elf.includes("GUEST_OS=linux") && elf.includes("XEN_VER=xen-3.0");
}

function notesHaveEntry(notes: Buffer): boolean {
  for (let at = 0; at + 12 <= notes.length; ) {
    const [name, bytes, type] = [
      notes.readUInt32LE(at),
      notes.readUInt32LE(at + 4),
      notes.readUInt32LE(at + 8),
    ];
    if (type === 1 && notes.toString("latin1", at + 12, at + 12 + name) === "Xen\0") return true;
    at += 12 + Math.ceil(name / 4) * 4 + Math.ceil(bytes / 4) * 4;
  }
  return false;
}
