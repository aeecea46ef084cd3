import type { Stats } from "node:fs";
import { open, stat } from "node:fs/promises";
import { TbuildError } from "../../errors.ts";
import { fileWord } from "../../io/escape.ts";
import { fileFault } from "../../io/file-fault.ts";
import { fileReader, type Reader } from "../../io/reader.ts";
import { type Format, formatOf } from "./format.ts";
import { qcow2Header, qcow2Reader } from "./qcow2.ts";
import { type DiskSnapshot, qcow2Snapshots } from "./qcow2-snapshots.ts";

/** One file of an image, and its format. */
export interface Layer {
  readonly file: string;
  readonly format: Format;
  /** The snapshots inside the file; left out if there are none. */
  readonly snapshots?: readonly DiskSnapshot[];
  /** Some of its clusters are compressed. */
  readonly isPacked?: true;
}

/** The bytes of the disk in an image file of any format. */
export interface ImageFile extends Reader, AsyncDisposable {
  readonly file: string;
  readonly format: Format;
  /** The file itself, then its backing files. */
  readonly layers: readonly Layer[];
}

/** Opens an image file for reading, in process. */
export async function readImageFile(file: string): Promise<ImageFile> {
  return readLayer(file, []);
}

async function readLayer(file: string, above: readonly string[]): Promise<ImageFile> {
  const format = await formatOfFile(file);
  const reader = await fileReader(file);
  const own = { file, format };
  if (format === "raw") return Object.assign(reader, { ...own, layers: [own] });
  let below: ImageFile | undefined;
  const close = async () => {
    await below?.[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose]();
  };
  try {
    const header = await qcow2Header(file, reader);
    if (header.backing !== undefined) below = await readBelow(file, header.backing, [...above, file]);
    const { isPacked, ...disk } = await qcow2Reader(file, reader, header, below);
    const snapshots = await qcow2Snapshots(file, reader, header.snapshots);
    const layer = {
      ...own,
      ...(snapshots.length > 0 && { snapshots }),
      ...(isPacked && { isPacked: true as const }),
    };
    return { ...own, ...disk, layers: [layer, ...(below?.layers ?? [])], [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function readBelow(file: string, backing: string, above: readonly string[]): Promise<ImageFile> {
  if (above.includes(backing) || above.length > 64)
    throw new TbuildError("integrity", `its backing file ${backing} refers back to it`, {
      subject: file,
      code: "backing-file",
    });
  return readLayer(backing, above).catch((cause) => {
    if (!(cause instanceof TbuildError)) throw cause;
    // Only the lowest unusable file of a chain is reported, because that one needs repair.
    const isToldOf = cause.code === "backing-file";
    throw cause.within(isToldOf ? file : `${file}: its backing file cannot be used`, {
      code: "backing-file",
      fault: cause.fault === "usage" ? "environment" : cause.fault,
      hint:
        cause.hint ??
        "Put the file where the image expects it, or change the path: qemu-img rebase -u -b FILE -F FORMAT IMAGE",
    });
  });
}

/** Explains why an image file was not opened. The caller names a missing file. */
export function notOpened(file: string, cause: NodeJS.ErrnoException): TbuildError {
  const fault = cause.code === "ENOENT" ? "usage" : "environment";
  return new TbuildError(fault, reason(cause), { subject: file, cause });
}

/**
 * Returns the size of a regular file in bytes; throws for anything else. Called before opening: opening a fifo would
 * wait forever for a writer.
 */
export async function requireFile(file: string): Promise<number> {
  const unopened = (cause: NodeJS.ErrnoException): never => {
    throw notOpened(file, cause);
  };
  const found = await stat(file).catch(unopened);
  if (found.isFile()) return found.size;
  throw new TbuildError("usage", `is ${kindOf(found)}, not an image file`, {
    subject: file,
    hint: hintFor(found, file),
  });
}

async function formatOfFile(file: string): Promise<Format> {
  const size = await requireFile(file);
  await using handle = await open(file, "r").catch((cause: NodeJS.ErrnoException) => {
    throw notOpened(file, cause);
  });
  const part = async (at: number, length: number) => {
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await handle.read(bytes, 0, length, at);
    return bytes.subarray(0, bytesRead);
  };
  return formatOf(file, await part(0, 65536), await part(Math.max(0, size - 512), 512));
}

function reason(cause: NodeJS.ErrnoException): string {
  if (cause.code === "ENOENT") return "there is no such file";
  if (cause.code === "EACCES") return "this user may not read it";
  const { what } = fileFault(cause, "") as Partial<TbuildError>;
  return `cannot be opened: ${what ?? cause.message}`;
}

function kindOf(found: Stats): string {
  if (found.isDirectory()) return "a folder";
  if (found.isBlockDevice()) return "a block device";
  if (found.isCharacterDevice()) return "a character device";
  return found.isFIFO() ? "a named pipe" : "a socket";
}

function hintFor(found: Stats, file: string): string {
  if (found.isDirectory()) return `To scan all images in it: tbuild scan ${fileWord(file)}`;
  if (found.isBlockDevice()) return "Copy the disk into a file first: qemu-img convert -O raw DEVICE FILE";
  return "Name a disk image.";
}
