import { type FileHandle, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { checkInterrupted, TbuildError } from "../../errors.ts";
import { writeAll } from "../../io/durable.ts";
import { fileFault } from "../../io/file-fault.ts";
import type { Piece } from "./draft.ts";
import type { Head } from "./undo-head.ts";
import {
  type ChangeNote,
  checkRecord,
  checkUntouched,
  checkUntouchedByOthers,
  openBeside,
  openQuietly,
  piecesOf,
  readHead,
  sizesIn,
  type Target,
  type Targets,
  targetAt,
  writeRecord,
} from "./undo-record.ts";

/**
 * The only way to change an image. First, a record with the old and the new bytes is written beside it. The record's name shows the progress, and renames are atomic. After a kill at any moment, the image is unchanged (`new`), or `settle` finishes the change (`redo`, `undoing`).
 *
 *   .tbuild-new ─► .tbuild-redo ─► .tbuild-undo-1 ─► .tbuild-undoing ─► gone
 *   image: before   being changed    after             being restored     before
 *
 * Images that are changed together have one record, beside the first of them. Beside each of the others is `.tbuild-with`, which names the first.
 */
export interface UndoRecord extends ChangeNote {
  readonly file: string;
  /** The image beside it. */
  readonly image: string;
  /** The others that were changed with it. */
  readonly others: readonly string[];
  readonly number: number;
  /** The size of the record itself. */
  readonly bytes: number;
}

/** Another image that is changed together with one. */
export interface ChangedWith {
  readonly image: string;
  readonly pieces: readonly Piece[];
  /** The size of its file after the change. */
  readonly bytes: number;
}

/**
 * Makes the change and returns the record that undoes it. The image and `others` are changed completely or
 * not at all. While the record is being written, `signal` aborts it with `Interrupted`, and nothing is
 * changed. After that, the change is finished.
 */
export async function changeImage(
  image: string,
  pieces: readonly Piece[],
  { bytes: sizeAfter, ...note }: ChangeNote & { readonly bytes: number },
  { signal, others = [] }: { readonly signal?: AbortSignal; readonly others?: readonly ChangedWith[] } = {},
): Promise<UndoRecord> {
  const number = await nextNumber(image);
  const files = others.map((other) => other.image);
  await using targets = await openAll(image, files);
  const { size } = await targets.all[0].handle.stat();
  const head: Head = {
    ...note,
    size,
    sizeAfter,
    ...(others.length > 0 && { others: await othersOf(image, targets.all, others) }),
  };
  const all = [pieces, ...others.map((other) => other.pieces)];
  const bytes = await prepare(image, targets.all, all, head, signal);
  await finishChange(image, targets.all, number);
  return { ...note, image, others: files, number, bytes, file: namesFor(image).undo(number) };
}

/**
 * Finishes or removes an interrupted change of an image, and returns what was done; `undefined` if there was
 * none. Refuses if somebody else has changed the affected bytes since.
 */
export async function settle(image: string): Promise<string | undefined> {
  const first = await firstOf(image);
  const settled = first === undefined ? undefined : await settleOwn(first);
  const own = await settleOwn(image);
  const { with: pointer } = namesFor(image);
  if (first === undefined && (await besides(image)).includes(basename(pointer))) {
    await rm(pointer);
    return own ?? settled ?? notBegun;
  }
  return own ?? settled;
}

const notBegun =
  "a change was interrupted before it started; the image is unchanged, and the leftovers are removed";

async function settleOwn(image: string): Promise<string | undefined> {
  const names = namesFor(image);
  const there = await besides(image);
  // A kill during the write leaves the working copy beside the record.
  const left = [names.new, names.work].filter((file) => there.includes(basename(file)));
  for (const file of left) await rm(file, { recursive: true });
  if (there.includes(basename(names.redo))) {
    const number = await nextNumber(image);
    await using targets = await openAll(image, await trustedIn(image, names.redo));
    await checkUntouchedByOthers(targets.all, names.redo);
    await finishChange(image, targets.all, number);
    return "a change was interrupted while it was written; it is now finished, and can be undone";
  }
  if (there.includes(basename(names.undoing))) {
    await using targets = await openAll(image, await trustedIn(image, names.undoing));
    await checkUntouchedByOthers(targets.all, names.undoing);
    await finishUndo(image, targets.all);
    return "an undo of it was interrupted; it is now finished";
  }
  if (!there.includes(basename(names.copy)) && (await adoptRecords(image)) > 0)
    return "the command was interrupted after its change was complete; the change can be undone";
  return left.length === 0 ? undefined : notBegun;
}

/** What `settle` would do, for readers. */
export async function isUnsettled(image: string): Promise<boolean> {
  const first = await firstOf(image);
  return first !== undefined && (await isCutOff(first)) ? true : isCutOff(image);
}

async function isCutOff(image: string): Promise<boolean> {
  const names = namesFor(image);
  const there = await besides(image);
  return [names.redo, names.undoing].some((file) => there.includes(basename(file)));
}

/** The changes that can be undone, oldest first. */
export async function undoRecords(image: string): Promise<UndoRecord[]> {
  const own = await ownRecords(image);
  const first = await firstOf(image);
  if (first === undefined) return own;
  const shared = (await ownRecords(first)).filter(({ others }) => others.includes(image));
  return [...shared, ...own].sort((one, other) => Date.parse(one.when) - Date.parse(other.when));
}

async function ownRecords(image: string): Promise<UndoRecord[]> {
  const found: UndoRecord[] = [];
  for (const name of await besides(image)) {
    const number = Number(/\.tbuild-undo-(\d+)$/.exec(name)?.[1] ?? Number.NaN);
    if (Number.isNaN(number) || name !== basename(namesFor(image).undo(number))) continue;
    const file = join(dirname(image), name);
    await using record = await openBeside(file, "r");
    const { what, when, others = [] } = await readHead(record, file);
    const bytes = (await record.stat()).size;
    found.push({
      file,
      image,
      number,
      what,
      when,
      bytes,
      others: others.map((other) => resolve(dirname(image), other.file)),
    });
  }
  return found.sort((a, b) => a.number - b.number);
}

/** Undoes the newest change, byte for byte. Refuses if somebody else has changed an image since. */
export async function undoLast(image: string): Promise<UndoRecord> {
  const last = (await undoRecords(image)).at(-1);
  if (!last)
    throw new TbuildError("usage", "nothing to undo", {
      subject: image,
      hint: `Undo records are stored beside the image, as ${basename(namesFor(image).undo(1))}.`,
    });
  await using targets = await openAll(last.image, await trustedIn(last.image, last.file));
  await checkUntouched(targets.all, last.file);
  await renameSafely(last.file, namesFor(last.image).undoing);
  await finishUndo(last.image, targets.all);
  return last;
}

/** The other images that the records beside an image name. */
export async function imagesWith(image: string): Promise<string[]> {
  const first = await firstOf(image);
  const named = await Promise.all([image, ...(first === undefined ? [] : [first])].map(namedBeside));
  return [...new Set([...(first === undefined ? [] : [first]), ...named.flat()])].filter(
    (one) => one !== image,
  );
}

// All images that the records beside an image name, at any stage.
async function namedBeside(image: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await besides(image))
    if (/\.tbuild-(?:redo|undoing|undo-\d+)$/.test(name))
      found.push(...(await namedIn(image, join(dirname(image), name))));
  return found;
}

