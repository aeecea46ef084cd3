import { createGunzip } from "node:zlib";
import { TbuildError } from "../../errors.ts";
import { streamHere } from "../../host/local.ts";
import { decompressors } from "../convert/decompressors.ts";
import { segmentEnd } from "../convert/initramfs-segments.ts";
import { compressionOf } from "../unpack.ts";

/** The facts in the bytes of a kernel. */
export interface KernelFacts {
  /** Its `uname -r`, of a bzImage. */
  readonly version?: string;
  /** Whether it can be the kernel of a paravirtual domain; `undefined` if its ELF could not be read. */
  readonly isParavirtual?: boolean;
  /** `gzip`, `xz`, …; `none` for a plain ELF; `undefined` for an unknown kind of kernel. */
  readonly compression?: string;
  /** Why a value is unknown. */
  readonly why?: string;
}

const mostKernelBytes = 256 << 20;

/** Reads a kernel: a bzImage with any compression that Linux has, a gzip as kernel-xen of release 5 is, or an ELF. */
export async function kernelFacts(kernel: Uint8Array): Promise<KernelFacts> {
  const data = Buffer.from(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  const version = versionIn(data);
  const payload = isElf(data) || compressionOf(data) ? data : payloadOf(data);
  if (!payload) return { why: "is not a kernel image that tbuild reads" };
  const compression = isElf(payload) ? "none" : compressionOf(payload);
  const found = {
    ...(version !== undefined && { version }),
    ...(compression !== undefined && { compression }),
  };
  if (compression === undefined) return { ...found, why: "its compression is unknown" };
  const unpacked = await unpackedElf(payload, compression);
  if (typeof unpacked === "string") return { ...found, why: unpacked };
  const isParavirtual = hasXenEntry(unpacked);
  if (isParavirtual === undefined) return { ...found, why: "its notes are damaged or cut off" };
  return { ...found, isParavirtual };
}

/** The `uname -r` of a bzImage, without unpacking it; `undefined` for other kernels. */
export function kernelRelease(kernel: Uint8Array): string | undefined {
  return versionIn(Buffer.from(kernel.buffer, kernel.byteOffset, kernel.byteLength));
}

function isElf(data: Buffer): boolean {
  return data.toString("latin1", 0, 4) === "\x7fELF";
}

/** Offsets in a bzImage (Documentation/arch/x86/boot.rst of Linux). */
const boot = {
  setupSectors: 0x1f1,
  magic: 0x202,
  protocol: 0x206,
  kernelVersion: 0x20e,
  payloadOffset: 0x248,
  payloadBytes: 0x24c,
  end: 0x250,
} as const;
/** Protocol 2.08, the first that names the payload. */
const payloadProtocol = 0x208;
/** `kernel_version` counts from here. */
const versionBase = 0x200;

/** The part of a bzImage that its setup code unpacks, which protocol 2.08 and later name. */
function payloadOf(kernel: Buffer): Buffer | undefined {
  if (!isBzImage(kernel) || kernel.readUInt16LE(boot.protocol) < payloadProtocol) return undefined;
  const sectors = kernel[boot.setupSectors] || 4;
  const start = (sectors + 1) * 512 + kernel.readUInt32LE(boot.payloadOffset);
  const payload = kernel.subarray(start, start + kernel.readUInt32LE(boot.payloadBytes));
  return payload.length === 0 ? undefined : payload;
}

function isBzImage(kernel: Buffer): boolean {
  return kernel.length >= boot.end && kernel.toString("latin1", boot.magic, boot.magic + 4) === "HdrS";
}

// kernel_version is the offset of a text that starts with the release.
function versionIn(kernel: Buffer): string | undefined {
  if (!isBzImage(kernel)) return undefined;
  const offset = kernel.readUInt16LE(boot.kernelVersion);
  if (offset === 0) return undefined;
  const at = versionBase + offset;
  return /^[\w.+~-]+/.exec(kernel.toString("latin1", at, at + 256))?.[0];
}

/** The ELF, or the reason why there is none. Unpacking stops at 256 MiB, whatever size the guest's kernel claims. */
async function unpackedElf(payload: Buffer, compression: string): Promise<Buffer | string> {
  if (compression === "none") return payload;
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const piece of unpackedPieces(payload)) {
      bytes += piece.length;
      if (bytes > mostKernelBytes) return `unpacks to more than ${mostKernelBytes >> 20} MiB`;
      pieces.push(piece);
    }
  } catch (error) {
    const isMissing = error instanceof TbuildError && error.code === "not-installed";
    if (isMissing) return error.message;
    const isDamage = error instanceof TbuildError || (error as NodeJS.ErrnoException).code?.startsWith("Z_");
    if (!isDamage) throw error;
    // The size of the kernel follows the compressed data. Some programs fail on it after they have unpacked everything.
  }
  const elf = Buffer.concat(pieces);
  return isElf(elf) ? elf : `its ${compression} data is damaged`;
}

