import { Readable } from "node:stream";
import { extract, pack } from "tar-stream";

/** A tar header with fixed owner, mode and time, so the same file always gives the same bytes. */
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

/** The zeros that pad a file of so many bytes to a full block. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((512 - (size % 512)) % 512);
}

/** The end-of-archive marker. */
export const tarEnd = new Uint8Array(1024);

/** An entry of an archive. Read or skip its body before asking for the next entry. */
export interface TarEntry {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Where a link leads; else empty. */
  readonly target: string;
  /** Major and minor number of a device; else zeros. */
  readonly device: readonly [number, number];
  /** Further attributes, such as `SCHILY.xattr.…`. */
  readonly pax: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Reads an untrusted archive. Throws if it is damaged or truncated. */
export async function* tarEntries(archive: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const reader = extract();
  const source = Readable.from(archive, { objectMode: false });
  source.on("error", (error) => reader.destroy(error));
  source.pipe(reader);
  try {
    for await (const entry of reader) {
      const { name, type, size, mode, uid, gid, linkname, devmajor, devminor, pax } = entry.header;
      yield {
        name,
        type: type ?? "file",
        size: size ?? 0,
        mode: mode ?? 0,
        uid: uid ?? 0,
        gid: gid ?? 0,
        target: linkname ?? "",
        device: [devmajor ?? 0, devminor ?? 0],
        pax: (pax ?? {}) as Readonly<Record<string, string>>,
        body: entry as AsyncIterable<Uint8Array>,
      };
      entry.resume();
    }
  } finally {
    source.destroy();
    reader.destroy();
  }
}
