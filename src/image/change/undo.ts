import { type FileHandle, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import { writeAll } from "../../io/durable.ts";
import { fileFault } from "../../io/file-fault.ts";
import type { Piece } from "./draft.ts";
import {
  type ChangeNote,
  checkRecord,
  checkUntouched,
  checkUntouchedByOthers,
  type Head,
  openBeside,
  openQuietly,
  piecesOf,
  readHead,
  writeRecord,
} from "./undo-record.ts";

/**
 * How an image is changed: never but by this. A record with the old and the new bytes is written beside the
 * image first; its name says how far things are, and names change at once or not at all. Killed at any instant,
 * the image is as before (`new`), or `settle` brings it to where it was going (`redo`, `undoing`).
 *
 *   .tbuild-new ─► .tbuild-redo ─► .tbuild-undo-1 ─► .tbuild-undoing ─► gone
 *   image: before   being changed    after             being restored     before
 */
export interface UndoRecord extends ChangeNote {
  readonly file: string;
  readonly number: number;
  /** Of the record itself. */
  readonly bytes: number;
}

/**
 * Makes the change and gives the record that takes it back. The image is changed whole or not at all. A raised `signal`
 * ends it while the record is being written, with `Interrupted` and nothing changed; after that, the change is finished.
 */
export async function changeImage(
  image: string,
  pieces: readonly Piece[],
  { bytes: sizeAfter, ...note }: ChangeNote & { readonly bytes: number },
  signal?: AbortSignal,
): Promise<UndoRecord> {
  const number = await nextNumber(image);
  await using target = await openBeside(image, "r+");
  const { size } = await target.stat();
  const bytes = await prepare(image, target, pieces, { ...note, size, sizeAfter }, signal);
  await finishChange(image, target, number);
  return { ...note, number, bytes, file: namesFor(image).undo(number) };
}

/**
 * Brings an image whose change was cut off to a whole state, and says what was done; `undefined` when nothing was.
 * Refused when somebody else has changed the image since, where it was to be changed.
 */
export async function settle(image: string): Promise<string | undefined> {
  const names = namesFor(image);
  const there = await besides(image);
  // A kill while the image is written leaves the working copy beside the record.
  const left = [names.new, names.work].filter((file) => there.includes(basename(file)));
  for (const file of left) await rm(file, { recursive: true });
  if (there.includes(basename(names.redo))) {
    const number = await nextNumber(image);
    await using target = await openBeside(image, "r+");
    await checkUntouchedByOthers(image, target, names.redo);
    await finishChange(image, target, number);
    return "a change of it had been cut off while it was written; it is now finished, and can be undone";
  }
  if (there.includes(basename(names.undoing))) {
    await using target = await openBeside(image, "r+");
    await checkUntouchedByOthers(image, target, names.undoing);
    await finishUndo(image, target);
    return "an undo of it had been cut off; it is now finished";
  }
  if (!there.includes(basename(names.copy)) && (await adoptRecords(image)) > 0)
    return "the command that made it had been cut off at its end; it is complete, and its change can be undone";
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
    await using record = await openBeside(file, "r");
    const { what, when } = await readHead(record, file);
    found.push({ file, number, what, when, bytes: (await record.stat()).size });
  }
  return found.sort((a, b) => a.number - b.number);
}

/** Takes the newest change back, byte for byte. Refused when the image has been changed since by somebody else. */
export async function undoLast(image: string): Promise<UndoRecord> {
  const last = (await undoRecords(image)).at(-1);
  if (!last)
    throw new TbuildError("usage", "nothing to undo", {
      subject: image,
      hint: `Undo records are stored beside the image, as ${basename(namesFor(image).undo(1))}.`,
    });
  await using target = await openBeside(image, "r+");
  await checkUntouched(image, target, last.file);
  await renameSafely(last.file, namesFor(image).undoing);
  await finishUndo(image, target);
  return last;
}

/** Gives a finished copy its name. Its undo records follow; after a kill, `settle` sees to that. */
export async function nameCopy(image: string): Promise<void> {
  await renameSafely(namesFor(image).copy, image);
  await adoptRecords(image);
}

