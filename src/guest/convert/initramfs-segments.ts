import { crc32 } from "node:zlib";

/**
 * The end of the compressed segment of an initramfs that starts at `at`; the next segment may follow there. Beyond the end of
 * `data` if the segment is cut off. `undefined` for lzma, whose end is found only by unpacking.
 */
export function segmentEnd(data: Buffer, at: number): number | undefined {
  const end = {
    fd377a58: xzEnd,
    "28b52ffd": zstdEnd,
    "02214c18": lz4BlocksEnd,
    "04224d18": lz4FrameEnd,
    "894c5a4f": lzopEnd,
  }[data.toString("hex", at, at + 4)];
  // If a length field is beyond the data, the segment is truncated.
  const word = (place: number) =>
    place + 4 <= data.length ? data.readUInt32LE(place) : Number.POSITIVE_INFINITY;
  if (data.toString("latin1", at, at + 3) === "BZh") return bzip2End(data, at);
  return end?.(data, at, word);
}

type Words = (place: number) => number;

// The .xz file format, 2.1.2: the footer ends in "YZ" and has its own checksum.
function xzEnd(data: Buffer, at: number): number {
  for (let found = data.indexOf("YZ", at + 12); found >= 0; found = data.indexOf("YZ", found + 1)) {
    const footer = found - 10;
    if (
      (found + 2 - at) % 4 === 0 &&
      data.readUInt32LE(footer) === crc32(data.subarray(footer + 4, footer + 10))
    )
      return found + 2;
  }
  return Number.POSITIVE_INFINITY;
}

// A bzip2 stream ends with 48 bits (the square root of pi), a checksum of 32 bits, and padding to a full byte. None of them
// starts at a byte boundary. So the five whole bytes within the 48 bits are searched for at each of the eight shifts.
function bzip2End(data: Buffer, at: number): number {
  const ends = Array.from({ length: 8 }, (_, shift) => {
    const bits = Buffer.alloc(8);
    bits.writeBigUInt64BE(0x177245385090n << BigInt(16 - shift));
    const whole = bits.subarray(1, 6);
    const isHere = (place: number) =>
      ((data[place - 1] ?? 0) & (0xff >> shift)) === bits[0] &&
      (shift === 0 || ((data[place + 5] ?? 0) & (0xff << (8 - shift)) & 0xff) === bits[6]);
    for (let found = data.indexOf(whole, at + 5); found >= 0; found = data.indexOf(whole, found + 1))
      if (isHere(found)) return found - 1 + Math.ceil((shift + 80) / 8);
    return Number.POSITIVE_INFINITY;
  });
  return Math.min(...ends);
}

// RFC 8878, 3.1.1
function zstdEnd(data: Buffer, start: number, word: Words): number {
  const descriptor = data[start + 4] ?? 0;
  const isSingle = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  let at = start + 5 + (isSingle ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0) + sizeBytes;
  for (let isLast = false; !isLast && at + 3 <= data.length; ) {
    const header = data.readUIntLE(at, 3);
    isLast = (header & 1) !== 0;
    at += 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3);
    if (isLast) at += descriptor & 4 ? 4 : 0;
    else if (at + 3 > data.length) return word(data.length);
  }
  return at;
}

// The format of `lz4 -l`, which kernels read: packed blocks, each after its length, until the end or an impossible length.
function lz4BlocksEnd(data: Buffer, start: number, word: Words): number {
  let at = start + 4;
  while (at + 4 <= data.length) {
    const length = word(at);
    if (length === 0x184c2102) {
      at += 4;
      continue;
    }
    if (length === 0 || length > longestLegacyBlock) break;
    at += 4 + length;
  }
  return at;
}

// LZ4_compressBound of 8 MiB.
const longestLegacyBlock = (8 << 20) + (8 << 20) / 255 + 16;

// doc/lz4_Frame_format.md of lz4
function lz4FrameEnd(data: Buffer, start: number, word: Words): number {
  const flags = data[start + 4] ?? 0;
  let at = start + 7 + (flags & 8 ? 8 : 0) + (flags & 1 ? 4 : 0);
  while (at <= data.length && word(at) !== 0)
    at += 4 + (word(at) % 2 ** 31 || Number.POSITIVE_INFINITY) + (flags & 16 ? 4 : 0);
  return at + 4 + (flags & 4 ? 4 : 0);
}

// src/lzop.c of lzop: a header, then blocks, each after its unpacked and packed lengths and checksums; big-endian.
function lzopEnd(data: Buffer, start: number): number {
  const word = (place: number) =>
    place + 4 <= data.length ? data.readUInt32BE(place) : Number.POSITIVE_INFINITY;
  const flags = word(start + 17);
  if (flags === Number.POSITIVE_INFINITY) return flags;
  const filter = flags & 0x800 ? 4 : 0;
  const name = start + 21 + filter + 12;
  let at = name + 1 + (data[name] ?? 0) + 4;
  const sums = (bits: number) => (flags & bits & 0xff ? 4 : 0) + (flags & bits & 0xff00 ? 4 : 0);
  while (at <= data.length && word(at) !== 0) {
    const packed = word(at + 4);
    at += 8 + sums(0x101) + (packed < word(at) ? sums(0x202) : 0) + packed;
  }
  return at + 4;
}
