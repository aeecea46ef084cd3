import { createHash } from "node:crypto";
import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TbuildError } from "../errors.ts";
import { isZero, type Piece } from "./draft.ts";

/**
 * How an image is changed: never but by this. A record with the old and the new bytes is written beside the
 * image first; its name says how far things are, and names change at once or not at all. Killed at any instant,
 * the image is as before (`new`), or `settle` brings it to where it was going (`redo`, `undoing`).
 *
 *   .tbuild-new ─► .tbuild-redo ─► .tbuild-undo-1 ─► .tbuild-undoing ─► gone
 *   image: before   being changed    after             being restored     before
 */
export interface ChangeNote {
  /** What was done, as a person would say it. */
  readonly what: string;
  readonly when: string;
}

export interface UndoRecord extends ChangeNote {
  readonly file: string;
  readonly number: number;
  /** Of the record itself. */
  readonly bytes: number;
}

/** Makes the change and gives the record that takes it back. The image is changed whole or not at all. */
export async function changeImage(
  image: string,
  pieces: readonly Piece[],
  { bytes: sizeAfter, ...note }: ChangeNote & { readonly bytes: number },
): Promise<UndoRecord> {
  const names = namesFor(image);
  const number = ((await undoRecords(image)).at(-1)?.number ?? 0) + 1;
  await using target = await open(image, "r+").catch(refused(image));
  const { size, uid, gid } = await target.stat();
  {
    await using record = await open(names.new, "w", 0o600).catch(refused(names.new));
    await record.chown(uid, gid).catch(() => {});
    await writeRecord(record, target, pieces, { ...note, size, sizeAfter });
  }
  await renameSafely(names.new, names.redo);
  await finish(image, target, "after");
  await renameSafely(names.redo, names.undo(number));
  const { size: bytes } = await statOf(names.undo(number));
  return { ...note, number, bytes, file: names.undo(number) };
}

/** Brings an image whose change was cut off to a whole state, and says what was done; `undefined` when nothing was. */
export async function settle(image: string): Promise<string | undefined> {
  const names = namesFor(image);
  const there = await besides(image);
  if (there.includes(basename(names.redo))) {
    await using target = await open(image, "r+").catch(refused(image));
    await finish(image, target, "after");
    const number = ((await undoRecords(image)).at(-1)?.number ?? 0) + 1;
    await renameSafely(names.redo, names.undo(number));
    return "a change of it had been cut off while it was written; it is now finished, and can be undone";
  }
  if (there.includes(basename(names.undoing))) {
    await using target = await open(image, "r+").catch(refused(image));
    await finish(image, target, "before");
    await rm(names.undoing);
    return "an undo of it had been cut off; it is now finished";
  }
  const left = [names.new, names.work].filter((file) => there.includes(basename(file)));
  for (const file of left) await rm(file, { recursive: true });
  if (left.length === 0) return undefined;
  return "a change of it had been cut off before it was begun; the image is as it was, what was left is removed";
}

/** What `settle` would have to do, for those who only read. */
export async function isUnsettled(image: string): Promise<boolean> {
  const names = namesFor(image);
  const there = await besides(image);
  return [names.redo, names.undoing].some((file) => there.includes(basename(file)));
}

/** The changes that can be taken back, oldest first. */
export async function undoRecords(image: string): Promise<UndoRecord[]> {
  const found: UndoRecord[] = [];
  for (const name of await besides(image)) {
    const number = Number(/\.tbuild-undo-(\d+)$/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(number) || name !== basename(namesFor(image).undo(number))) continue;
    const file = join(dirname(image), name);
    await using record = await open(file, "r").catch(refused(file));
    const { what, when } = await readHead(record, file);
    found.push({ file, number, what, when, bytes: (await record.stat()).size });
  }
  return found.sort((a, b) => a.number - b.number);
}

