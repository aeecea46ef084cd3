import { z } from "zod";
import { DigestText } from "./digest-text.ts";

/** A disk's name in the machine, such as `xvda`. */
export const Slot = z.string().regex(/^[a-z][a-z0-9]{0,31}$/);

/** A disk in the store: its identity and its virtual size. */
export type StoredDisk = Readonly<z.infer<typeof StoredDisk>>;
export const StoredDisk = z.object({
  /** Restricted, because it becomes a file name. */
  name: z.string().regex(/^[\w-]+$/),
  digest: DigestText,
  /** The virtual size in bytes. */
  bytes: z.int().min(0),
  /** The number of bytes that are not holes. */
  dataBytes: z.int().min(0),
  /** The number of chunks. The first versions of tbuild did not record it. */
  chunks: z.int().min(0).exactOptional(),
  /** Its device in the machine, such as `xvdd`. Default: the first is xvda, the next xvdb. */
  slot: Slot.exactOptional(),
  /** Read only, or written by several machines. Default: written by one machine. */
  mode: z.enum(["r", "w!"]).exactOptional(),
});

/**
 * A run of a disk's bytes. Without `data`, it is zeros. Runs are in order without gaps. Each starts at a multiple of
 * 4096, and only the last one of a disk may have another length.
 */
export interface Run {
  readonly start: number;
  readonly length: number;
  readonly data?: Uint8Array;
}
