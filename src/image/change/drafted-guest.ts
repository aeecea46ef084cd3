import type { Mount } from "../access.ts";
import type { OtherVolume } from "../disk/account.ts";
import type { Unresolved } from "../disk/fstab.ts";
import type { Unclaimed } from "../disk/unclaimed.ts";
import type { Layer } from "../file/image-file.ts";
import type { GuestTree } from "../tree.ts";
import type { AccessOptions } from "../ways/index.ts";
import type { Writable } from "./draft.ts";
import type { FreeBlock } from "./free-space.ts";
import type { SwapState } from "./swap.ts";
import type { UnclaimedBlock } from "./unclaimed-space.ts";

/** A guest that is read, or changed beside its image; with it, the rest of its disk, which nobody looks into. */
export interface DraftedGuest extends ReachedGuest {
  readonly others: readonly OtherVolume[];
  readonly unresolved: readonly Unresolved[];
  /** The image file, followed by its backing files. */
  readonly layers: readonly Layer[];
  /** The other images in which members of its mirrors lie. */
  readonly companions: readonly string[];
}

/** The parts of a disk that lie in no file system, and what stands in them. */
export interface UnclaimedSpace {
  readonly places: readonly Unclaimed[];
  blocks(places: readonly Unclaimed[]): AsyncGenerator<UnclaimedBlock>;
  /** The places without those that are not to be read, and in which nothing stands. */
  filled(places: readonly Unclaimed[]): Promise<readonly Unclaimed[]>;
}

/** The part of a guest that a way in reaches. */
export interface ReachedGuest {
  readonly tree: GuestTree;
  readonly mounts: readonly Mount[];
  readonly via: string;
  /** Blocks that no file has, and in which something stands; left out where they cannot be seen. */
  freeBlocks?(): AsyncGenerator<FreeBlock>;
  /** What of the disk lies in no file system. Left out where a change is worked out: `scrub` deals with it. */
  unclaimed?(): Promise<UnclaimedSpace>;
  /** What the swap volumes hold; `onEach` is shown it. Left out where a change is worked out: `renewSwap` deals with it. */
  swap?(onEach: (data: Uint8Array) => void): Promise<SwapState[]>;
}

/**
 * Zeros are to be written over blocks that the change frees, over free blocks that `tells` says yes to, and over such blocks
 * outside of file systems. It is asked once the change is worked out.
 */
export interface Scrub {
  tells(block: Uint8Array): boolean;
  /** Gives a place outside of file systems back, with why it must stay where the guest uses it. */
  withUse(place: Unclaimed): Unclaimed;
}

/** `via: "direct"` is the change in memory, and no other. */
export interface ChangeOptions extends Omit<AccessOptions, "readOnly" | "beside"> {
  /** The whole of each file system is checked by e2fsck, before the change and after it. */
  readonly fsck?: boolean;
  readonly scrub?: Scrub;
  /** The swap volumes are to be made new. */
  readonly renewSwap?: boolean;
  /** Writes what lies in no file system, such as a boot loader, once the files are changed. */
  readonly outside?: (disk: Writable) => Promise<void>;
  /** Other images in which members of its mirrors may lie. They are changed with it. */
  readonly together?: readonly string[];
  /** Change the rest even if a volume cannot be opened (encrypted, or a RAID member). */
  readonly allowUnmounted?: boolean;
}
