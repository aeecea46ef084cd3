import { TbuildError } from "../../errors.ts";
import { Unfit, unreadable } from "./faults.ts";
import { bitsOf, namedFeatures, unnamedFeatures } from "./features.ts";
import { Superblock } from "./superblock.ts";

/** Where everything is in an ext file system that can be read. */
export interface Geometry {
  readonly blockBytes: number;
  readonly inodes: number;
  readonly inodeBytes: number;
  readonly inodesPerGroup: number;
  readonly descriptorBytes: number;
  readonly descriptorsAt: number;
}

// The features that this reader understands.
const knownIncompatible = bitsOf(
  "incompatible",
  ...(["filetype", "needs_recovery", "extent", "64bit"] as const),
  ...(["mmp", "flex_bg", "metadata_csum_seed", "large_dir"] as const),
);

/** Throws if the superblock is damaged, or has features that this reader does not understand. */
export function geometryOf(sb: Superblock): Geometry {
  if (!sb.isExt) throw new TbuildError("integrity", "no ext file system in it", { subject: "volume" });
  const unnamed = unnamedFeatures(sb.incompatible);
  if (unnamed !== 0)
    throw new TbuildError(
      "integrity",
      `has the ${namedFeatures(unnamed, "incompatible")}, which no access method knows`,
      {
        subject: "ext file system",
        hint: "It is newer than tbuild, or damaged. Check a copy with e2fsck.",
      },
    );
  const unknown = sb.incompatible & ~knownIncompatible;
  if (unknown !== 0)
    throw new Unfit(`has the ${namedFeatures(unknown, "incompatible")}, which is not read directly`);
  if (sb.blockLog > Superblock.mostBlockLog) throw unreadable(`blocks of 2^${10 + sb.blockLog} bytes`);
  const { blockBytes, inodes, inodesPerGroup, inodeBytes, descriptorBytes } = sb;
  if (inodesPerGroup === 0 || inodesPerGroup > blockBytes * 8)
    throw unreadable(`${inodesPerGroup} inodes in a group`);
  if (inodeBytes < 128 || inodeBytes > blockBytes || (inodeBytes & (inodeBytes - 1)) !== 0)
    throw unreadable(`inodes of ${inodeBytes} bytes`);
  return {
    blockBytes,
    inodes,
    inodesPerGroup,
    inodeBytes,
    descriptorBytes,
    // After the superblock's block. Not from s_first_data_block, which is 0 with bigalloc even for blocks of 1 KiB.
    descriptorsAt: Math.max(blockBytes, 2048),
  };
}