async function namedIn(image: string, file: string): Promise<string[]> {
  await using record = await openBeside(file, "r");
  const { others = [] } = await readHead(record, file);
  return others.map((other) => resolve(dirname(image), other.file));
}

/**
 * The other images of a record that may be written to. A record can come from elsewhere with its image, so
 * outside its folder only images that refer back to the first one count.
 */
async function trustedIn(image: string, record: string): Promise<string[]> {
  const others = await namedIn(image, record);
  for (const other of others)
    if (dirname(other) !== dirname(image) && (await pointedAt(other)) !== image)
      throw new TbuildError("integrity", `refers to ${other}, which does not refer back to ${image}`, {
        subject: record,
        hint: `If they were changed together, ${namesFor(other).with} is missing: copy it together with the image.`,
      });
  return others;
}

/** The image beside which the record of a common change is; `undefined` if there is none, or no longer. */
async function firstOf(image: string): Promise<string | undefined> {
  const first = await pointedAt(image);
  return first !== undefined && (await namedBeside(first)).includes(image) ? first : undefined;
}

async function pointedAt(image: string): Promise<string | undefined> {
  const text = await readFile(namesFor(image).with, "utf8").catch(() => "");
  return text.endsWith("\n") ? resolve(dirname(image), text.slice(0, -1)) : undefined;
}

async function othersOf(
  image: string,
  [, ...targets]: Targets,
  others: readonly ChangedWith[],
): Promise<NonNullable<Head["others"]>> {
  return Promise.all(
    targets.map(async ({ image: other, handle }, index) => {
      const { size } = await handle.stat();
      return { file: relative(dirname(image), other), size, sizeAfter: others[index]?.bytes ?? size };
    }),
  );
}

/** Renames a finished copy, then its undo records. After a kill, `settle` completes that. */
export async function nameCopy(image: string): Promise<void> {
  await renameSafely(namesFor(image).copy, image);
  await adoptRecords(image);
}

/** Removes an unfinished copy. */
export async function removeCopy(image: string): Promise<void> {
  const { copy } = namesFor(image);
  for (const name of await besides(copy)) await rm(join(dirname(image), name), { recursive: true });
  await rm(copy, { force: true });
}

