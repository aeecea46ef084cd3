import { crc32 } from "node:zlib";
import type { Entry, ZipFile } from "yauzl";
import { TbuildError } from "../../errors.ts";
import { type Member, type Parts, tooLarge, type UnpackOptions, writeSparse } from "./members.ts";
import { mostEntries, plainName, shown } from "./tar-entries.ts";

/** Whether a file starts as a zip does (APPNOTE.TXT of PKWARE, 4.3.7). */
export function isZip(head: Uint8Array): boolean {
  return Buffer.from(head).toString("latin1", 0, 4) === "PK\x03\x04";
}

/**
 * Unpacks the files of a zip into `work` under numbers. A name that leads outside, a link, a device, encryption, a duplicate
 * name, and a wrong size or checksum are `integrity` faults of `what`.
 */
export async function zipMembers(
  what: string,
  archive: string,
  work: (number: number) => string,
  options: UnpackOptions,
): Promise<Member[]> {
  const refuse = (why: string, cause?: unknown) =>
    new TbuildError("integrity", why, { subject: what, cause });
  const { openPromise } = await import("yauzl");
  const zip = await openPromise(archive, { autoClose: false, lazyEntries: true }).catch((error) => {
    throw damageOf(error, refuse);
  });
  try {
    const found: Member[] = [];
    let total = 0;
    for await (const entry of entriesOf(zip, refuse)) {
      const name = plainName(entry.fileName, refuse);
      if (entry.fileName.endsWith("/")) continue;
      refuseOdd(entry, name, refuse);
      if (found.some((one) => one.name === name)) throw refuse(`contains ${shown(name)} twice`);
      if (found.length >= mostEntries) throw refuse(`has more than ${mostEntries} entries`);
      total += entry.uncompressedSize;
      if (total > options.mostBytes) throw tooLarge(`${what}: with ${shown(name)} it`, total, options);
      const file = work(found.length);
      await writeSparse(file, entry.uncompressedSize, partsOf(zip, entry, name, refuse), {
        ...options,
        progress: (done) => options.progress?.(`unpacking ${name}`, done, entry.uncompressedSize),
      });
      found.push({ name, file, offset: 0, bytes: entry.uncompressedSize });
    }
    return found;
  } finally {
    zip.close();
  }
}

type Refuse = (why: string, cause?: unknown) => TbuildError;

async function* entriesOf(zip: ZipFile, refuse: Refuse): AsyncGenerator<Entry> {
  try {
    for await (const entry of zip.eachEntry()) yield entry;
  } catch (error) {
    throw damageOf(error, refuse);
  }
}

// The upper half of the attributes is a Unix mode if the archive was made on Unix (versionMadeBy, 3).
function refuseOdd(entry: Entry, name: string, refuse: Refuse): void {
  const kind = entry.versionMadeBy >> 8 === 3 ? (entry.externalFileAttributes >>> 16) & 0o170000 : 0;
  if (kind !== 0 && kind !== 0o100000)
    throw refuse(
      `contains ${shown(name)}, which is ${kind === 0o120000 ? "a symbolic link" : "not a plain file"}`,
    );
  if (entry.isEncrypted()) throw refuse(`contains ${shown(name)}, which needs a password`);
  if (!entry.canDecodeFileData())
    throw refuse(
      `contains ${shown(name)}, compressed in an unsupported way (method ${entry.compressionMethod})`,
    );
}

/** yauzl checks the size but not the checksum. */
async function* partsOf(zip: ZipFile, entry: Entry, name: string, refuse: Refuse): Parts {
  let [at, sum] = [0, 0];
  try {
    const stream = await zip.openReadStreamPromise(entry);
    for await (const data of stream as AsyncIterable<Buffer>) {
      sum = crc32(data, sum);
      yield { at, data };
      at += data.length;
    }
  } catch (error) {
    throw damageOf(error, refuse);
  }
  if (sum !== entry.crc32) throw refuse(`contains ${shown(name)}, whose checksum is wrong`);
}

/** yauzl and zlib report damage by errors without a code or with one of zlib's. All others are system errors. */
function damageOf(error: unknown, refuse: Refuse): unknown {
  if (error instanceof TbuildError || !(error instanceof Error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code !== undefined && !code.startsWith("Z_")) return error;
  return refuse(`is damaged or malicious: ${shown(error.message)}`, error);
}
