import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { TbuildError } from "../errors.ts";
import { streamHere } from "../host/local.ts";
import { decompressors } from "./convert/decompressors.ts";

/** The unpacked bytes, or why there are none. */
export type Unpacked = { readonly data: Buffer } | { readonly why: string };

const unzipped = promisify(gunzip);

/** The compression of a file, from its first bytes: `gzip`, or one of `decompressors`. */
export function compressionOf(data: Buffer): string | undefined {
  const start = data.toString("hex", 0, 9);
  return start.startsWith("1f8b") ? "gzip" : decompressors.find(({ magic }) => start.startsWith(magic))?.name;
}

/** Unpacks a compressed file of a guest, which is not trusted: up to `mostBytes`. */
export async function unpack(data: Buffer, mostBytes: number): Promise<Unpacked> {
  const start = data.toString("hex", 0, 9);
  const known = decompressors.find(({ magic }) => start.startsWith(magic));
  try {
    if (start.startsWith("1f8b")) return { data: await unzipped(data, { maxOutputLength: mostBytes }) };
    if (!known) return { why: "its compression is unknown" };
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of streamHere(known.argv, data)) {
      bytes += piece.length;
      if (bytes > mostBytes) return { why: `unpacks to more than ${mostBytes >> 20} MiB` };
      pieces.push(Buffer.from(piece));
    }
    return { data: Buffer.concat(pieces) };
  } catch (error) {
    if (error instanceof TbuildError) return { why: error.message };
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ERR_BUFFER_TOO_LARGE") return { why: `unpacks to more than ${mostBytes >> 20} MiB` };
    if (code?.startsWith("Z_")) return { why: "its compressed data is damaged" };
    throw error;
  }
}
