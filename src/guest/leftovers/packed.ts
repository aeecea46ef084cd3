import { promisify } from "node:util";
import { gunzip } from "node:zlib";

/** What a file holds in compressed form: the bytes, where they can be had here, or `unknown` where they cannot. */
export type Packed = { readonly unpacked: Buffer } | "unknown" | undefined;

// Of gzip; a file that unpacks to more is no configuration.
const mostBytes = 64 << 20;

const unzipped = promisify(gunzip);

/**
 * Unpacks gzip. Of any other archive or compressed file it is only said that it is one. `undefined` for all else, and for
 * a tar archive, whose files stand in it as they are.
 */
export async function packedIn(path: string, data: Buffer): Promise<Packed> {
  if (
    isPolicy.test(path) ||
    !magics.some((magic) => data.subarray(0, 6).toString("latin1").startsWith(magic))
  )
    return undefined;
  if (data[0] !== 0x1f) return "unknown";
  return unzipped(data, { maxOutputLength: mostBytes }).then(
    (unpacked) => ({ unpacked }),
    () => "unknown",
  );
}

// semodule packs the modules of a policy with bzip2.
const isPolicy = /^\/(?:etc|var\/lib)\/selinux\//;

// gzip, bzip2, xz, zstd, zip, 7z, RAR, RPM, lzop.
const magics = [
  "\x1f\x8b",
  "BZh",
  "\xfd7zXZ\0",
  "\x28\xb5\x2f\xfd",
  "PK\x03\x04",
  "7z\xbc\xaf",
  "Rar!\x1a\x07",
  "\xed\xab\xee\xdb",
  "\x89LZO\0\r",
];
