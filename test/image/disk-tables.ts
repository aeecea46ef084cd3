import { crc32 } from "node:zlib";

/** Makers of partition tables and LVM metadata, byte by byte, for tests that need no tool and no root. */

export interface MbrEntry {
  readonly type: number;
  /** In sectors of 512 bytes. */
  readonly start: number;
  readonly count: number;
}

/** One sector with a partition table. */
export function mbr(entries: readonly MbrEntry[]): Buffer {
  const block = Buffer.alloc(512);
  for (const [index, { type, start, count }] of entries.entries()) {
    const at = 446 + index * 16;
    block.writeUInt8(type, at + 4);
    block.writeUInt32LE(start, at + 8);
    block.writeUInt32LE(count, at + 12);
  }
  block.writeUInt16LE(0xaa55, 510);
  return block;
}

/** A disk with a protective MBR, a GPT, and its backup at the end. Entries count in sectors. */
export function gpt(
  entries: readonly { readonly first: number; readonly last: number }[],
  bytes = 4 << 20,
  sectorBytes = 512,
): Buffer {
  const disk = Buffer.alloc(bytes);
  mbr([{ type: 0xee, start: 1, count: 0xffffffff }]).copy(disk);
  const table = Buffer.alloc(128 * 128);
  for (const [index, { first, last }] of entries.entries()) {
    table.fill(0x11, index * 128, index * 128 + 32);
    table.writeBigUInt64LE(BigInt(first), index * 128 + 32);
    table.writeBigUInt64LE(BigInt(last), index * 128 + 40);
  }
  const last = bytes / sectorBytes - 1;
  const tableSectors = table.length / sectorBytes;
  for (const [at, tableAt] of [
    [1, 2],
    [last, last - tableSectors],
  ] as const) {
    const header = Buffer.alloc(92);
    header.write("EFI PART", 0, "latin1");
    header.writeUInt32LE(0x10000, 8);
    header.writeUInt32LE(92, 12);
    header.writeBigUInt64LE(BigInt(at), 24);
    header.writeBigUInt64LE(BigInt(at === 1 ? last : 1), 32);
    header.writeBigUInt64LE(BigInt(tableAt), 72);
    header.writeUInt32LE(128, 80);
    header.writeUInt32LE(128, 84);
    header.writeUInt32LE(crc32(table), 88);
    header.writeUInt32LE(crc32(header), 16);
    header.copy(disk, at * sectorBytes);
    table.copy(disk, tableAt * sectorBytes);
  }
  return disk;
}

/** The start of a physical volume of LVM2 with `metadata` in its ring, from `at` on; it may run over the end. */
export function physicalVolume(metadata: string, at = 512): Buffer {
  const volume = Buffer.alloc(1048576);
  const label = 512;
  volume.write("LABELONE", label, "latin1");
  volume.writeUInt32LE(32, label + 20);
  volume.write("LVM2 001", label + 24, "latin1");
  const header = label + 32;
  volume.write("id".repeat(16), header, "latin1");
  // One data area from 1 MiB on, then the end of the list; one metadata area from 4096 on.
  volume.writeBigUInt64LE(1048576n, header + 40);
  volume.writeBigUInt64LE(4096n, header + 72);
  const ring = 65536;
  volume.writeBigUInt64LE(BigInt(ring), header + 80);
  volume.write(" LVM2 x[5A%r0N*>", 4096 + 4, "latin1");
  volume.writeBigUInt64LE(BigInt(ring), 4096 + 32);
  volume.writeBigUInt64LE(BigInt(at), 4096 + 40);
  const text = Buffer.from(`${metadata}\0`);
  volume.writeBigUInt64LE(BigInt(text.length), 4096 + 48);
  const first = Math.min(text.length, ring - at);
  text.copy(volume, 4096 + at, 0, first);
  text.copy(volume, 4096 + 512, first);
  return volume;
}

/** The text of a volume group with one physical volume. */
export function volumeGroup(logical: Readonly<Record<string, string>>): string {
  const volumes = Object.entries(logical).map(
    ([name, segments]) => `${name} {\nid = "x"\nsegment_count = 1\n${segments}\n}`,
  );
  return `vg-a {\nid = "abc"\nstatus = ["RESIZEABLE", "READ", "WRITE"]\nextent_size = 8192 # 4 Megabytes\nphysical_volumes {\npv0 {\nid = "p"\ndevice = "/dev/sda2"\npe_start = 2048\npe_count = 10\n}\n}\nlogical_volumes {\n${volumes.join("\n")}\n}\n}\ncontents = "Text Format Volume Group"\n`;
}

/** One linear piece of a logical volume. */
export function segment(
  number: number,
  start: number,
  count: number,
  type = "striped",
  stripes = 1,
  own = 0,
): string {
  return `segment${number} {\nstart_extent = ${own}\nextent_count = ${count}\ntype = "${type}"\nstripe_count = ${stripes}\nstripes = [\n"pv0", ${start}\n]\n}`;
}
