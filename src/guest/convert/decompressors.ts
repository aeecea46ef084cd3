/**
 * The compression formats of kernels and initramfs by their first bytes, in the order of Linux's lib/decompress.c, and the
 * programs that unpack them, with a memory limit if the program has one. gzip is unpacked in process.
 */
export const decompressors: readonly {
  readonly name: string;
  /** In hexadecimal. */
  readonly magic: string;
  readonly argv: readonly string[];
}[] = [
  { name: "bzip2", magic: "425a68", argv: ["bzip2", "-dc"] },
  {
    name: "lzma",
    magic: "5d0000",
    argv: ["xz", "-dc", "--format=lzma", "--single-stream", "--memlimit-decompress=256MiB"],
  },
  { name: "xz", magic: "fd377a585a00", argv: ["xz", "-dc", "--quiet", "--memlimit-decompress=256MiB"] },
  { name: "lzo", magic: "894c5a4f000d0a1a0a", argv: ["lzop", "-dc"] },
  { name: "lz4", magic: "02214c18", argv: ["lz4", "-dc"] },
  { name: "lz4", magic: "04224d18", argv: ["lz4", "-dc"] },
  { name: "zstd", magic: "28b52ffd", argv: ["zstd", "-dc", "--quiet", "--memory=256MB"] },
];
