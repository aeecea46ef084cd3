import type { Watch } from "../host/pace.ts";
import type { Format } from "./file/format.ts";
import type { GuestTree } from "./tree.ts";

/** A file system inside a disk image: where it starts and how long it is, in bytes. */
export interface Volume {
  /** `p1`, `p5`, or `vg/lv`. */
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  readonly fs: "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "swap" | "vfat" | "unknown";
  readonly uuid?: string;
  readonly label?: string;
  /** Of its partition: the GPT's UUID, or the MBR's disk id with the number, as `PARTUUID=` has them. */
  readonly partUuid?: string;
  readonly partLabel?: string;
  /** GPT's type, a UUID in lower case; MBR's, two hex digits. */
  readonly partType?: string;
  /** What an unknown one holds, where that is known: `NTFS`. */
  readonly holds?: string;
  /** Of btrfs: the subvolume that the guest mounts, where that is not the default one. */
  readonly subvolume?: string;
  /** It was not cleanly unmounted: its journal holds changes that are not yet in place. */
  readonly isDirty?: true;
  /** Where it lies, when that is not one run of bytes: a logical volume that was extended. */
  readonly pieces?: readonly { readonly offset: number; readonly bytes: number }[];
  /** A kernel does not find it by itself: its partition table is damaged, or counts in sectors of 4096 bytes. */
  readonly isOffTable?: true;
  /** Why it cannot be opened, in words: encrypted, or its layout cannot be computed. */
  readonly refused?: string;
}

/** One volume and where the guest mounts it. */
export interface Mount {
  readonly at: string;
  readonly volume: Volume;
}

/** A way into the files of an image. */
export interface ImageAccess {
  readonly name: string;
  /** Whether trees that it opens can run programs of the guest. */
  readonly runsPrograms: boolean;
  readonly readsOnly?: true;
  /** The formats of image files that it takes as they are; left out, raw ones. */
  readonly formats?: readonly Format[];
  /** Whether it can open a volume that lies in several pieces. */
  readonly joinsPieces?: true;
  /** It leaves it to a kernel to read the partition table. */
  readonly findsByTable?: true;
  readonly filesystems: readonly Volume["fs"][];
  /** Throws an `environment` fault that names the missing tool or right. */
  check(): Promise<void>;
  /** Opens an image with all its mounts as one tree. Closing it leaves every file system consistent on disk. */
  open(image: string, mounts: readonly Mount[], options?: OpenOptions): Promise<GuestTree>;
  /**
   * Opens it so that the image stays as it is: what changes goes to the file `work`, which `snapshotPieces` reads once
   * the tree is closed. `bytes` is the size of the disk. Ways that change the image itself leave it out.
   */
  openBeside?(
    image: string,
    mounts: readonly Mount[],
    work: string,
    bytes: number,
    watch?: Watch,
  ): Promise<GuestTree>;
}

export interface OpenOptions {
  /** Nothing is written, not even a waiting journal; a change fails when it is committed. */
  readonly readOnly?: boolean;
  readonly watch?: Watch;
}
