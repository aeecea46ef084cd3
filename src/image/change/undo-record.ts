import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { TbuildError } from "../../errors.ts";
import { pacer } from "../../host/long-work.ts";
import { writeAll } from "../../io/durable.ts";
import { reasonOf } from "../../io/file-fault.ts";
import { isZero, type Piece } from "./draft.ts";
import type { Head } from "./undo-head.ts";

export type ChangeNote = Pick<Head, "what" | "when">;

/** An open image. */
export interface Target {
  readonly image: string;
  readonly handle: FileHandle;
}

/** The image beside the record, then the other images of the record. */
export type Targets = readonly [Target, ...Target[]];

// An older tbuild, which knows only one image, must not apply the pieces of others to it.
const [magicOfOne, magicOfMany] = ["tbuild-undo 1 ", "tbuild-undo 2 "] as const;
const headBytes = 13;
const longestStart = 1 << 14;
// The higher bits of a piece's flags contain the number of its image.
const [beforeIsZero, afterIsZero, isLast] = [1, 2, 4] as const;
const imageShift = 3;

/** Writes the record of a future change: the pieces of each image. Returns its size. `signal` aborts it. */
export async function writeRecord(
  file: string,
  targets: Targets,
  pieces: readonly (readonly Piece[])[],
  head: Head,
  signal?: AbortSignal,
): Promise<number> {
  const { uid, gid } = await targets[0].handle.stat();
  await using record = await openQuietly(file, "w");
  await record.chown(uid, gid).catch(() => {});
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
    await writeAll(record, Buffer.concat(waiting));
    waiting = [];
    bytes = 0;
  };
  const start = Buffer.from(`${head.others ? magicOfMany : magicOfOne}${JSON.stringify(head)}\n`);
  if (start.length > longestStart)
    throw new TbuildError("usage", "the names of the images that are changed together are too long", {
      subject: targets[0].image,
    });
  await write(start);
  const pace = pacer(signal);
  for (const [index, { handle }] of targets.entries())
    for (const piece of pieces[index] ?? []) {
      const turn = pace();
      if (turn) await turn;
      const [before, after] = [
        await readOrZeros(handle, piece, sizesIn(head)[index]?.size ?? 0),
        await piece.after(),
      ];
      const zeros = (isZero(before) ? beforeIsZero : 0) | (isZero(after) ? afterIsZero : 0);
      await write(pieceHead(piece.offset, piece.bytes, zeros | (index << imageShift)));
      if (!(zeros & beforeIsZero)) await write(before);
      if (!(zeros & afterIsZero)) await write(after);
    }
  await write(pieceHead(0, 0, isLast));
  await out();
  await writeAll(record, hash.digest());
  await record.sync();
  return (await record.stat()).size;
}

/** The sizes of each image of a record, before the change and after it. */
export function sizesIn({ size, sizeAfter, others = [] }: Head): Pick<Head, "size" | "sizeAfter">[] {
  return [{ size, sizeAfter }, ...others];
}

/** Refuses a record that is damaged, or that belongs to images of another size. */
export async function checkRecord(record: FileHandle, file: string, targets: Targets): Promise<Head> {
  const hash = createHash("sha256");
  const { size } = await record.stat();
  for (let at = 0; at < size - 32; at += 1 << 20)
    hash.update(await readFully(record, at, Math.min(1 << 20, size - 32 - at)));
  if (size < 32 || !hash.digest().equals(await readFully(record, size - 32, 32)))
    throw new TbuildError("integrity", "the undo record is damaged", {
      subject: file,
      hint: "Nothing was changed. Restore the image from a copy.",
    });
  const head = await readHead(record, file);
  for (const [index, { size, sizeAfter: after }] of sizesIn(head).entries()) {
    const now = (await targetAt(targets, index, file).handle.stat()).size;
    if (now < Math.min(size, after) || now > Math.max(size, after))
      throw new TbuildError("integrity", `belongs to an image of ${size} bytes, not of ${now}`, {
        subject: file,
        hint: "The image was replaced or resized since. The undo record is useless. Remove it.",
      });
  }
  return head;
}

/** The image that a piece of a record belongs to. */
export function targetAt(targets: Targets, index: number, file: string): Target {
  const target = targets[index];
  if (!target) throw damaged(file);
  return target;
}

/** Refuses images that have changed since the change in `file`. */
export async function checkUntouched(targets: Targets, file: string): Promise<void> {
  await using record = await openBeside(file, "r");
  await checkRecord(record, file, targets);
  for await (const { index, offset, after } of piecesOf(record, file)) {
    const { image, handle } = targetAt(targets, index, file);
    if ((await readFully(handle, offset, after.length)).equals(after)) continue;
    throw new TbuildError("integrity", `cannot be undone: byte ${offset} has changed since`, {
      subject: image,
      hint: `Nothing was changed. The old bytes are in ${file}.`,
    });
  }
}

