import type { Reader } from "../../io/reader.ts";

const sector = 512;
const recordMagic = 0xfeedbabe;
const unmountFlag = 0x20;
/** A record is at most 256 KiB, and its headers are eight sectors. */
const longestRecord = 256 * 2 + 8;

/**
 * Whether an XFS log has something to replay: it does unless the record before its head is an unmount record
 * (xfs_log_format.h and xlog_find_tail of Linux). `superblock` is the first sector of the volume. `undefined` for a log on
 * another device, or one that makes no sense.
 */
export async function hasXfsLog(volume: Reader, superblock: Buffer): Promise<boolean | undefined> {
  const log = placeOf(superblock, volume.bytes);
  if (!log) return undefined;
  const sectorAt = async (at: number) =>
    Buffer.from(await volume.read(log.offset + (at % log.sectors) * sector, sector));
  const cycleAt = async (at: number) => {
    const data = await sectorAt(at);
    return data.readUInt32BE(data.readUInt32BE(0) === recordMagic ? 4 : 0);
  };

  const head = await headOf(log.sectors, cycleAt);
  if (head === undefined) return false;
  for (let back = 1; back <= Math.min(longestRecord, log.sectors); back++) {
    const at = (head - back + log.sectors) % log.sectors;
    const record = await sectorAt(at);
    if (record.readUInt32BE(0) !== recordMagic) continue;
    const headers = Math.max(1, Math.ceil(record.readUInt32BE(320) / 32768));
    const length = Math.ceil(record.readUInt32BE(12) / sector);
    const isOneOperation = record.readUInt32BE(40) === 1;
    const isLast = (at + headers + length) % log.sectors === head % log.sectors;
    const flags = (await sectorAt(at + headers)).readUInt8(9);
    return !(isOneOperation && isLast && (flags & unmountFlag) !== 0);
  }
  return undefined;
}

/** Sectors are written in a ring with a cycle number. The head is where the number decreases. */
async function headOf(
  sectors: number,
  cycleAt: (at: number) => Promise<number>,
): Promise<number | undefined> {
  const [first, last] = [await cycleAt(0), await cycleAt(sectors - 1)];
  if (first === 0) return undefined;
  if (first === last) return 0;
  let [before, after] = [0, sectors - 1];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if ((await cycleAt(middle)) === first) before = middle;
    else after = middle;
  }
  return after;
}

function placeOf(
  superblock: Buffer,
  volumeBytes: number,
): { readonly offset: number; readonly sectors: number } | undefined {
  const blockBytes = superblock.readUInt32BE(4);
  const start = superblock.readBigUInt64BE(48);
  const [groupBlocks, logBlocks] = [superblock.readUInt32BE(84), superblock.readUInt32BE(96)];
  const groupShift = BigInt(superblock.readUInt8(124));
  if (start === 0n) return undefined;
  const group = Number(start >> groupShift);
  const inGroup = Number(start & ((1n << groupShift) - 1n));
  const offset = (group * groupBlocks + inGroup) * blockBytes;
  const sectors = (logBlocks * blockBytes) / sector;
  const isSane = Number.isSafeInteger(offset + sectors * sector) && Number.isInteger(sectors) && sectors > 1;
  return isSane && offset + sectors * sector <= volumeBytes ? { offset, sectors } : undefined;
}
