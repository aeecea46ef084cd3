import { createGunzip } from "node:zlib";
import { TbuildError } from "../../errors.ts";
import { streamHere } from "../../host/local.ts";
import { decompressors } from "../convert/decompressors.ts";
import { segmentEnd } from "../convert/initramfs-segments.ts";
import { compressionOf } from "../unpack.ts";

/** What the bytes of a kernel say. */
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

/** The part of a bzImage that its setup code unpacks, which protocol 2.08 and later name. */
function payloadOf(kernel: Buffer): Buffer | undefined {
  if (!isBzImage(kernel) || kernel.readUInt16LE(boot.protocol) < 0x208) return undefined;
  const sectors = kernel[boot.setupSectors] || 4;
  const start = (sectors + 1) * 512 + kernel.readUInt32LE(boot.payloadOffset);
  const payload = kernel.subarray(start, start + kernel.readUInt32LE(boot.payloadBytes));
  return payload.length === 0 ? undefined : payload;
}

function isBzImage(kernel: Buffer): boolean {
  return kernel.length >= boot.end && kernel.toString("latin1", boot.magic, boot.magic + 4) === "HdrS";
}

// kernel_version is an offset from 0x200 to a text that starts with the release.
function versionIn(kernel: Buffer): string | undefined {
  if (!isBzImage(kernel)) return undefined;
  const at = kernel.readUInt16LE(boot.kernelVersion);
  return at === 0 ? undefined : /^[\w.+~-]+/.exec(kernel.toString("latin1", at + 0x200, at + 0x300))?.[0];
}

/** The ELF, or the reason why there is none. Unpacking stops at 256 MiB, whatever size the guest's kernel claims. */
async function unpackedElf(payload: Buffer, compression: string): Promise<Buffer | string> {
  if (compression === "none") return payload;
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of unpackedPieces(payload)) {
      bytes += piece.length;
      if (bytes > mostKernelBytes) return `unpacks to more than ${mostKernelBytes >> 20} MiB`;
      pieces.push(Buffer.from(piece));
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

/**
 * Whether there is a note of the owner Xen with the entry point of a PV domain (xen/include/public/elfnote.h,
 * XEN_ELFNOTE_ENTRY); `undefined` if the file ends before its notes do.
 */
function hasXenEntry(elf: Buffer): boolean | undefined {
  const is64 = elf[4] === 2;
  if (elf.length < (is64 ? 64 : 52)) return undefined;
  const [headersAt, size, count] = is64
    ? [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)]
    : [elf.readUInt32LE(28), elf.readUInt16LE(42), elf.readUInt16LE(44)];
  if (size < (is64 ? 56 : 32) || headersAt + size * count > elf.length) return undefined;
  for (let index = 0; index < count; index++) {
    const at = headersAt + index * size;
    if (elf.readUInt32LE(at) !== 4) continue;
    const [offset, bytes] = is64
      ? [Number(elf.readBigUInt64LE(at + 8)), Number(elf.readBigUInt64LE(at + 32))]
      : [elf.readUInt32LE(at + 4), elf.readUInt32LE(at + 16)];
    if (offset + bytes > elf.length) return undefined;
    if (notesHaveEntry(elf.subarray(offset, offset + bytes))) return true;
  }
  // Kernels before 2.6.18 have the text __xen_guest instead.
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
