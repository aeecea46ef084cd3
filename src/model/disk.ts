import { z } from "zod";
import { DigestText } from "./digest.ts";

/** What the machine calls a disk, such as `xvda`. */
export const Slot = z.string().regex(/^[a-z][a-z0-9]{0,31}$/);

/** A disk in the store: its identity, and how large the machine sees it. */
export type StoredDisk = Readonly<z.infer<typeof StoredDisk>>;
export const StoredDisk = z.object({
  /** Narrow, because it becomes the name of a file. */
  name: z.string().regex(/^[\w-]+$/),
  digest: DigestText,
  /** Virtual size. */
  bytes: z.int().min(0),
  /** Bytes that are not holes. */
  dataBytes: z.int().min(0),
  /** How many chunks they are kept in; the first versions of tbuild did not record it. */
  chunks: z.int().min(0).exactOptional(),
  /** Where the machine has it, such as `xvdd`; else the first is xvda, the next xvdb. */
  slot: Slot.exactOptional(),
  /** Read only, or shared by several machines that write; else one machine writes. */
  mode: z.enum(["r", "w!"]).exactOptional(),
});

/**
 * A run of a disk's bytes; without `data` all of it is zeros. Runs come in order and leave no gap; each starts at a
 * multiple of 4096, and only a disk's last can have another length.
 */
export interface Run {
  readonly start: number;
  readonly length: number;
  readonly data?: Uint8Array;
}
