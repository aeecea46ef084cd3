import { webcrypto } from "node:crypto";

/** Runs in Node's thread pool, unlike `createHash`, so several digests are computed at once. */
export async function sha256Of(data: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest("SHA-256", data)).toString("hex");
}
