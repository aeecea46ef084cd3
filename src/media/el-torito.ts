import { type ReadAt, sector } from "./iso-directory.ts";

/** A boot entry: what firmware can start from an image. */
export interface BootImage {
  readonly platform: "bios" | "efi" | "other";
  /** Bytes from the start of the image. The file at the same offset is the boot file. */
  readonly offset: number;
}

/** Offsets and values of "El Torito" Bootable CD-ROM Format Specification 1.0, tables 2 to 7. */
const recordAt = { system: 7, catalog: 0x47, end: 39 } as const;
const entryBytes = 32;
/** The catalog's first entry, which validates it. */
const validation = { platformAt: 1, keyAt: 30, key: [0x55, 0xaa] } as const;
const entry = { header: 0x90, lastHeader: 0x91, bootable: 0x88, extension: 0x44, notBootable: 0x00 } as const;
const entryAt = { kind: 0, platform: 1, sector: 8 } as const;
/** Number of a platform. UEFI's comes from the UEFI specification, section 13.3.2. */
const platforms: Readonly<Record<number, BootImage["platform"]>> = { 0: "bios", 239: "efi" };

/** Reads the El Torito boot catalog that a boot record points to. Damaged entries are skipped. */
export async function bootImages(bootRecord: Buffer | undefined, read: ReadAt): Promise<BootImage[]> {
  const system = bootRecord?.toString("latin1", recordAt.system, recordAt.end);
  if (!bootRecord || !system?.startsWith("EL TORITO SPECIFICATION")) return [];
  const catalog = await read(bootRecord.readUInt32LE(recordAt.catalog) * sector, sector);
  const { keyAt, key, platformAt } = validation;
  if (catalog.length < 2 * entryBytes || key.some((byte, i) => catalog[keyAt + i] !== byte)) return [];
  const images: BootImage[] = [];
  let platform = catalog[platformAt] ?? 0;
  // The first entry has no header. Further entries follow headers that name their platform.
  for (let at = entryBytes; at + entryBytes <= catalog.length; at += entryBytes) {
    const kind = catalog[at + entryAt.kind];
    const isFirst = at === entryBytes;
    if (kind === entry.header || kind === entry.lastHeader) platform = catalog[at + entryAt.platform] ?? 0;
    else if (kind === entry.bootable)
      images.push({
        platform: platforms[platform] ?? "other",
        offset: catalog.readUInt32LE(at + entryAt.sector) * sector,
      });
    else if (kind !== entry.extension && !(kind === entry.notBootable && isFirst)) break;
  }
  return images;
}
