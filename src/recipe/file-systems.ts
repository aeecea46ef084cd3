import type { Recipe } from "./recipe.ts";

/** What each release's Anaconda offers: OL5 creates ext4 on request only; the kernels of OL8 and OL9 have no btrfs. */
export const fileSystems: Readonly<Record<Recipe["release"], readonly string[]>> = {
  ol5: ["ext3", "swap"],
  ol6: ["ext3", "ext4", "swap"],
  ol7: ["ext3", "ext4", "xfs", "btrfs", "swap"],
  ol8: ["ext3", "ext4", "xfs", "swap"],
  ol9: ["ext3", "ext4", "xfs", "swap"],
};
