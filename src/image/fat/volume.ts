import { TbuildError } from "../../errors.ts";
import type { Reader } from "../../io/reader.ts";
import type { Writable } from "../change/draft.ts";
import { BootSector } from "./boot-sector.ts";
import { entryBytes } from "./entry.ts";

/**
 * The allocation table and clusters of a FAT12, FAT16 or FAT32 file system. From Microsoft's "FAT File System
 * Specification" (fatgen103), sections 3 and 4. The number of clusters alone determines the type.
 */
export class FatVolume {
  readonly reader: Reader;
  readonly clusterBytes: number;
  /** The number of clusters. The first is number 2. */
  readonly clusters: number;
  readonly bits: 12 | 16 | 32;
  /** The offset of each copy of the table, in bytes. */
  readonly tables: readonly number[];
  /** For FAT32: the root folder's first cluster. */
  readonly rootCluster: number | undefined;
  /** For FAT12 and FAT16: the root folder's byte range. */
  readonly rootPlace: { readonly offset: number; readonly bytes: number };
  /** For FAT32: the offset of the number of free clusters, in bytes. */
  readonly freeCountAt: number | undefined;
  readonly #dataAt: number;
  readonly #table: Buffer;

  static async open(reader: Reader): Promise<FatVolume> {
    const boot = new BootSector(Buffer.from(await reader.read(0, BootSector.bytes)));
    const { sectorBytes: sector, sectorsPerCluster: perCluster, reserved, tables: copies } = boot;
    const { rootEntries, tableSectors, sectors: total } = boot;
    const isPower = (value: number) => value > 0 && (value & (value - 1)) === 0;
    if (![512, 1024, 2048, 4096].includes(sector) || !isPower(perCluster))
      throw damaged("its boot sector is invalid");
    const rootSectors = Math.ceil((rootEntries * entryBytes) / sector);
    const data = reserved + copies * tableSectors + rootSectors;
    const clusters = Math.floor((total - data) / perCluster);
    if (reserved === 0 || copies === 0 || tableSectors === 0 || clusters < 1)
      throw damaged("its boot sector is invalid");
    if (total * sector > reader.bytes) throw damaged(`it ends at byte ${total * sector} of ${reader.bytes}`);
    const bits = boot.isFat32 ? 32 : clusters < 4085 ? 12 : 16;
    if (Math.ceil(((clusters + 2) * bits) / 8) > tableSectors * sector)
      throw damaged("its table is smaller than its clusters need");
    if (tableSectors * sector > largestTable) throw damaged("its table is larger than that of any disk");
    // Obsolete, and left to a kernel.
    if (bits === 32 && boot.usesOneTable) throw damaged("it has only one copy of its table");
    const table = Buffer.from(await reader.read(reserved * sector, tableSectors * sector));
    return new FatVolume(reader, {
      bits,
      clusters,
      table,
      clusterBytes: perCluster * sector,
      tables: Array.from({ length: copies }, (_, index) => (reserved + index * tableSectors) * sector),
      rootCluster: bits === 32 ? boot.rootCluster : undefined,
      rootPlace: { offset: (reserved + copies * tableSectors) * sector, bytes: rootEntries * entryBytes },
      freeCountAt: bits === 32 ? boot.freeCountAt : undefined,
      dataAt: data * sector,
    });
  }

  private constructor(
    reader: Reader,
    facts: Pick<
      FatVolume,
      "bits" | "clusters" | "clusterBytes" | "tables" | "rootCluster" | "rootPlace" | "freeCountAt"
    > & {
      readonly table: Buffer;
      readonly dataAt: number;
    },
  ) {
    this.reader = reader;
    this.bits = facts.bits;
    this.clusters = facts.clusters;
    this.clusterBytes = facts.clusterBytes;
    this.tables = facts.tables;
    this.rootCluster = facts.rootCluster;
    this.rootPlace = facts.rootPlace;
    this.freeCountAt = facts.freeCountAt;
    this.#table = facts.table;
    this.#dataAt = facts.dataAt;
  }

  /** The offset of a cluster in bytes. */
  placeOf(cluster: number): number {
    return this.#dataAt + (cluster - 2) * this.clusterBytes;
  }

  /** The clusters of a chain in order. A cyclic chain, or one that leaves the table, is damage. */
  chain(first: number): number[] {
    const found: number[] = [];
    for (let cluster = first; !this.#isEnd(cluster); cluster = this.entry(cluster)) {
      if (cluster < 2 || cluster >= this.clusters + 2) throw damaged(`a chain leads to cluster ${cluster}`);
      if (found.length > this.clusters) throw damaged("a chain forms a loop");
      found.push(cluster);
    }
    return found;
  }

  isFree(cluster: number): boolean {
    return this.entry(cluster) === 0;
  }

  entry(cluster: number): number {
    if (this.bits === 32) return this.#table.readUInt32LE(cluster * 4) & 0x0fffffff;
    if (this.bits === 16) return this.#table.readUInt16LE(cluster * 2);
    const pair = this.#table.readUInt16LE(Math.floor(cluster * 1.5));
    return cluster % 2 === 0 ? pair & 0xfff : pair >> 4;
  }

  /** The first `count` free clusters; `undefined` if there are fewer. */
  freeClusters(count: number): number[] | undefined {
    const found: number[] = [];
    for (let cluster = 2; cluster < this.clusters + 2 && found.length < count; cluster++)
      if (this.isFree(cluster)) found.push(cluster);
    return found.length === count ? found : undefined;
  }

  /** Writes a cluster's entry in all copies of the table: the next cluster, `end`, or 0 for free. */
  async setEntry(disk: Writable, cluster: number, next: number): Promise<void> {
    const width = this.bits === 32 ? 4 : 2;
    const offset = Math.floor((cluster * this.bits) / 8);
    const now = Buffer.from(this.#table.subarray(offset, offset + width));
    // FAT32's upper four bits are kept. FAT12 has two entries in three bytes.
    if (this.bits === 32) now.writeUInt32LE(((now.readUInt32LE() & 0xf0000000) | next) >>> 0);
    else if (this.bits === 16) now.writeUInt16LE(next);
    else if (cluster % 2 === 0) now.writeUInt16LE((now.readUInt16LE() & 0xf000) | next);
    else now.writeUInt16LE((now.readUInt16LE() & 0x000f) | (next << 4));
    now.copy(this.#table, offset);
    for (const table of this.tables) await disk.write(table + offset, now);
  }

  /** The table entry of the last cluster of a chain. */
  get end(): number {
    return { 12: 0xfff, 16: 0xffff, 32: 0x0fffffff }[this.bits];
  }

  /** Updates FAT32's count of free clusters. All ones mean that the count is unknown. */
  async countFree(disk: Writable, more: number): Promise<void> {
    if (this.freeCountAt === undefined || more === 0) return;
    const count = Buffer.from(await disk.read(this.freeCountAt, 4)).readUInt32LE();
    if (count === 0xffffffff) return;
    const now = Buffer.alloc(4);
    now.writeUInt32LE(Math.max(0, count + more));
    await disk.write(this.freeCountAt, now);
  }

  #isEnd(entry: number): boolean {
    return entry >= { 12: 0xff8, 16: 0xfff8, 32: 0x0ffffff8 }[this.bits];
  }
}

const largestTable = 1024 * 1024 * 1024;

/**
 * The error for a file system that contradicts itself. Only another access method may be able to read its
 * guest.
 */
export function damaged(what: string): TbuildError {
  return new TbuildError("integrity", `FAT: ${what}`, {
    hint: "Check it with fsck.fat on a copy.",
  });
}
