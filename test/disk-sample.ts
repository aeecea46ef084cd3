import { createCipheriv, createHash } from "node:crypto";
import { chmod, open, readFile, writeFile } from "node:fs/promises";

/** Bytes that neither compress nor repeat, the same each time. */
export function noise(seed: string, bytes: number): Buffer {
  const key = createHash("md5").update(seed).digest();
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

export async function write(file: string, data: Uint8Array, at: number): Promise<void> {
  const handle = await open(file, "r+");
  await handle.write(data, 0, data.length, at);
  await handle.close();
}

/** Flips one bit of a file. Twice restores it. */
export async function flip(file: string, at: number): Promise<void> {
  await chmod(file, 0o644);
  const data = await readFile(file);
  data[at] = (data[at] ?? 0) ^ 1;
  await writeFile(file, data);
}

export async function sha256(file: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
}
