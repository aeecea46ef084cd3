import { createHash } from "node:crypto";
import { z } from "zod";

/** `sha256:` and 64 hex digits. */
export type Digest = `sha256:${string}`;

export const DigestText = z.custom<Digest>(
  (value) => typeof value === "string" && digestPattern.test(value),
  {
    error: "is not sha256: and 64 hex digits",
  },
);

const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** The digest of data in memory. Text is encoded as UTF-8. */
export function digestOf(data: string | Uint8Array): Digest {
  return asDigest(createHash("sha256").update(data).digest("hex"));
}

/** A digest from 64 hex digits. */
export function asDigest(hex: string): Digest {
  return `sha256:${hex}`;
}