/** Refuses images with bytes that belong to neither side of the interrupted change in `file`. */
export async function checkUntouchedByOthers(targets: Targets, file: string): Promise<void> {
  await using record = await openBeside(file, "r");
  await checkRecord(record, file, targets);
  for await (const piece of piecesOf(record, file)) {
    const { image, handle } = targetAt(targets, piece.index, file);
    const { size } = await handle.stat();
    const now = await readOrZeros(handle, { offset: piece.offset, bytes: piece.after.length }, size);
    const strange = strangeSector(piece, now);
    if (!strange) continue;
    const [from, to] = strange;
    throw new TbuildError(
      "integrity",
      `bytes ${from} to ${to - 1} were changed by another program after an interrupted change`,
      {
        subject: image,
        hint:
          `Nothing was changed. ${file} contains the old and the new bytes. Restore the image from a copy, ` +
          "or remove that file to keep the half-changed image, and then check its file systems.",
      },
    );
  }
}

const sectorBytes = 512;

// An interrupted write leaves every sector either old or new.
function strangeSector(
  { offset, before, after }: RecordedPiece,
  now: Buffer,
): [from: number, to: number] | undefined {
  if (now.equals(after) || now.equals(before)) return undefined;
  for (let from = 0, to = 0; from < now.length; from = to) {
    to = Math.min(now.length, from + sectorBytes - ((offset + from) % sectorBytes));
    const isAs = (side: Buffer) => now.compare(side, from, to, from, to) === 0;
    if (!isAs(before) && !isAs(after)) return [offset + from, offset + to];
  }
  return undefined;
}

/** The start of a record, unchecked: enough to list it. */
export async function readHead(record: FileHandle, file: string): Promise<Head> {
  const { size } = await record.stat();
  const text = (await readFully(record, 0, Math.min(size, longestStart))).toString("utf8");
  const end = text.indexOf("\n");
  // Most images have no record, and a schema costs a command a third of its start.
  const { Head } = await import("./undo-head.ts");
  try {
    const magic = [magicOfOne, magicOfMany].find((one) => text.startsWith(one));
    if (magic === undefined || end < 0) throw new Error("no record");
    return Head.parse(JSON.parse(text.slice(magic.length, end)));
  } catch (cause) {
    throw new TbuildError("integrity", "is not an undo record", { subject: file, cause });
  }
}

interface RecordedPiece {
  /** The number of the image in the record. */
  readonly index: number;
  readonly offset: number;
  readonly before: Buffer;
  readonly after: Buffer;
}

/** The changed pieces, in the order of the record. */
export async function* piecesOf(record: FileHandle, file: string): AsyncGenerator<RecordedPiece> {
  const { size } = await record.stat();
  const read = aheadReader(record, size);
  let at = (await read(0, Math.min(longestStart, size))).indexOf(10) + 1;
  for (;;) {
    const head = await read(at, headBytes);
    const [offset, bytes, flags] = [
      Number(head.readBigUInt64BE(0)),
      head.readUInt32BE(8),
      head.readUInt8(12),
    ];
    at += headBytes;
    if (flags & isLast) return;
    if (bytes > 1 << 26) throw damaged(file);
    const side = async (zero: number) => {
      if (flags & zero) return Buffer.alloc(bytes);
      at += bytes;
      return read(at - bytes, bytes);
    };
    yield {
      index: flags >> imageShift,
      offset,
      before: await side(beforeIsZero),
      after: await side(afterIsZero),
    };
  }
}

function damaged(file: string): TbuildError {
  return new TbuildError("integrity", "the undo record is damaged", { subject: file });
}

function pieceHead(offset: number, bytes: number, flags = 0): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeBigUInt64BE(BigInt(offset), 0);
  head.writeUInt32BE(bytes, 8);
  head.writeUInt8(flags, 12);
  return head;
}

// There are no old bytes beyond the end of the image. The change extends it.
async function readOrZeros(
  file: FileHandle,
  { offset, bytes }: Omit<Piece, "after">,
  size: number,
): Promise<Buffer> {
  const there = Math.max(0, Math.min(bytes, size - offset));
  return Buffer.concat([await readFully(file, offset, there), Buffer.alloc(bytes - there)]);
}

// Pieces are small, and each read of a record on another machine is a round trip.
const aheadBytes = 1 << 16;

/** For a file of `size` bytes that is read from start to end. */
function aheadReader(file: FileHandle, size: number): (offset: number, bytes: number) => Promise<Buffer> {
  let start = 0;
  let ahead: Buffer = Buffer.alloc(0);
  return async (offset, bytes) => {
    if (offset < start || offset + bytes > start + ahead.length) {
      const whole = Math.min(Math.max(bytes, aheadBytes), size - offset);
      ahead = await readFully(file, offset, Math.max(bytes, whole));
      start = offset;
    }
    return ahead.subarray(offset - start, offset - start + bytes);
  };
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

/** Opens an image, or a file beside it. */
export function openBeside(file: string, flags: "r" | "r+"): Promise<FileHandle> {
  return openQuietly(file, flags).catch((cause: NodeJS.ErrnoException) => {
    throw new TbuildError("environment", `cannot be opened for that: ${reasonOf(cause)}`, {
      subject: file,
      hint: "The image and its folder must be writable, because the undo record is stored there.",
      cause,
    });
  });
}

/**
 * Throws the system's errors. Only the owner can read new files. Errors of closing are ignored: the data was
 * already synced, and after a lost connection they would hide the first error.
 */
export async function openQuietly(file: string, flags: "r" | "r+" | "w"): Promise<FileHandle> {
  const handle = await open(file, flags, 0o600);
  handle[Symbol.asyncDispose] = () => handle.close().catch(() => {});
  return handle;
}
