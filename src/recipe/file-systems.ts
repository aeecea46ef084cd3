import type { Recipe } from "./recipe.ts";

/**
 * What Anaconda of the disc offers: OL5 makes ext4 on request only, and the kernel of OL8 and OL9 has no btrfs (facts,
 * kickstart, section 4).
 */
export const fileSystems: Readonly<Record<Recipe["release"], readonly string[]>> = {
  ol5: ["ext3", "swap"],
  ol6: ["ext3", "ext4", "swap"],
  ol7: ["ext3", "ext4", "xfs", "btrfs", "swap"],
  ol8: ["ext3", "ext4", "xfs", "swap"],
  ol9: ["ext3", "ext4", "xfs", "swap"],
};
