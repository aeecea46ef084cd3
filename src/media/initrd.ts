import { constants } from "node:fs";
import { copyFile, open } from "node:fs/promises";
import { posix } from "node:path";
import { gzipSync } from "node:zlib";
import { fileFault } from "../io/file-fault.ts";

export interface CpioFile {
  /** Without a leading slash. */
  readonly path: string;
  readonly data: Uint8Array;
  /** Default: 0644. */
  readonly mode?: number;
}

/**
 * Copies an initrd and appends files, which the kernel unpacks over the existing ones. The initrd itself may
 * be compressed with gzip, xz, lzma or zstd, or not at all after an uncompressed archive with microcode. The
 * appended archive is gzip: every kernel since OL5's can unpack it, and OL5's knows no other.
 */
export async function appendToInitrd(initrd: string, files: readonly CpioFile[], to: string): Promise<void> {
  await copyFile(initrd, to, constants.COPYFILE_FICLONE).catch((error) => {
    throw fileFault(error, to);
  });
  const handle = await open(to, "a");
  try {
    // The kernel looks for the next archive at a multiple of four bytes. After lzma, it finds a gzip archive but no plain one.
    const { size } = await handle.stat();
    await handle.appendFile(Buffer.concat([Buffer.alloc((4 - (size % 4)) % 4), gzipSync(newcCpio(files))]));
  } catch (error) {
    throw fileFault(error, to);
  } finally {
    await handle.close();
  }
}

/**
 * A cpio archive in the "newc" format (cpio(5)): 110-byte ASCII headers, everything padded to four bytes. Folders come
 * before their contents, because the kernel does not create missing ones.
 */
export function newcCpio(files: readonly CpioFile[]): Uint8Array {
  const folders = [...new Set(files.flatMap((file) => foldersOf(file.path)))];
  const parts = [
    ...folders.map((path, index) => header(path, 0, 0o040755, index + 1)),
    ...files.flatMap((file, index) => [
      header(file.path, file.data.length, 0o100000 | (file.mode ?? 0o644), folders.length + index + 1),
      padded(file.data),
    ]),
  ];
  return Buffer.concat([...parts, header("TRAILER!!!", 0, 0, 0)]);
}

/** `["a", "a/b"]` of `a/b/c`. */
function foldersOf(path: string): string[] {
  const folder = posix.dirname(path);
  return folder === "." || folder === "/" ? [] : [...foldersOf(folder), folder];
}

function header(name: string, bytes: number, mode: number, inode: number): Uint8Array {
  const words = [inode, mode, 0, 0, 1, 0, bytes, 0, 0, 0, 0, Buffer.byteLength(name) + 1, 0];
  const text = `070701${words.map((word) => word.toString(16).padStart(8, "0")).join("")}${name}\0`;
  return padded(Buffer.from(text));
}

function padded(data: Uint8Array): Uint8Array {
  return Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
}
