import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { createGunzip } from "node:zlib";
import { TbuildError } from "../../errors.ts";
import { streamHere } from "../../host/local.ts";

/** Sequential bytes of a file, decompressed if necessary. */
export interface ByteSource extends AsyncDisposable {
  /** The number of bytes read or skipped. */
  readonly position: number;
  /** Returns up to `length` bytes; fewer only at the end. */
  read(length: number): Promise<Uint8Array>;
  /** Skips bytes. Skipping beyond the end shows at the next read. */
  skip(length: number): Promise<void>;
}

/** A part of a file, or the whole file without `place`. */
export async function fileSource(
  path: string,
  place: { readonly offset: number; readonly bytes: number } = { offset: 0, bytes: Number.MAX_SAFE_INTEGER },
): Promise<ByteSource> {
  const handle = await open(path, "r");
  let position = 0;
  return {
    get position() {
      return position;
    },
    async read(length) {
      const buffer = Buffer.allocUnsafe(Math.min(length, place.bytes - position));
      let done = 0;
      while (done < buffer.length) {
        const at = place.offset + position + done;
        const { bytesRead } = await handle.read(buffer, done, buffer.length - done, at);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      position += done;
      return buffer.subarray(0, done);
    },
    async skip(length) {
      position = Math.min(position + length, place.bytes);
    },
    [Symbol.asyncDispose]: () => handle.close(),
  };
}

/** The contents of all members of a gzip file. Truncation or damage is an `integrity` fault of `what`. */
export function gunzipSource(
  what: string,
  path: string,
  place?: { readonly offset: number; readonly bytes: number },
): ByteSource {
  const range = place ? { start: place.offset, end: place.offset + place.bytes - 1 } : {};
  const file = createReadStream(path, { highWaterMark: 1 << 20, ...range });
  const gunzip = createGunzip({ chunkSize: 1 << 20 });
  file.on("error", (error) => gunzip.destroy(error));
  const chunks = file.pipe(gunzip)[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  return streamSource(
    chunks,
    (error) => {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (!code.startsWith("Z_")) return error;
      const why = code === "Z_BUF_ERROR" ? "is cut off" : "is damaged";
      return new TbuildError("integrity", `the gzip data ${why}`, {
        subject: what,
        hint: "Download it again, and compare its checksum.",
        cause: error,
      });
    },
    async () => {
      file.destroy();
      gunzip.destroy();
    },
  );
}

/** Programs for formats that Node cannot unpack, with memory limits, by the first bytes in hexadecimal. */
const unpackers: readonly {
  readonly name: Packing;
  readonly magic: string;
  readonly argv: readonly string[];
}[] = [
  { name: "xz", magic: "fd377a585a00", argv: ["xz", "-dc", "--quiet", "--memlimit-decompress=1GiB", "--"] },
  { name: "bzip2", magic: "425a68", argv: ["bzip2", "-dc", "--"] },
  { name: "zstd", magic: "28b52ffd", argv: ["zstd", "-dc", "--quiet", "--memory=1024MB", "--"] },
];

/** How a file is compressed. */
export type Packing = "gzip" | "xz" | "bzip2" | "zstd";

/** The compression of a file with these first bytes; `undefined` if there is none or it is not supported. */
export function packingOf(head: Uint8Array): Packing | undefined {
  const start = Buffer.from(head).toString("hex", 0, 6);
  return start.startsWith("1f8b") ? "gzip" : unpackers.find(({ magic }) => start.startsWith(magic))?.name;
}

/** The contents of a compressed file. Truncation or damage is an `integrity` fault of `what`. */
export function unpackedSource(what: string, path: string, packing: Packing): ByteSource {
  if (packing === "gzip") return gunzipSource(what, path);
  const argv = unpackers.find(({ name }) => name === packing)?.argv ?? [];
  const chunks = streamHere([...argv, path], new Uint8Array());
  return streamSource(
    chunks,
    (error) => {
      if (!(error instanceof TbuildError) || error.exitCode === undefined) return error;
      return new TbuildError("integrity", `the ${packing} data is damaged or cut off`, {
        subject: what,
        lines: error.said,
        hint: "Download it again, and compare its checksum.",
        cause: error,
      });
    },
    async () => void (await chunks.return(undefined)),
  );
}

/** Bytes from chunks. `faultOf` translates their errors. */
function streamSource(
  chunks: AsyncIterator<Uint8Array>,
  faultOf: (error: unknown) => unknown,
  close: () => Promise<void>,
): ByteSource {
  let position = 0;
  let rest: Uint8Array = new Uint8Array();

  async function more(): Promise<boolean> {
    try {
      const next = await chunks.next();
      if (next.done) return false;
      rest = next.value;
      return true;
    } catch (error) {
      throw faultOf(error);
    }
  }

  /** Yields up to `length` bytes, piece by piece. */
  async function take(length: number, use: (piece: Uint8Array) => void): Promise<void> {
    for (let left = length; left > 0; ) {
      if (rest.length === 0 && !(await more())) return;
      const piece = rest.subarray(0, left);
      rest = rest.subarray(piece.length);
      left -= piece.length;
      position += piece.length;
      use(piece);
    }
  }

  return {
    get position() {
      return position;
    },
    async read(length) {
      const pieces: Uint8Array[] = [];
      await take(length, (piece) => pieces.push(piece));
      return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
    },
    skip: (length) => take(length, () => {}),
    [Symbol.asyncDispose]: close,
  };
}