function unpackedPieces(payload: Buffer): AsyncIterable<Uint8Array> {
  const start = payload.toString("hex", 0, 9);
  const known = decompressors.find(({ magic }) => start.startsWith(magic));
  if (known) return streamHere(known.argv, payload.subarray(0, segmentEnd(payload, 0)));
  const gunzip = createGunzip();
  gunzip.end(payload);
  return gunzip;
}

/** Offsets in an ELF file, its header and a program header, in 32 and 64 bits (`elf.h`). */
const elfAt = {
  class: 4,
  bits32: { header: 52, programs: 28, programBytes: 42, programCount: 44, program: 32, place: 4, size: 16 },
  bits64: { header: 64, programs: 32, programBytes: 54, programCount: 56, program: 56, place: 8, size: 32 },
} as const;
const class64 = 2;
/** `PT_NOTE`. */
const noteProgram = 4;

/**
 * Whether there is a note of the owner Xen with the entry point of a PV domain (xen/include/public/elfnote.h,
 * XEN_ELFNOTE_ENTRY); `undefined` if the file ends before its notes do.
 */
function hasXenEntry(elf: Buffer): boolean | undefined {
  const is64 = elf[elfAt.class] === class64;
  const at = is64 ? elfAt.bits64 : elfAt.bits32;
  const word = (place: number) => (is64 ? Number(elf.readBigUInt64LE(place)) : elf.readUInt32LE(place));
  if (elf.length < at.header) return undefined;
  const [start, size] = [word(at.programs), elf.readUInt16LE(at.programBytes)];
  const count = elf.readUInt16LE(at.programCount);
  if (size < at.program || start + size * count > elf.length) return undefined;
  for (let index = 0; index < count; index++) {
    const program = start + index * size;
    if (elf.readUInt32LE(program) !== noteProgram) continue;
    const [place, bytes] = [word(program + at.place), word(program + at.size)];
    if (place + bytes > elf.length) return undefined;
    if (notesHaveEntry(elf.subarray(place, place + bytes))) return true;
  }
  // Kernels before 2.6.18 have the text __xen_guest instead.
  return elf.includes("GUEST_OS=linux") && elf.includes("XEN_VER=xen-3.0");
}

/** The header of an ELF note: sizes of name and value, and its type. */
const noteAt = { nameBytes: 0, valueBytes: 4, type: 8, name: 12 } as const;
/** `XEN_ELFNOTE_ENTRY`. */
const entryNote = 1;

function notesHaveEntry(notes: Buffer): boolean {
  for (let at = 0; at + noteAt.name <= notes.length; ) {
    const name = notes.readUInt32LE(at + noteAt.nameBytes);
    const value = notes.readUInt32LE(at + noteAt.valueBytes);
    const place = at + noteAt.name;
    if (
      notes.readUInt32LE(at + noteAt.type) === entryNote &&
      notes.toString("latin1", place, place + name) === "Xen\0"
    )
      return true;
    at = place + Math.ceil(name / 4) * 4 + Math.ceil(value / 4) * 4;
  }
  return false;
}
