import { createHash } from "node:crypto";

/** `sha256:` and 64 hex digits. */
export type Digest = `sha256:${string}`;

/** The digest of data in memory. Text is encoded as UTF-8. */
export function digestOf(data: string | Uint8Array): Digest {
  return asDigest(createHash("sha256").update(data).digest("hex"));
}

/** A digest from 64 hex digits. */
export function asDigest(hex: string): Digest {
  return `sha256:${hex}`;
}
