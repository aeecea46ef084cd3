/** The names of ext's features, as e2fsprogs gives them (lib/e2p/feature.c), by their bits. */
const incompatible: Readonly<Record<number, string>> = {
  0x1: "compression",
  0x2: "filetype",
  0x4: "needs_recovery",
  0x8: "journal_dev",
  0x10: "meta_bg",
  0x40: "extent",
  0x80: "64bit",
  0x100: "mmp",
  0x200: "flex_bg",
  0x400: "ea_inode",
  0x1000: "dirdata",
  0x2000: "metadata_csum_seed",
  0x4000: "large_dir",
  0x8000: "inline_data",
  0x10000: "encrypt",
  0x20000: "casefold",
};

const readOnlyCompatible: Readonly<Record<number, string>> = {
  0x1: "sparse_super",
  0x2: "large_file",
  0x4: "btree_dir",
  0x8: "huge_file",
  0x10: "uninit_bg",
  0x20: "dir_nlink",
  0x40: "extra_isize",
  0x80: "has_snapshot",
  0x100: "quota",
  0x200: "bigalloc",
  0x400: "metadata_csum",
  0x800: "replica",
  0x1000: "read-only",
  0x2000: "project",
  0x4000: "shared_blocks",
  0x8000: "verity",
  0x10000: "orphan_present",
};

/** `feature inline_data`, or `features inline_data and encrypt`: which of `bits` a reader has to know, and does not. */
export function namedFeatures(bits: number, kind: "incompatible" | "readOnly"): string {
  const names = kind === "incompatible" ? incompatible : readOnlyCompatible;
  const found = Array.from({ length: 32 }, (_, shift) => (1 << shift) >>> 0)
    .filter((bit) => (bits & bit) !== 0)
    .map((bit) => names[bit] ?? `0x${bit.toString(16)}`);
  return `${found.length === 1 ? "feature" : "features"} ${found.join(" and ")}`;
}
