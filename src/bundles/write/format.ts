import type { BundleFormat } from "../../choices.ts";
import type { Manifest } from "../../model/manifest.ts";
import type { Store } from "../../store/store.ts";
import type { Deflater } from "./deflated.ts";

export interface Packed {
  /** Path of the bundle. No temporary files are left beside it. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * A way to pack a template. The same template always gives the same bytes. A format that holds one disk writes one
 * file per disk; the others write one file.
 */
export interface Format {
  readonly name: BundleFormat;
  /** With its leading dot. */
  readonly extension: string;
  /**
   * Writes `<folder>/<name>-<version><extension>` (with `-<disk>` where there are several), directly from the
   * store. The file is called `.part` until it is complete, and is removed after a failure.
   */
  pack(template: Manifest, store: Store, folder: string, options: PackOptions): Promise<readonly Packed[]>;
}

export interface PackOptions {
  readonly signal?: AbortSignal;
  /** Bytes of the disks read so far, and their total. */
  readonly progress?: (done: number, total: number) => void;
  /** Shared by the formats of a template, so that what one deflated is not deflated again. */
  readonly deflater?: Deflater;
}

/** Counts the bytes of all disks of a template. */
export function diskProgress(template: Manifest, options: PackOptions): (bytes: number) => void {
  const total = template.disks.reduce((sum, disk) => sum + disk.bytes, 0);
  let done = 0;
  return (bytes) => {
    done += bytes;
    options.progress?.(done, total);
  };
}

/** The file name for one disk. */
export function diskFile(template: Manifest, index: number, extension: string): string {
  const stem = `${template.name}-${template.version}`;
  return template.disks.length === 1
    ? `${stem}${extension}`
    : `${stem}-${template.disks[index]?.name ?? index}${extension}`;
}

/** Reports each piece of a disk after it was read. */
export async function* counted<T extends { readonly length: number }>(
  pieces: AsyncIterable<T>,
  progress: (bytes: number) => void,
): AsyncIterable<T> {
  for await (const piece of pieces) {
    yield piece;
    progress(piece.length);
  }
}