/** Removes what there is of a copy that is to become the image. */
export async function removeCopy(image: string): Promise<void> {
  const { copy } = namesFor(image);
  for (const name of await besides(copy)) await rm(join(dirname(image), name), { recursive: true });
  await rm(copy, { force: true });
}

async function adoptRecords(image: string): Promise<number> {
  const records = await undoRecords(namesFor(image).copy);
  for (const { file } of records) await renameSafely(file, namesFor(image).undo(await nextNumber(image)));
  return records.length;
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
    /** A copy that is being made, until it may be called as the image. */
    copy: `${image}.tbuild-copy`,
  };
}

async function nextNumber(image: string): Promise<number> {
  return ((await undoRecords(image)).at(-1)?.number ?? 0) + 1;
}

// Puts the record beside the image, which stays as it is; gives the record's size.
async function prepare(
  image: string,
  target: FileHandle,
  pieces: readonly Piece[],
  head: Head,
  signal: AbortSignal | undefined,
): Promise<number> {
  const names = namesFor(image);
  try {
    const bytes = await writeRecord(names.new, target, pieces, head, signal);
    checkInterrupted(signal);
    await renameSafely(names.new, names.redo);
    return bytes;
  } catch (error) {
    // Where even this fails, it is left to `settle`.
    for (const file of [names.new, names.redo]) await rm(file, { force: true }).catch(() => {});
    const hint =
      "The image is as it was. Make room there, or see why it cannot be written, and run the command again.";
    throw unwritten(error, names.new, hint);
  }
}

async function finishChange(image: string, target: FileHandle, number: number): Promise<void> {
  const { redo, undo } = namesFor(image);
  try {
    await writeSide("after", target, redo);
    await renameSafely(redo, undo(number));
  } catch (error) {
    throw unwritten(error, image, begun("change", redo));
  }
}

async function finishUndo(image: string, target: FileHandle): Promise<void> {
  const { undoing } = namesFor(image);
  try {
    await writeSide("before", target, undoing);
    await rm(undoing);
  } catch (error) {
    throw unwritten(error, image, begun("undo", undoing));
  }
}

// Doing it again does no harm.
async function writeSide(side: "before" | "after", target: FileHandle, file: string): Promise<void> {
  await using record = await openQuietly(file, "r");
  const { size, sizeAfter } = await checkRecord(record, file, target);
  for await (const piece of piecesOf(record, file)) await writePiece(target, piece.offset, piece[side]);
  if (size !== sizeAfter) await target.truncate(side === "after" ? sizeAfter : size);
  await target.datasync();
}

// sshfs sends what is longer in parts, counted from its start: one that is lost would end within a sector.
const largestWrite = 1 << 15;

async function writePiece(target: FileHandle, offset: number, data: Uint8Array): Promise<void> {
  for (let done = 0; done < data.length; ) {
    const end = done + largestWrite - ((offset + done) % largestWrite);
    await writeAll(target, data.subarray(done, end), offset + done);
    done = end;
  }
}

function begun(what: string, file: string): string {
  return (
    `The ${what} is begun, and ${file} holds all of it. Make room, or see why it cannot be written; ` +
    "the next repair, seal or undo of the image finishes it."
  );
}

// Words for errors of the system; any other error unchanged.
function unwritten(error: unknown, place: string, hint: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof TbuildError || syscall === undefined) return error;
  const fault = fileFault(error, place);
  const message =
    fault instanceof TbuildError ? fault.message : `${place}: cannot be written (${syscall}: ${code})`;
  return new TbuildError("environment", message, { hint, cause: error });
}

async function besides(image: string): Promise<string[]> {
  const start = `${basename(image)}.tbuild-`;
  return (await readdir(dirname(image)).catch(() => [])).filter((name) => name.startsWith(start));
}

// A name is safe when its folder is on the disk.
async function renameSafely(from: string, to: string): Promise<void> {
  await rename(from, to);
  await using folder = await openQuietly(dirname(to), "r");
  await folder.sync();
}
