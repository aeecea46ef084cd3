import { Readable } from "node:stream";
import { extract, pack } from "tar-stream";

/** The header of one file of a tar archive; fixed owner, mode and time, so that the same file has the same bytes. */
export async function tarHeader(name: string, size: number): Promise<Uint8Array> {
  const archive = pack();
  const header = {
    name,
    size,
    mode: 0o644,
    mtime: new Date(0),
    uid: 0,
    gid: 0,
    uname: "root",
    gname: "root",
    type: "file" as const,
  };
  archive.entry(header).on("error", () => {});
  for await (const chunk of archive) {
    archive.destroy();
    return chunk as Uint8Array;
  }
  throw new Error("tar-stream gave no header");
}

/** The zeros that fill the last block of a file of so many bytes. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((512 - (size % 512)) % 512);
}

/** What ends an archive. */
export const tarEnd = new Uint8Array(1024);

/** One thing in an archive; its body has to be read, or left, before the next one comes. */
export interface TarEntry {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Reads an archive that anybody may have made; throws where it is damaged or cut off. */
export async function* tarEntries(archive: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const reader = extract();
  const source = Readable.from(archive, { objectMode: false });
  source.on("error", (error) => reader.destroy(error));
  source.pipe(reader);
  try {
    for await (const entry of reader) {
      const { name, type, size } = entry.header;
      yield { name, type: type ?? "file", size: size ?? 0, body: entry as AsyncIterable<Uint8Array> };
      entry.resume();
    }
  } finally {
    source.destroy();
    reader.destroy();
  }
}
