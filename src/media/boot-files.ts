import { openIso } from "./iso.ts";
import type { Medium } from "./media.ts";

export interface BootFiles {
  /** The kernel's release: `2.6.32-754.el6.x86_64`. */
  readonly kernelVersion?: string;
  readonly initrdPacking: string;
}

const packings: readonly (readonly [name: string, magic: string])[] = [
  ["gzip", "\x1f\x8b"],
  ["xz", "\xfd7zXZ\0"],
  ["zstd", "\x28\xb5\x2f\xfd"],
  ["lzma", "\x5d\0\0"],
  ["bzip2", "BZh"],
  ["lz4", "\x02\x21\x4c\x18"],
  ["cpio", "070701"],
];

/** Properties of a medium's kernel and initrd, read from their first bytes. */
export async function bootFiles(medium: Medium): Promise<BootFiles> {
  await using iso = await openIso(medium.file);
  const kernel = await iso.head(medium.kernel, 1 << 16);
  const initrd = (await iso.head(medium.initrd, 16)).toString("latin1");
  const kernelVersion = versionOf(kernel);
  return {
    ...(kernelVersion !== undefined && { kernelVersion }),
    initrdPacking: packings.find(([, magic]) => initrd.startsWith(magic))?.[0] ?? "unknown",
  };
}

// The kernel's boot protocol: "HdrS" at 0x202, and at 0x20e the offset of its version, counted from 0x200.
function versionOf(kernel: Buffer): string | undefined {
  if (kernel.length < 0x210 || kernel.toString("latin1", 0x202, 0x206) !== "HdrS") return undefined;
  const at = kernel.readUInt16LE(0x20e) + 0x200;
  return /^[\w.+-]+/.exec(kernel.toString("latin1", at, at + 80))?.[0];
}
