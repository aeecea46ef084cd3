import type { Watch } from "../host/long-work.ts";
import type { Format } from "./file/format.ts";
import type { ProgramsWish } from "./programs.ts";
import type { GuestTree } from "./tree.ts";

/** A file system inside a disk image: its offset and length in bytes. */
export interface Volume {
  /** `p1`, `p5`, or `vg/lv`. */
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  readonly fs: "ext2" | "ext3" | "ext4" | "xfs" | "btrfs" | "swap" | "vfat" | "unknown";
  readonly uuid?: string;
  readonly label?: string;
  /** Its partition's UUID (GPT), or disk id and number (MBR), as in `PARTUUID=`. */
  readonly partUuid?: string;
  readonly partLabel?: string;
  /** The partition type: a lower-case UUID for GPT, two hex digits for MBR. */
  readonly partType?: string;
  /** The kind of an unsupported one, if recognised: `NTFS`. */
  readonly holds?: string;
  /** For btrfs: the mounted subvolume, if not the default one. */
  readonly subvolume?: string;
  /** It was not cleanly unmounted: its journal contains changes that are not in place yet. */
  readonly isDirty?: true;
  /** Its ranges, if there are several: an extended logical volume. */
  readonly pieces?: readonly { readonly offset: number; readonly bytes: number }[];
  /** A kernel would not find it: its partition table is damaged, or uses sectors of 4096 bytes. */
  readonly isOffTable?: true;
  /** Why it cannot be opened: encrypted, or its layout cannot be computed. */
  readonly refused?: string;
}

/** A volume and its mount point in the guest. */
export interface Mount {
  readonly at: string;
  readonly volume: Volume;
}

/** An access method for the files of an image. */
export interface ImageAccess {
  readonly name: string;
  readonly readsOnly?: true;
  /** The image formats that it opens directly. Default: raw. */
  readonly formats?: readonly Format[];
  /** True if it can open a volume in several pieces. */
  readonly joinsPieces?: true;
  /** True if it can run programs of the guest, apart from this machine. */
  readonly runsPrograms?: true;
  /** True if a kernel reads the partition table. */
  readonly findsByTable?: true;
  readonly filesystems: readonly Volume["fs"][];
  /** Throws an `environment` fault that names the missing tool or privilege. */
  check(): Promise<void>;
  /** Opens an image with all its mounts as one tree. Closing it leaves all file systems consistent on disk. */
  open(image: string, mounts: readonly Mount[], options?: OpenOptions): Promise<GuestTree>;
  /**
   * Opens it without changing the image: changes go to the file `work`, which `snapshotPieces` reads after the tree is
   * closed. `bytes` is the size of the disk. Absent for methods that change the image itself.
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
  /** Nothing is written, not even a journal replay. A change fails when it is committed. */
  readonly readOnly?: boolean;
  /** Programs of the guest will be run. */
  readonly programs?: ProgramsWish;
  readonly watch?: Watch;
}