/** Takes the newest change back, byte for byte. Refused when the image has been changed since by somebody else. */
export async function undoLast(image: string): Promise<UndoRecord> {
  const last = (await undoRecords(image)).at(-1);
  if (!last)
    throw new TbuildError("usage", `${image}: there is no change to undo`, {
      hint: `Records of changes lie beside the image, as ${basename(namesFor(image).undo(1))}.`,
    });
  await using target = await open(image, "r+").catch(refused(image));
  await checkUntouched(image, target, last.file);
  const { undoing } = namesFor(image);
  await renameSafely(last.file, undoing);
  await finish(image, target, "before");
  await rm(undoing);
  return last;
}

/** Where things lie beside an image while it is changed, and after. */
export function namesFor(image: string) {
  return {
    new: `${image}.tbuild-new`,
    redo: `${image}.tbuild-redo`,
    undoing: `${image}.tbuild-undoing`,
    undo: (number: number) => `${image}.tbuild-undo-${number}`,
    lock: `${image}.tbuild-lock`,
    work: `${image}.tbuild-work`,
  };
}

interface Head extends ChangeNote {
  /** Of the image file, before and after. */
  readonly size: number;
  readonly sizeAfter: number;
}

const magic = "tbuild-undo 1 ";
const headBytes = 13;
const [beforeIsZero, afterIsZero, isLast] = [1, 2, 4] as const;

async function writeRecord(
  record: FileHandle,
  image: FileHandle,
  pieces: readonly Piece[],
  head: Head,
): Promise<void> {
  const hash = createHash("sha256");
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  const write = async (...parts: Uint8Array[]) => {
    for (const part of parts) {
      hash.update(part);
      waiting.push(part);
      bytes += part.length;
    }
    if (bytes > 1 << 20) await out();
  };
  const out = async () => {
    await writeFully(record, Buffer.concat(waiting));
    waiting = [];
    bytes = 0;
  };
  await write(Buffer.from(`${magic}${JSON.stringify(head)}\n`));
  for (const piece of pieces) {
    const [before, after] = [await readOrZeros(image, piece, head.size), await piece.after()];
    const flags = (isZero(before) ? beforeIsZero : 0) | (isZero(after) ? afterIsZero : 0);
    await write(pieceHead(piece.offset, piece.bytes, flags));
    if (!(flags & beforeIsZero)) await write(before);
    if (!(flags & afterIsZero)) await write(after);
  }
  await write(pieceHead(0, 0, isLast));
  await out();
  await writeFully(record, hash.digest());
  await record.sync();
}

// Writes one side of the record into the image. Doing it again does no harm.
async function finish(image: string, target: FileHandle, side: "before" | "after"): Promise<void> {
  const names = namesFor(image);
  const file = side === "after" ? names.redo : names.undoing;
  await using record = await open(file, "r").catch(refused(file));
  const { size, sizeAfter } = await checkRecord(record, file, target);
  for await (const piece of piecesOf(record, file)) await writeFully(target, piece[side], piece.offset);
  if (size !== sizeAfter) await target.truncate(side === "after" ? sizeAfter : size);
  await target.datasync();
}

async function checkRecord(record: FileHandle, file: string, target: FileHandle): Promise<Head> {
  const hash = createHash("sha256");
  const { size } = await record.stat();
  for (let at = 0; at < size - 32; at += 1 << 20)
    hash.update(await readFully(record, at, Math.min(1 << 20, size - 32 - at)));
  if (size < 32 || !hash.digest().equals(await readFully(record, size - 32, 32)))
    throw new TbuildError("integrity", `${file}: the record of a change is damaged`, {
      hint: "Nothing was done with it. Take the image from a copy.",
    });
  const head = await readHead(record, file);
  const now = (await target.stat()).size;
  if (now < Math.min(head.size, head.sizeAfter) || now > Math.max(head.size, head.sizeAfter))
    throw new TbuildError("integrity", `${file}: belongs to an image of ${head.size} bytes, not of ${now}`, {
      hint: "The image was replaced or resized since; its record of changes is of no more use.",
    });
  return head;
}