async function adoptRecords(image: string): Promise<number> {
  const records = await ownRecords(namesFor(image).copy);
  for (const { file } of records) await renameSafely(file, namesFor(image).undo(await nextNumber(image)));
  return records.length;
}

/** The names of the files beside an image, during a change and after it. */
export function namesFor(image: string) {
  return {
    new: `${image}.tbuild-new`,
    redo: `${image}.tbuild-redo`,
    undoing: `${image}.tbuild-undoing`,
    undo: (number: number) => `${image}.tbuild-undo-${number}`,
    /** Names the image beside which the record of a common change is. */
    with: `${image}.tbuild-with`,
    lock: `${image}.tbuild-lock`,
    work: `${image}.tbuild-work`,
    /** An unfinished copy, until it gets the image's name. */
    copy: `${image}.tbuild-copy`,
  };
}

async function nextNumber(image: string): Promise<number> {
  return ((await ownRecords(image)).at(-1)?.number ?? 0) + 1;
}

/** Opens an image, and those that change with it. */
async function openAll(
  image: string,
  others: readonly string[],
): Promise<AsyncDisposable & { readonly all: Targets }> {
  const first = await openBeside(image, "r+");
  const all: [Target, ...Target[]] = [{ image, handle: first }];
  const close = async () => {
    for (const { handle } of all) await handle[Symbol.asyncDispose]();
  };
  try {
    for (const other of others) all.push({ image: other, handle: await openBeside(other, "r+") });
  } catch (error) {
    await close();
    throw error;
  }
  return { all, [Symbol.asyncDispose]: close };
}

// Writes the record beside the image, which does not change. Returns the record's size.
async function prepare(
  image: string,
  targets: Targets,
  pieces: readonly (readonly Piece[])[],
  head: Head,
  signal: AbortSignal | undefined,
): Promise<number> {
  const names = namesFor(image);
  const [, ...others] = targets;
  try {
    const bytes = await writeRecord(names.new, targets, pieces, head, signal);
    checkInterrupted(signal);
    for (const other of others) await point(other.image, image);
    await renameSafely(names.new, names.redo);
    return bytes;
  } catch (error) {
    // If even this fails, `settle` does it later.
    for (const file of [names.new, names.redo]) await rm(file, { force: true }).catch(() => {});
    const hint =
      "The image was not changed. Free some space there, or make it writable, and run the command again.";
    throw unwritten(error, names.new, hint);
  }
}

// If nothing that it names refers back to this image, it was left by a kill.
async function point(image: string, first: string): Promise<void> {
  const { with: pointer } = namesFor(image);
  await using file = await openQuietly(pointer, "w");
  await writeAll(file, Buffer.from(`${relative(dirname(image), first)}\n`));
  await file.sync();
  await using folder = await openQuietly(dirname(image), "r");
  await folder.sync();
}

async function finishChange(image: string, targets: Targets, number: number): Promise<void> {
  const { redo, undo } = namesFor(image);
  try {
    await writeSide("after", targets, redo);
    await renameSafely(redo, undo(number));
  } catch (error) {
    throw unwritten(error, image, begun("change", redo));
  }
}

async function finishUndo(image: string, targets: Targets): Promise<void> {
  const { undoing } = namesFor(image);
  try {
    await writeSide("before", targets, undoing);
    await rm(undoing);
    const named = await namedBeside(image);
    for (const other of targets.slice(1))
      if (!named.includes(other.image)) await rm(namesFor(other.image).with, { force: true });
  } catch (error) {
    throw unwritten(error, image, begun("undo", undoing));
  }
}

// Repeating it is harmless.
async function writeSide(side: "before" | "after", targets: Targets, file: string): Promise<void> {
  await using record = await openQuietly(file, "r");
  const head = await checkRecord(record, file, targets);
  for await (const piece of piecesOf(record, file))
    await writePiece(targetAt(targets, piece.index, file).handle, piece.offset, piece[side]);
  for (const [index, { size, sizeAfter }] of sizesIn(head).entries())
    if (size !== sizeAfter)
      await targetAt(targets, index, file).handle.truncate(side === "after" ? sizeAfter : size);
  for (const { handle } of targets) await handle.datasync();
}

// sshfs splits longer writes into parts from their start. A lost part would end within a sector.
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
    `The ${what} has started, and ${file} contains all of it. Free some space, or make the image writable; ` +
    "the next repair, seal or undo of the image finishes it."
  );
}

// Explains system errors. Other errors do not change.
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

// A rename is durable when its folder is synced.
async function renameSafely(from: string, to: string): Promise<void> {
  await rename(from, to);
  await using folder = await openQuietly(dirname(to), "r");
  await folder.sync();
}
