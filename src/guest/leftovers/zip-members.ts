import type { Entry, ZipFile } from "yauzl";

export interface ZipMember {
  readonly name: string;
  readonly data: Buffer;
}

const mostMembers = 20_000;

/**
 * The files in a zip, up to `mostBytes` together; `undefined` if it is damaged, encrypted, in a form that is not read, or
 * larger.
 */
export async function zipMembers(archive: Buffer, mostBytes: number): Promise<ZipMember[] | undefined> {
  const { fromBufferPromise } = await import("yauzl");
  try {
    const zip = await fromBufferPromise(archive, { lazyEntries: true, decodeStrings: true });
    const found: ZipMember[] = [];
    let left = mostBytes;
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName.endsWith("/")) continue;
      left -= entry.uncompressedSize;
      if (left < 0 || found.length >= mostMembers || entry.isEncrypted()) return undefined;
      found.push({ name: entry.fileName, data: await contentOf(zip, entry) });
    }
    return found;
  } catch {
    return undefined;
  }
}

// The stream fails if there is more data than the entry states.
async function contentOf(zip: ZipFile, entry: Entry): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of await zip.openReadStreamPromise(entry)) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
