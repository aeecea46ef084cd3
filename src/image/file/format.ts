import { TbuildError } from "../../errors.ts";

export type Format = "raw" | "qcow2";

/** What kind of image a file is, by its first bytes (64 KiB of them) and its last 512; throws for those nobody can open. */
export function formatOf(file: string, head: Buffer, tail: Buffer): Format {
  if (head.length === 0)
    throw new TbuildError("integrity", `${file}: is empty`, { hint: "Copy the image again." });
  if (starts(head, "QFI\xfb")) return "qcow2";
  const packed = packings.find(({ magic, at }) => starts(head, magic, at));
  if (packed)
    throw new TbuildError("usage", `${file}: is ${packed.name}, not a disk image`, {
      hint: packed.hint(file),
    });
  const foreign = foreigners.find(({ magic, at }) => starts(head, magic, at));
  const name = foreign?.name ?? (starts(tail, "conectix") ? "VHD" : undefined);
  if (name !== undefined)
    throw new TbuildError("usage", `${file}: is a ${name} image; tbuild opens raw and qcow2`, {
      hint: `Convert it: qemu-img convert -O raw '${file}' '${file}.raw'`,
    });
  return "raw";
}

interface Signature {
  readonly name: string;
  readonly magic: string;
  readonly at?: number;
}

const packings: readonly (Signature & { readonly hint: (file: string) => string })[] = [
  { name: "compressed with gzip", magic: "\x1f\x8b", hint: unpackedWith("gunzip -k") },
  { name: "compressed with xz", magic: "\xfd7zXZ\0", hint: unpackedWith("unxz -k") },
  { name: "compressed with bzip2", magic: "BZh", hint: unpackedWith("bunzip2 -k") },
  { name: "compressed with zstd", magic: "\x28\xb5\x2f\xfd", hint: unpackedWith("unzstd") },
  { name: "a zip archive", magic: "PK\x03\x04", hint: unpackedWith("unzip") },
  { name: "a tar archive (an .ova is one)", magic: "ustar", at: 257, hint: unpackedWith("tar -xf") },
  { name: "an ISO 9660 disc", magic: "CD001", at: 32769, hint: () => "Name the disk of a machine." },
];

const foreigners: readonly Signature[] = [
  { name: "VMDK", magic: "KDMV" },
  { name: "VMDK", magic: "# Disk DescriptorFile" },
  { name: "VHDX", magic: "vhdxfile" },
  { name: "QED", magic: "QED\0" },
  { name: "VDI", magic: "\x7f\x10\xda\xbe", at: 64 },
];

function unpackedWith(command: string) {
  return (file: string) => `Unpack it first, which keeps the original: ${command} '${file}'`;
}

function starts(bytes: Buffer, magic: string, at = 0): boolean {
  return bytes.toString("latin1", at, at + magic.length) === magic;
}
