import { inParallel } from "../../io/parallel.ts";
import type { Run } from "../../model/disk.ts";
import { type Block, blocksOf } from "./blocks.ts";
import type { DeflatedBlock } from "./packed-blocks.ts";
import type { PackedFile } from "./packed-file.ts";

const sector = 512;
const grainBytes = 64 * 1024;
const grainsInTable = 512;
/** Header, descriptor, and room up to the first grain. */
const headSectors = 128;
const descriptorSectors = 20;

/**
 * A disk as a stream-optimised VMDK ("Virtual Disk Format 5.0", VMware): a header; then each grain that is
 * not zero, compressed and with a marker, in order; after every 512 grains their table; at the end the
 * directory of the tables and a footer, which repeats the header with the position of the directory. So the
 * file is written from front to back. `id` becomes the content id. Tools use it to tell disks apart.
 */
export async function* streamVmdk(
  runs: AsyncIterable<Run>,
  disk: { readonly name: string; readonly bytes: number; readonly id: string },
  out: Pick<PackedFile, "position" | "deflate" | "holds">,
): AsyncIterable<Uint8Array> {
  const sectors = Math.ceil(disk.bytes / sector);
  const tables = Math.ceil(sectors / ((grainBytes / sector) * grainsInTable));
  const directory = Buffer.alloc(padded(tables * 4));
  let at = 0;
  const counted = (data: Uint8Array) => {
    at += data.length / sector;
    return data;
  };
  yield counted(head(sectors, endOfFile));
  yield counted(descriptor(disk, sectors));

  let table = Buffer.alloc(grainsInTable * 4);
  let tableIndex = 0;
  function* endTable(): Iterable<Uint8Array> {
    if (!table.every((byte) => byte === 0)) {
      yield counted(marker(table.length / sector, 1));
      directory.writeUInt32LE(at, tableIndex * 4);
      yield counted(table);
    }
    table = Buffer.alloc(grainsInTable * 4);
  }

  const grains = inParallel(blocksOf(runs, grainBytes), 64, (one) => compressed(one, out));
  for await (const { start, grain, block } of grains) {
    if (!grain) continue;
    const index = Math.floor(start / grainBytes / grainsInTable);
    if (index !== tableIndex) yield* endTable();
    tableIndex = index;
    table.writeUInt32LE(at, ((start / grainBytes) % grainsInTable) * 4);
    if (block) out.holds(block, out.position + grainHead);
    yield counted(grain);
  }
  yield* endTable();
  yield counted(marker(directory.length / sector, 2));
  const directoryAt = at;
  yield counted(directory);
  yield counted(marker(1, 3));
  yield counted(head(sectors, BigInt(directoryAt)));
  yield marker(0, 0);
}

/** The marker of a grain (its position and length), and zlib's header. */
const grainHead = 12 + 2;

/** A grain with its marker in zlib's format (RFC 1950), padded to a sector. */
async function compressed(
  { start, length, data }: Block,
  out: Pick<PackedFile, "deflate">,
): Promise<{ start: number; grain?: Uint8Array; block?: DeflatedBlock }> {
  if (!data) return { start };
  // A grain at the end of the disk has the full length, even if the disk ends within it.
  const full = length === grainBytes ? data : Buffer.concat([data, Buffer.alloc(grainBytes - length)]);
  const block = await out.deflate(full);
  const { bytes, adler } = block;
  const end = grainHead + bytes.length;
  const grain = Buffer.alloc(padded(end + 4));
  grain.writeBigUInt64LE(BigInt(start / sector), 0);
  grain.writeUInt32LE(2 + bytes.length + 4, 8);
  grain.writeUInt16BE(0x789c, 12);
  grain.set(bytes, grainHead);
  grain.writeUInt32BE(adler, end);
  return { start, grain, block };
}

/** The position of the directory is given at the end of the file. */
const endOfFile = 0xffffffffffffffffn;

function head(sectors: number, directoryAt: bigint): Buffer {
  const block = Buffer.alloc(sector);
  block.write("KDMV", 0, "latin1");
  block.writeUInt32LE(3, 4);
  // Flags: line ends can be tested, grains are compressed, markers are present.
  block.writeUInt32LE(0x30001, 8);
  block.writeBigUInt64LE(BigInt(sectors), 12);
  block.writeBigUInt64LE(BigInt(grainBytes / sector), 20);
  block.writeBigUInt64LE(1n, 28);
  block.writeBigUInt64LE(BigInt(descriptorSectors), 36);
  block.writeUInt32LE(grainsInTable, 44);
  block.writeBigUInt64LE(directoryAt, 56);
  block.writeBigUInt64LE(BigInt(headSectors), 64);
  block.write("\n \r\n", 73, "latin1");
  block.writeUInt16LE(1, 77); // deflate
  return block;
}

function descriptor(disk: { readonly name: string; readonly id: string }, sectors: number): Buffer {
  const cylinders = Math.min(65535, Math.ceil(sectors / (255 * 63)));
  const text = `# Disk DescriptorFile
version=1
CID=${disk.id}
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RW ${sectors} SPARSE "${disk.name}.vmdk"

# The Disk Data Base
#DDB

ddb.virtualHWVersion = "4"
ddb.geometry.cylinders = "${cylinders}"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
ddb.adapterType = "lsilogic"
`;
  const area = Buffer.alloc((headSectors - 1) * sector);
  area.write(text, "latin1");
  return area;
}

function marker(sectors: number, type: 0 | 1 | 2 | 3): Buffer {
  const block = Buffer.alloc(sector);
  block.writeBigUInt64LE(BigInt(sectors), 0);
  block.writeUInt32LE(type, 12);
  return block;
}

function padded(bytes: number): number {
  return Math.ceil(bytes / sector) * sector;
}
