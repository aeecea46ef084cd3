import { type ReadAt, sector } from "./iso-directory.ts";

/** A boot entry: what firmware can start from an image. */
export interface BootImage {
  readonly platform: "bios" | "efi" | "other";
  /** Bytes from the start of the image. The file at the same offset is the boot file. */
  readonly offset: number;
}

/** Reads the El Torito boot catalog that a boot record points to. Damaged entries are skipped. */
export async function bootImages(bootRecord: Buffer | undefined, read: ReadAt): Promise<BootImage[]> {
  if (!bootRecord?.toString("latin1", 7, 39).startsWith("EL TORITO SPECIFICATION")) return [];
  const catalog = await read(bootRecord.readUInt32LE(0x47) * sector, sector);
  if (catalog.length < 64 || catalog[30] !== 0x55 || catalog[31] !== 0xaa) return [];
  const images: BootImage[] = [];
  let platform = catalog[1] ?? 0;
  // The first entry has no header. Further entries follow headers that name their platform.
  for (let at = 32; at + 32 <= catalog.length; at += 32) {
    const kind = catalog[at];
    if (kind === 0x90 || kind === 0x91) platform = catalog[at + 1] ?? 0;
    else if (kind === 0x88)
      images.push({
        platform: platform === 0 ? "bios" : platform === 0xef ? "efi" : "other",
        offset: catalog.readUInt32LE(at + 8) * sector,
      });
    else if (kind !== 0x44 && kind !== 0x00) break;
    else if (kind === 0x00 && at > 32) break;
  }
  return images;
}
