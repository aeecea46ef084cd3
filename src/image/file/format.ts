import { TbuildError } from "../../errors.ts";
import { fileWord } from "../../io/escape.ts";

export type Format = "raw" | "qcow2";

/** The format of an image, from its first 64 KiB and last 512 bytes. Throws for formats that cannot be opened. */
export function formatOf(file: string, head: Buffer, tail: Buffer): Format {
  if (head.length === 0)
    throw new TbuildError("integrity", "is empty", { subject: file, hint: "Copy the image again." });
  if (starts(head, "QFI\xfb")) return "qcow2";
  const other = otherFormat(head, tail);
  if (other)
    throw new TbuildError("usage", `is ${other.name}; tbuild opens raw and qcow2 images`, {
      subject: file,
      hint: other.hint(file),
    });
  return "raw";
}

/** Describes a file that is neither raw nor qcow2, and what to do with it. */
export function otherFormat(
  head: Buffer,
  tail: Buffer,
): { readonly name: string; readonly hint: (file: string) => string } | undefined {
  const packed = packings.find(({ magic, at }) => starts(head, magic, at));
  if (packed) return packed;
  const found = foreigners.find(({ magic, at, isLast }) => starts(isLast ? tail : head, magic, at));
  return (
    found && {
      name: found.name,
      // The format is stated, because qemu would take a fixed VHD for a raw image by its first bytes.
      hint: (file) =>
        `Convert it: qemu-img convert -f ${found.driver} -O raw ${fileWord(file)} ${fileWord(`${file}.raw`)}`,
    }
  );
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
  { name: "a 7z archive", magic: "7z\xbc\xaf", hint: unpackedWith("7z x") },
  { name: "a zip archive", magic: "PK\x03\x04", hint: unpackedWith("unzip") },
  { name: "a tar archive (an .ova is one)", magic: "ustar", at: 257, hint: unpackedWith("tar -xf") },
  { name: "an ISO 9660 disc", magic: "CD001", at: 32769, hint: () => "Name a disk image of a machine." },
];

const foreigners: readonly (Signature & { readonly driver: string; readonly isLast?: true })[] = [
  { name: "a VMDK image", magic: "KDMV", driver: "vmdk" },
  { name: "a VMDK image of the old kind", magic: "COWD", driver: "vmdk" },
  {
    name: "a VMDK descriptor whose data is in other files",
    magic: "# Disk DescriptorFile",
    driver: "vmdk",
  },
  { name: "a VHDX image", magic: "vhdxfile", driver: "vhdx" },
  { name: "a dynamic VHD image", magic: "conectix", driver: "vpc" },
  { name: "a fixed VHD image", magic: "conectix", driver: "vpc", isLast: true },
  { name: "a QED image", magic: "QED\0", driver: "qed" },
  { name: "a VDI image", magic: "\x7f\x10\xda\xbe", at: 64, driver: "vdi" },
  { name: "a Parallels image", magic: "WithoutFreeSpace", driver: "parallels" },
  { name: "a Parallels image", magic: "WithouFreSpacExt", driver: "parallels" },
  { name: "a Bochs image", magic: "Bochs Virtual HD Image", driver: "bochs" },
  { name: "an Apple disk image", magic: "koly", driver: "dmg", isLast: true },
];

function unpackedWith(command: string) {
  return (file: string) => `Unpack it first, which keeps the original: ${command} ${fileWord(file)}`;
}

function starts(bytes: Buffer, magic: string, at = 0): boolean {
  return bytes.toString("latin1", at, at + magic.length) === magic;
}
