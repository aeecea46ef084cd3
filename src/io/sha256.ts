import { webcrypto } from "node:crypto";

/** In Node's thread pool, unlike `createHash`, so that several are made at a time. */
export async function sha256Of(data: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest("SHA-256", data)).toString("hex");
}
