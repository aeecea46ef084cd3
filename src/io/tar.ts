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

/** A member of an archive. */
export interface TarMember {
  readonly name: string;
  readonly type: "file" | "directory" | "symlink";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size?: number;
  /** The target of a link. */
  readonly target?: string;
  /** The value of `security.selinux`. */
  readonly label?: string;
  readonly body?: AsyncIterable<Uint8Array>;
}

/** Streams an archive of `members`. All times are 0, so the same members always give the same bytes. */
export function tarArchive(members: AsyncIterable<TarMember>): AsyncIterable<Uint8Array> {
  const archive = pack();
  const write = ({ body, target, label, size = 0, mode, ...member }: TarMember) =>
    new Promise<void>((resolve, reject) => {
      const header = {
        ...member,
        // tar-stream reads mode 0, which EL's /etc/shadow has, as a missing one. It cuts higher bits off.
        size,
        mode: 0o100000 | mode,
        mtime: new Date(0),
        uname: "",
        gname: "",
        ...(target !== undefined && { linkname: target }),
        ...(label !== undefined && { pax: { "SCHILY.xattr.security.selinux": label } }),
      };
      const done = (error?: Error | null) => (error ? reject(error) : resolve());
      if (body === undefined || size === 0) return void archive.entry(header, "", done);
      const sink = archive.entry(header, done);
      // When the reader of the archive fails, the current entry is destroyed, too.
      sink.on("error", reject);
      const source = Readable.from(body, { objectMode: false });
      source.on("error", reject);
      source.pipe(sink);
    });
  const writeAll = async () => {
    for await (const member of members) await write(member);
    archive.finalize();
  };
  writeAll().catch((error) => archive.destroy(error));
  return archive as AsyncIterable<Uint8Array>;
}

/** An entry of an archive. Read or skip its body before asking for the next entry. */
export interface TarEntry {
  readonly name: string;
  readonly type: string;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** The target of a link; otherwise empty. */
  readonly target: string;
  /** Major and minor number of a device; else zeros. */
  readonly device: readonly [number, number];
  /** Further attributes, such as `SCHILY.xattr.…`. */
  readonly pax: Readonly<Record<string, string>>;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Reads an untrusted archive. Throws if it is damaged or truncated. */
export async function* tarEntries(archive: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  // Also the form of Unix V7, which has no magic; its headers have sums, too.
  const reader = extract({ allowUnknownFormat: true } as Parameters<typeof extract>[0]);
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
