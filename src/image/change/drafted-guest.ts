import type { Mount } from "../access.ts";
import type { GuestTree } from "../tree.ts";
import type { AccessOptions } from "../ways/index.ts";
import type { FreeBlock } from "./free-space.ts";

/** A guest that is read, or changed beside its image. */
export interface DraftedGuest {
  readonly tree: GuestTree;
  readonly mounts: readonly Mount[];
  readonly via: string;
  /** Blocks that no file has, and in which something stands; left out where they cannot be seen. */
  freeBlocks?(): AsyncGenerator<FreeBlock>;
}

/** `via: "direct"` is the change in memory, and no other. */
export interface ChangeOptions extends Omit<AccessOptions, "readOnly" | "beside"> {
  /** The whole of each file system is checked by e2fsck, before the change and after it. */
  readonly fsck?: boolean;
  /** Zeros are to be written over blocks that the change frees, and over those free blocks that this says yes to. */
  readonly scrub?: (block: Uint8Array) => boolean;
}
