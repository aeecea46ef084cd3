import { open, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { bytesAt } from "./durable.ts";
import { fileFault } from "./file-fault.ts";

/** Finds an environment variable; `undefined` if it is not set. */
export type SecretFinder = (name: string) => string | undefined;

/** Where a secret is kept. */
export type SecretSource = { readonly env: string } | { readonly file: string };

type Looked =
  | { readonly secret: string; readonly fault?: never }
  | { readonly secret?: never; readonly fault: string };

/** Reads a secret of one line. A file name is relative to `folder`. The fault names the source, never the secret. */
export async function lookedUp(
  reference: SecretSource,
  folder: string,
  environment: SecretFinder,
): Promise<Looked> {
  const where =
    "env" in reference ? `environment variable ${reference.env}` : `file ${resolve(folder, reference.file)}`;
  const data =
    "env" in reference ? environment(reference.env) : await contentOf(resolve(folder, reference.file));
  if (data === undefined) return { fault: `there is no ${where}` };
  if (typeof data === "object" && "fault" in data) return { fault: `${where} ${data.fault}` };
  const text = typeof data === "string" ? data : decoded(data);
  // Node puts this character for bytes of the environment that are not UTF-8.
  if (text === undefined || text.includes("\ufffd")) return { fault: `${where} is not UTF-8` };
  const line = text.replace(/\r?\n$/, "");
  const fault = faultOf(line);
  return fault === undefined ? { secret: line } : { fault: `${where} ${fault}` };
}

// Nobody can type such a password at a login, or `openssl passwd` takes only a part of it.
function faultOf(line: string): string | undefined {
  if (line === "") return "is empty";
  if (/[\r\n]/.test(line)) return "contains more than one line";
  if (/\p{Cc}/u.test(line)) return "contains a control character";
  return Buffer.byteLength(line) > mostBytes ? tooLong : undefined;
}

const mostBytes = 256;
const tooLong = `contains more than ${mostBytes} bytes`;

// A pipe gives its content only once, and a device never ends.
async function contentOf(file: string): Promise<Uint8Array | { readonly fault: string } | undefined> {
  const found = await stat(file).catch((error: unknown) => absent(error, file));
  if (!found) return undefined;
  if (!found.isFile()) return { fault: "is not a regular file" };
  if (found.size > 4 * mostBytes) return { fault: tooLong };
  const handle = await open(file).catch((error: unknown) => {
    throw fileFault(error, file);
  });
  try {
    return await bytesAt(handle, 0, found.size);
  } finally {
    await handle.close();
  }
}

function decoded(data: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    return undefined;
  }
}

function absent(error: unknown, file: string): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") return undefined;
  throw fileFault(error, file);
}