async function checkUntouched(image: string, target: FileHandle, file: string): Promise<void> {
  await using record = await open(file, "r").catch(refused(file));
  await checkRecord(record, file, target);
  for await (const { offset, after } of piecesOf(record, file))
    if (!(await readFully(target, offset, after.length)).equals(after))
      throw new TbuildError(
        "integrity",
        `${image}: was changed since, at byte ${offset}, so it cannot be undone`,
        {
          hint: `Nothing was touched. The old bytes are in ${file}.`,
        },
      );
}

async function readHead(record: FileHandle, file: string): Promise<Head> {
  const { size } = await record.stat();
  const text = (await readFully(record, 0, Math.min(size, 4096))).toString("utf8");
  const end = text.indexOf("\n");
  try {
    if (!text.startsWith(magic) || end < 0) throw new Error("no record");
    const head = JSON.parse(text.slice(magic.length, end)) as Head;
    return head;
  } catch (cause) {
    throw new TbuildError("integrity", `${file}: is no record of a change`, { cause });
  }
}

async function* piecesOf(
  record: FileHandle,
  file: string,
): AsyncGenerator<{ offset: number; before: Buffer; after: Buffer }> {
  const start = await readFully(record, 0, Math.min(4096, (await record.stat()).size));
  let at = start.indexOf(10) + 1;
  for (;;) {
    const head = await readFully(record, at, headBytes);
    const [offset, bytes, flags] = [
      Number(head.readBigUInt64BE(0)),
      head.readUInt32BE(8),
      head.readUInt8(12),
    ];
    at += headBytes;
    if (flags & isLast) return;
    if (bytes > 1 << 26) throw new TbuildError("integrity", `${file}: the record of a change is damaged`);
    const side = async (zero: number) => {
      if (flags & zero) return Buffer.alloc(bytes);
      at += bytes;
      return readFully(record, at - bytes, bytes);
    };
    yield { offset, before: await side(beforeIsZero), after: await side(afterIsZero) };
  }
}

function pieceHead(offset: number, bytes: number, flags = 0): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeBigUInt64BE(BigInt(offset), 0);
  head.writeUInt32BE(bytes, 8);
  head.writeUInt8(flags, 12);
  return head;
}

async function besides(image: string): Promise<string[]> {
  const start = `${basename(image)}.tbuild-`;
  return (await readdir(dirname(image)).catch(() => [])).filter((name) => name.startsWith(start));
}

// A name is safe when its folder is on the disk.
async function renameSafely(from: string, to: string): Promise<void> {
  await rename(from, to);
  await using folder = await open(dirname(to), "r");
  await folder.sync();
}

async function statOf(file: string) {
  await using handle = await open(file, "r");
  return await handle.stat();
}

// Behind the end of the image, where a change makes it longer, there was nothing.
async function readOrZeros(file: FileHandle, { offset, bytes }: Piece, size: number): Promise<Buffer> {
  const there = Math.max(0, Math.min(bytes, size - offset));
  return Buffer.concat([await readFully(file, offset, there), Buffer.alloc(bytes - there)]);
}

async function readFully(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const data = Buffer.allocUnsafe(bytes);
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(data, done, bytes - done, offset + done);
    if (bytesRead === 0) throw new TbuildError("integrity", `record or image: ends at byte ${offset + done}`);
    done += bytesRead;
  }
  return data;
}

async function writeFully(file: FileHandle, data: Uint8Array, offset?: number): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const at = offset === undefined ? null : offset + done;
    const { bytesWritten } = await file.write(data, done, data.length - done, at);
    done += bytesWritten;
  }
}

function refused(file: string) {
  return (cause: NodeJS.ErrnoException): never => {
    throw new TbuildError("environment", `${file}: cannot be opened for that (${cause.code})`, {
      hint: "A change needs the image and its folder writable: the record that undoes it lies there.",
      cause,
    });
  };
}
