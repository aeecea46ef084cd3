import type { Mount } from "../access.ts";
import type { Unresolved } from "../disk/fstab.ts";
import type { OtherVolume } from "../disk/other-volumes.ts";
import type { Unclaimed } from "../disk/unclaimed.ts";
import type { Layer } from "../file/image-file.ts";
import type { GuestTree } from "../tree.ts";
import type { AccessOptions } from "../ways/index.ts";
import type { Writable } from "./draft.ts";
import type { FreeBlock } from "./free-space.ts";
import type { SwapState } from "./swap.ts";
import type { UnclaimedBlock } from "./unclaimed-space.ts";

/**
 * A guest that is read, or changed in a draft beside its image, and the parts of its disk outside its files.
 */
export interface DraftedGuest extends ReachedGuest {
  readonly others: readonly OtherVolume[];
  readonly unresolved: readonly Unresolved[];
  /** The paths of its swap files. Their contents are handled like swap. */
  readonly swapFiles: readonly string[];
  /** The image file, followed by its backing files. */
  readonly layers: readonly Layer[];
  /** The other images with members of its mirrors. */
  readonly companions: readonly string[];
}

/** The parts of a disk outside of file systems, and their contents. */
export interface UnclaimedSpace {
  readonly places: readonly Unclaimed[];
  blocks(places: readonly Unclaimed[]): AsyncGenerator<UnclaimedBlock>;
  /** The places, without those that must not be read and those that are empty. */
  filled(places: readonly Unclaimed[]): Promise<readonly Unclaimed[]>;
}

/** The part of a guest that an access method reaches. */
export interface ReachedGuest {
  readonly tree: GuestTree;
  readonly mounts: readonly Mount[];
  readonly via: string;
  /** Blocks with content that belong to no file. Absent if they cannot be read. */
  freeBlocks?(): AsyncGenerator<FreeBlock>;
  /**
   * The space of the disk outside file systems. Absent while a change is planned, because `scrub` handles it.
   */
  unclaimed?(): Promise<UnclaimedSpace>;
  /**
   * Passes the contents of the swap volumes to `onEach`. Absent while a change is planned, because
   * `renewSwap` handles them.
   */
  swap?(onEach: (data: Uint8Array) => void): Promise<SwapState[]>;
}

/**
 * Requests zeros over blocks that the change frees, over free blocks for which `tells` returns true, and over
 * such blocks outside file systems. `tells` is called after the change has been planned.
 */
export interface Scrub {
  tells(block: Uint8Array): boolean;
  /** Returns a place outside file systems, with the reason why it must stay if the guest uses it. */
  withUse(place: Unclaimed): Unclaimed;
}

/** With `via: "direct"`, a change is made in memory or not at all. */
export interface ChangeOptions extends Omit<AccessOptions, "readOnly" | "beside"> {
  /** Check each whole file system with e2fsck, before and after the change. */
  readonly fsck?: boolean;
  readonly scrub?: Scrub;
  /** Renew the swap volumes. */
  readonly renewSwap?: boolean;
  /** Writes outside of file systems, such as a boot loader, after the files have been changed. */
  readonly outside?: (disk: Writable) => Promise<void>;
  /** Other images that may contain members of its mirrors. They are changed with it. */
  readonly together?: readonly string[];
  /** Change the rest even if a volume cannot be opened (encrypted, or a RAID member). */
  readonly allowUnmounted?: boolean;
}
