import type { Manifest, Store } from "../store/store.ts";

export interface Packed {
  /** Path of the bundle; beside it lies nothing temporary. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A way to pack a template into one file. The same template gives the same bytes. */
export interface Format {
  readonly name: "ovm-tgz" | "ova" | "qcow2";
  /** With its dot. */
  readonly extension: string;
  /** Programs that it needs on this machine. */
  readonly needs: readonly string[];
  /** Writes `<folder>/<name>-<version><extension>`, by way of a temporary file that never outlives a failure. */
  pack(template: Manifest, store: Store, folder: string, options: PackOptions): Promise<Packed>;
}

export interface PackOptions {
  readonly signal?: AbortSignal;
  /** Bytes of the disk read so far, and of how many. */
  readonly progress?: (done: number, total: number) => void;
}
