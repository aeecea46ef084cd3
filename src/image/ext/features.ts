/** The names of ext features by bit, as in e2fsprogs (lib/e2p/feature.c). */
const incompatible: Readonly<Record<number, string>> = {
  1: "compression",
  2: "filetype",
  4: "needs_recovery",
  8: "journal_dev",
  16: "meta_bg",
  64: "extent",
  128: "64bit",
  256: "mmp",
  512: "flex_bg",
  1024: "ea_inode",
  4096: "dirdata",
  8192: "metadata_csum_seed",
  16384: "large_dir",
  32768: "inline_data",
  65536: "encrypt",
  131072: "casefold",
};

const readOnlyCompatible: Readonly<Record<number, string>> = {
  1: "sparse_super",
  2: "large_file",
  4: "btree_dir",
  8: "huge_file",
  16: "uninit_bg",
  32: "dir_nlink",
  64: "extra_isize",
  128: "has_snapshot",
  256: "quota",
  512: "bigalloc",
  1024: "metadata_csum",
  2048: "replica",
  4096: "read-only",
  8192: "project",
  16384: "shared_blocks",
  32768: "verity",
  65536: "orphan_present",
};

/** The bits without a name in e2fsprogs. No kernel or program mounts a file system with them. */
export function unnamedFeatures(bits: number): number {
  const named = Object.keys(incompatible).reduce((sum, bit) => sum | Number(bit), 0);
  return (bits & ~named) >>> 0;
}

/** `feature inline_data`, or `features inline_data and encrypt`: the required features in `bits` that are not supported. */
export function namedFeatures(bits: number, kind: "incompatible" | "readOnly"): string {
  const names = kind === "incompatible" ? incompatible : readOnlyCompatible;
  const found = Array.from({ length: 32 }, (_, shift) => (1 << shift) >>> 0)
    .filter((bit) => (bits & bit) !== 0)
    .map((bit) => names[bit] ?? `0x${bit.toString(16)}`);
  return `${found.length === 1 ? "feature" : "features"} ${found.join(" and ")}`;
}
