import { compressionOf, unpack } from "../unpack.ts";
import { zipMembers } from "./zip-members.ts";

/** The unpacked contents of a file, or `unknown` if they cannot be unpacked here. */
export type Packed = { readonly members: readonly PackedMember[] } | "unknown" | undefined;

export interface PackedMember {
  /** Its name in an archive; absent if the whole file is one compressed file. */
  readonly name?: string;
  readonly data: Buffer;
}

// A file that unpacks to more is not configuration.
const mostBytes = 64 << 20;

/**
 * Unpacks a compressed file or a zip. Other archives are only recognised. `undefined` for all other files,
 * and for a tar archive, which stores its files uncompressed.
 */
export async function packedIn(path: string, data: Buffer): Promise<Packed> {
  if (isPolicy.test(path)) return undefined;
  const start = data.subarray(0, 9).toString("latin1");
  if (start.startsWith("PK\x03\x04")) {
    const members = await zipMembers(data, mostBytes);
    return members ? { members } : "unknown";
  }
  if (others.some((magic) => start.startsWith(magic))) return "unknown";
  // Many other files also start with the magic of lzma.
  const kind = compressionOf(data);
  if (kind === undefined || kind === "lzma") return undefined;
  const unpacked = await unpack(data, mostBytes);
  return "why" in unpacked ? "unknown" : { members: [unpacked] };
}

// semodule packs the modules of a policy with bzip2.
const isPolicy = /^\/(?:etc|var\/lib)\/selinux\//;

// 7z, RAR, RPM.
const others = ["7z\xbc\xaf", "Rar!\x1a\x07", "\xed\xab\xee\xdb"];
