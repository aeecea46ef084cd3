import { join } from "node:path";
import { z } from "zod";
import { TbuildError } from "../errors.ts";
import { replaceFile } from "../host/partial-file.ts";
import { textOf } from "../io/durable.ts";

/** The identity of a Manager that the user has compared and accepted. */
export interface Identity {
  /** `SHA256:…` of its ssh host key. */
  readonly hostKey?: string;
  /** SHA-256 of its certificate, `AB:CD:…`. */
  readonly certificate?: string;
}

const Trusted = z.record(
  z.string(),
  z.object({ hostKey: z.string().exactOptional(), certificate: z.string().exactOptional() }),
);

/** The file with the identities that `tbuild manager trust` recorded: `HOST:PORT` → identity. */
export function trustedFile(memory: string): string {
  return join(memory, "managers.json");
}

export async function trustedIdentity(memory: string, host: string, port: number): Promise<Identity> {
  return (await readTrusted(memory))[`${host}:${port}`] ?? {};
}

export async function trust(memory: string, host: string, port: number, identity: Identity): Promise<void> {
  const file = trustedFile(memory);
  const all = { ...(await readTrusted(memory)), [`${host}:${port}`]: identity };
  await replaceFile(file, `${JSON.stringify(all, undefined, 2)}\n`);
}

async function readTrusted(memory: string): Promise<Record<string, Identity>> {
  const file = trustedFile(memory);
  const text = await textOf(file);
  if (text === undefined) return {};
  try {
    return Trusted.parse(JSON.parse(text));
  } catch (cause) {
    throw new TbuildError("integrity", "is not the list of trusted Managers that tbuild wrote", {
      subject: file,
      hint: "Remove it, and run tbuild manager trust again.",
      cause,
    });
  }
}
