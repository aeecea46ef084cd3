/**
 * Offsets in the boot sector (Microsoft's "FAT File System Specification", fatgen103, section 3). All numbers
 * are little-endian. From 36 on, FAT32 has additional fields.
 */
const at = {
  sectorBytes: 11,
  sectorsPerCluster: 13,
  reserved: 14,
  tables: 16,
  rootEntries: 17,
  sectors16: 19,
  tableSectors16: 22,
  sectors32: 32,
  fat32: {
    tableSectors: 36,
    flags: 40,
    rootCluster: 44,
    info: 48,
    id: 67,
    label: 71,
    type: 82,
  },
  fat16: { id: 39, label: 43, type: 54 },
} as const;

/** FAT32: only one of the tables is in use. */
const oneTable = 0x80;
/** The value if a volume has no label. */
const noLabel = "NO NAME    ";
/** Of the number of free clusters in FAT32's FSInfo sector (section 5). */
const freeCountAt = 488;

/** The boot sector of a FAT file system, unverified: the first 512 bytes of the volume. */
export class BootSector {
  static readonly bytes = 512;
  readonly #data: Buffer;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get sectorBytes(): number {
    return this.#data.readUInt16LE(at.sectorBytes);
  }
  get sectorsPerCluster(): number {
    return this.#data.readUInt8(at.sectorsPerCluster);
  }
  get sectors(): number {
    return this.#data.readUInt16LE(at.sectors16) || this.#data.readUInt32LE(at.sectors32);
  }
  /** Sectors before the first table. */
  get reserved(): number {
    return this.#data.readUInt16LE(at.reserved);
  }
  get tables(): number {
    return this.#data.readUInt8(at.tables);
  }
  get tableSectors(): number {
    return this.#data.readUInt16LE(at.tableSectors16) || this.#data.readUInt32LE(at.fat32.tableSectors);
  }
  get isFat32(): boolean {
    return this.#data.readUInt16LE(at.tableSectors16) === 0;
  }
  /** For the root folder of FAT12 and FAT16. */
  get rootEntries(): number {
    return this.#data.readUInt16LE(at.rootEntries);
  }
  /** The rest is FAT32's. */
  get usesOneTable(): boolean {
    return (this.#data.readUInt16LE(at.fat32.flags) & oneTable) !== 0;
  }
  get rootCluster(): number {
    return this.#data.readUInt32LE(at.fat32.rootCluster);
  }
  /** The place of the number of free clusters, in bytes; `undefined` without an FSInfo sector. */
  get freeCountAt(): number | undefined {
    const sector = this.#data.readUInt16LE(at.fat32.info);
    return sector > 0 && sector < this.reserved ? sector * this.sectorBytes + freeCountAt : undefined;
  }
}

/** Id and label of a FAT, if the volume starts with one. */
export function fatIdentityIn(head: Buffer): { readonly id: string; readonly label: Buffer } | undefined {
  const is = (place: number, type: string) => head.toString("latin1", place, place + type.length) === type;
  const fields = is(at.fat32.type, "FAT32") ? at.fat32 : is(at.fat16.type, "FAT1") ? at.fat16 : undefined;
  if (!fields) return undefined;
  const id = head.readUInt32LE(fields.id).toString(16).toUpperCase().padStart(8, "0");
  const label = head.subarray(fields.label, fields.label + 11);
  return {
    id: `${id.slice(0, 4)}-${id.slice(4)}`,
    label: label.toString("latin1") === noLabel ? label.subarray(0, 0) : label,
  };
}
