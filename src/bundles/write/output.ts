import { join } from "node:path";
import { tarEnd, tarHeader, tarPadding } from "../../io/tar.ts";
import type { Packed, PackOptions } from "./format.ts";
import { type PackedFile, writePacked } from "./packed-file.ts";

/** The target of a description and its disks: one tar, or a folder. */
export interface BundleOutput {
  /** Adds a file of unknown size. */
  add<T>(name: string, write: (out: PackedFile) => Promise<T>): Promise<T>;
}

/** A tar without compression: its disks are compressed already. */
export async function tarOutput(
  file: string,
  options: PackOptions,
  fill: (output: TarOutput) => Promise<void>,
): Promise<Packed> {
  return writePacked(file, options, async (out) => {
    await fill(tarInto(out));
    await out.append(tarEnd);
  });
}

export interface TarOutput extends BundleOutput {
  /** Reserves a file of `bytes`, whose contents are written later. */
  reserve(name: string, bytes: number): Promise<(data: Uint8Array) => Promise<void>>;
  /** Adds a small file. */
  put(name: string, data: Uint8Array): Promise<void>;
}

function tarInto(out: PackedFile): TarOutput {
  return {
    async add(name, write) {
      const headerAt = out.position;
      await out.skip(512);
      const from = out.position;
      const result = await write(partOf(out, from));
      const bytes = out.position - from;
      await out.append(tarPadding(bytes));
      await out.fill(headerAt, await tarHeader(name, bytes));
      return result;
    },
    async reserve(name, bytes) {
      await out.append(await tarHeader(name, bytes));
      const at = out.position;
      await out.skip(bytes + tarPadding(bytes).length);
      return (data) => out.fill(at, data);
    },
    async put(name, data) {
      await out.append(Buffer.concat([await tarHeader(name, data.length), data, tarPadding(data.length)]));
    },
  };
}

/** A part of `out` that starts at `from`. */
function partOf(out: PackedFile, from: number): PackedFile {
  return {
    get position() {
      return out.position - from;
    },
    append: (data) => out.append(data),
    deflate: (data) => out.deflate(data),
    holds: (block, at) => out.holds(block, from + at),
    skip: (length) => out.skip(length),
    fill: (at, data) => out.fill(from + at, data),
  };
}

/** A folder. `packed` lists its files in the order of their addition. */
export function folderOutput(
  folder: string,
  options: PackOptions,
): BundleOutput & { readonly packed: readonly Packed[] } {
  const packed: Packed[] = [];
  return {
    packed,
    async add(name, write) {
      const result: Awaited<ReturnType<typeof write>>[] = [];
      packed.push(
        await writePacked(join(folder, name), options, async (out) => void result.push(await write(out))),
      );
      return result[0] as Awaited<ReturnType<typeof write>>;
    },
  };
}

/** Writes a small file. */
export function text(words: string): (out: PackedFile) => Promise<void> {
  return (out) => out.append(Buffer.from(words));
}
