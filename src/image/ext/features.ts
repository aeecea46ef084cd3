/** The bits of ext's features, named as e2fsprogs names them (lib/e2p/feature.c). */
export const features = {
  compatible: { has_journal: 0x4 },
  incompatible: {
    compression: 0x1,
    filetype: 0x2,
    needs_recovery: 0x4,
    journal_dev: 0x8,
    meta_bg: 0x10,
    extent: 0x40,
    "64bit": 0x80,
    mmp: 0x100,
    flex_bg: 0x200,
    ea_inode: 0x400,
    dirdata: 0x1000,
    metadata_csum_seed: 0x2000,
    large_dir: 0x4000,
    inline_data: 0x8000,
    encrypt: 0x10000,
    casefold: 0x20000,
  },
  readOnly: {
    sparse_super: 0x1,
    large_file: 0x2,
    btree_dir: 0x4,
    huge_file: 0x8,
    uninit_bg: 0x10,
    dir_nlink: 0x20,
    extra_isize: 0x40,
    has_snapshot: 0x80,
    quota: 0x100,
    bigalloc: 0x200,
    metadata_csum: 0x400,
    replica: 0x800,
    "read-only": 0x1000,
    project: 0x2000,
    shared_blocks: 0x4000,
    verity: 0x8000,
    orphan_present: 0x10000,
  },
} as const;

type Kind = keyof typeof features;
export type Feature<K extends Kind> = keyof (typeof features)[K];

/** The bits of these features together. */
export function bitsOf<K extends Kind>(kind: K, ...names: readonly Feature<K>[]): number {
  const bits: Readonly<Record<string, number>> = features[kind];
  return names.reduce((sum, name) => sum | (bits[String(name)] ?? 0), 0);
}

/** The bits without a name in e2fsprogs. No kernel or program mounts a file system with them. */
export function unnamedFeatures(bits: number): number {
  const named = Object.values(features.incompatible).reduce((sum, bit) => sum | bit, 0);
  return (bits & ~named) >>> 0;
}

/** `feature inline_data`, or `features inline_data and encrypt`: the required features in `bits` that are not supported. */
export function namedFeatures(bits: number, kind: "incompatible" | "readOnly"): string {
  const names = new Map<number, string>(Object.entries(features[kind]).map(([name, bit]) => [bit, name]));
  const found = Array.from({ length: 32 }, (_, shift) => (1 << shift) >>> 0)
    .filter((bit) => (bits & bit) !== 0)
    .map((bit) => names.get(bit) ?? `0x${bit.toString(16)}`);
  return `${found.length === 1 ? "feature" : "features"} ${found.join(" and ")}`;
}
