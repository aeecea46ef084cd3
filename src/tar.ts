import { pack } from "tar-stream";

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
