import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import { writeAll } from "../../io/durable.ts";
import { isFull } from "../../io/file-fault.ts";
import { type ByteSource, fileSource, type Packing, unpackedSource } from "./byte-source.ts";
import { mostEntries, shown, type TarEntry, tarEntries } from "./tar-entries.ts";

/** A file of an archive: a byte range in a local file. */
export interface Member {
  /** The name in the archive. It is never used as a local path. */
  readonly name: string;
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

export interface UnpackOptions {
  /** The size limits of a disk and of an archive, in bytes. */
  readonly mostBytes: number;
  readonly signal?: AbortSignal;
  readonly progress?: (text: string, done?: number, total?: number) => void;
}

/**
 * The files of an archive. Files of a plain tar stay in place. Files of a compressed tar, and sparse files, are
 * written into `work` under numbers, so that no name in the archive ever becomes a path here.
 */
export async function membersOf(
  archive: string,
  packing: Packing | undefined,
  work: string,
  options: UnpackOptions,
): Promise<Member[]> {
  const what = shownFile(archive);
  const size = (await stat(archive)).size;
  await using source = packing ? unpackedSource(what, archive, packing) : await fileSource(archive);
  const found: Member[] = [];
  let total = 0;
  for await (const entry of tarEntries(what, source)) {
    total += entry.bytes;
    if (total > options.mostBytes) throw tooLarge(`${what}: with ${shown(entry.name)}, it`, total, options);
    if (!packing && entry.offset + entry.stored > size) throw endsIn(what, entry.name);
    if (!packing && !entry.data) {
      found.push({ name: entry.name, file: archive, offset: entry.offset, bytes: entry.bytes });
      continue;
    }
    const file = join(work, `member-${found.length}`);
    await writeSparse(file, entry.bytes, entryParts(what, source, entry), {
      ...options,
      progress: (done) => options.progress?.(`unpacking ${entry.name}`, done, entry.bytes),
    });
    found.push({ name: entry.name, file, offset: 0, bytes: entry.bytes });
  }
  // The compression's checksum is at the end, after the zeros that end and pad the tar.
  if (packing && (await source.read(mostFilling)).length === mostFilling)
    throw new TbuildError("integrity", "has data after the end of the tar archive", { subject: what });
  return withoutLeftovers(found);
}

/** The files that the archive's author intended. */
export function withoutLeftovers(members: readonly Member[]): Member[] {
  return members.filter(({ name }) => !isLeftover(name));
}

/** Files that macOS and Windows file managers add. */
function isLeftover(name: string): boolean {
  return /(?:^|\/)(?:\._[^/]*|\.DS_Store|Thumbs\.db|__MACOSX\/.*)$/.test(name);
}

/** The files of an unpacked folder: an OVF package, with plain files only. */
export async function membersBeside(descriptor: string): Promise<Member[]> {
  const folder = dirname(descriptor);
  const found: Member[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isFile() || isLeftover(entry.name)) continue;
    if (found.length >= mostEntries)
      throw new TbuildError("usage", `more than ${mostEntries} files`, { subject: shownFile(folder) });
    const file = join(folder, entry.name);
    found.push({ name: entry.name, file, offset: 0, bytes: (await stat(file)).size });
  }
  return found;
}

/** The full text of a small file. */
export async function memberText(member: Member, mostBytes: number): Promise<string> {
  return Buffer.from(await memberBytes(member, mostBytes)).toString("utf8");
}

export async function memberBytes(member: Member, mostBytes: number): Promise<Uint8Array> {
  if (member.bytes > mostBytes)
    throw new TbuildError("integrity", `${member.bytes} bytes exceed the limit for a text file`, {
      subject: shown(member.name),
    });
  await using source = await fileSource(member.file, member);
  return await source.read(member.bytes);
}

/** Pieces of a file with their offsets. The gaps are zeros. */
export type Parts = AsyncIterable<{ readonly at: number; readonly data: Uint8Array }>;

/** Writes a sparse file. It ends with its last part, or is `bytes` long. */
export async function writeSparse(
  file: string,
  bytes: number | undefined,
  parts: Parts,
  options: { readonly signal?: AbortSignal; readonly progress?: (done: number) => void },
): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  let end = 0;
  try {
    for await (const { at, data } of parts) {
      checkInterrupted(options.signal);
      await writeData(handle, at, data);
      end = at + data.length;
      options.progress?.(at + data.length);
    }
    await handle.truncate(bytes ?? end);
  } catch (error) {
    throw isFull(error) ? diskFull(file, error) : error;
  } finally {
    await handle.close();
  }
}

/** The contents of a gzip file as parts. More than `mostBytes` is an `integrity` fault. */
export async function* gunzippedParts(
  source: ByteSource,
  tooMuch: () => TbuildError,
  mostBytes: number,
): Parts {
  for (let at = 0; ; ) {
    const data = await source.read(pieceBytes);
    if (data.length === 0) return;
    if (at + data.length > mostBytes) throw tooMuch();
    yield { at, data };
    at += data.length;
  }
}

export function diskFull(file: string, cause: unknown): TbuildError {
  return new TbuildError("environment", "the disk is full", {
    subject: dirname(file),
    hint: "Nothing was imported. Free space for the unpacked disks.",
    cause,
  });
}

export function tooLarge(what: string, bytes: number, options: UnpackOptions): TbuildError {
  return new TbuildError(
    "integrity",
    `${what} takes ${gib(bytes)} unpacked; the limit is ${gib(options.mostBytes)}`,
    {
      hint: "If that is expected, raise the limit with --max-size.",
    },
  );
}

/** The file name that the user typed. */
export function shownFile(path: string): string {
  return /\p{Cc}/u.test(path) ? shown(path) : path;
}

const pieceBytes = 1 << 20;
const mostFilling = 16 << 20;
const blockBytes = 64 * 1024;
const zeros = Buffer.alloc(blockBytes);

async function* entryParts(what: string, source: ByteSource, entry: TarEntry): Parts {
  for (const { start, bytes } of entry.data ?? [{ start: 0, bytes: entry.bytes }])
    for (let done = 0; done < bytes; ) {
      const data = await source.read(Math.min(pieceBytes, bytes - done));
      if (data.length === 0) throw endsIn(what, entry.name);
      yield { at: start + done, data };
      done += data.length;
    }
}

/** Skips blocks of zeros, so that they stay holes. */
async function writeData(handle: FileHandle, at: number, data: Uint8Array): Promise<void> {
  let from = 0;
  for (let start = 0; start <= data.length; start += blockBytes) {
    const block = data.subarray(start, start + blockBytes);
    if (block.length > 0 && zeros.compare(block, 0, block.length, 0, block.length) !== 0) continue;
    if (start > from) await writeAll(handle, data.subarray(from, start), at + from);
    from = start + blockBytes;
  }
  if (from < data.length) await writeAll(handle, data.subarray(from), at + from);
}

function endsIn(what: string, name: string): TbuildError {
  return new TbuildError("integrity", `ends in the middle of ${shown(name)}`, {
    subject: what,
    hint: "Download it again, and compare its checksum.",
  });
}

function gib(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
