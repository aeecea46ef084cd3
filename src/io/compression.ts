import { TbuildError } from "../errors.ts";

// Level 3 is faster, and its output smaller, than any level of Node's own zlib or brotli (`make bench`). The
// library works in Node's thread pool, which keeps every core busy.
const level = 3;

const blockBytes = 128 * 1024;
// A chunk may have more blocks than its size requires. This many blocks hold at most 8 MiB.
const mostBlocks = 64;

export interface Compression {
  /** `undefined` if compression does not make the data smaller. */
  compress(data: Buffer): Promise<Buffer | undefined>;
  /** The frame is untrusted. One that would grow far beyond a chunk is refused before it is unpacked. */
  decompress(frame: Buffer): Promise<Buffer>;
}

/** zstd, one frame for each chunk. */
export async function openCompression(): Promise<Compression> {
  const { Decoder, Encoder } = await import("@toondepauw/node-zstd");
  const [encoder, decoder] = [new Encoder(level), new Decoder()];
  return {
    async compress(data) {
      const frame = await encoder.encode(data);
      return frame.length < data.length && isBounded(frame) ? frame : undefined;
    },
    async decompress(frame) {
      if (!isBounded(frame))
        throw new TbuildError("integrity", "a chunk is not a single zstd frame of the expected size");
      return decoder.decode(frame);
    },
  };
}

/** True for a single frame with so few blocks that it cannot grow far beyond a chunk. */
function isBounded(frame: Buffer): boolean {
  return frameBytes(frame) === frame.length;
}

/**
 * The length in bytes of the zstd frame at the start of `data` (RFC 8878, 3.1.1); `undefined` if there is none, or if it has
 * so many blocks that it could grow beyond 8 MiB.
 */
export function frameBytes(frame: Buffer): number | undefined {
  if (frame.length < 6 || frame.readUInt32LE(0) !== 0xfd2fb528) return undefined;
  const descriptor = frame.readUInt8(4);
  const single = (descriptor >> 5) & 1;
  const sizeField = [single, 2, 4, 8][descriptor >> 6] ?? 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  let at = 5 + (single ? 0 : 1) + dictionary + sizeField;
  for (let blocks = 1; blocks <= mostBlocks; blocks++) {
    if (at + 3 > frame.length) return undefined;
    const header = frame.readUIntLE(at, 3);
    at += 3 + (((header >> 1) & 3) === 1 ? 1 : header >> 3);
    // A block of one repeated byte states its own size, and decoders need not limit it to 128 KiB.
    if (header >> 3 > blockBytes) return undefined;
    if (header & 1) return at + ((descriptor >> 2) & 1) * 4;
  }
  return undefined;
}
